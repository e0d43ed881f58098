"""The ports of one run, held together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loadlab.analysis.gate_bounds import GateBounds
from loadlab.execute.ports import Clock, Deployer, LoadGenerator, ResourceProbe, RunStore
from loadlab.model.experiment import Experiment, Load, Stack
from loadlab.model.price import PriceList
from loadlab.model.run import Window
from loadlab.pipeline.abort import AbortWatch
from loadlab.pipeline.level_board import LevelBoard
from loadlab.report.live import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Rig:
    """Everything that a block needs."""

    experiment: Experiment
    load: Load
    deployer: Deployer
    generator: LoadGenerator
    probe: ResourceProbe
    store: RunStore
    clock: Clock
    progress: Progress
    bounds: GateBounds = field(default_factory=GateBounds)
    watch: AbortWatch = field(default_factory=AbortWatch)
    """One for the whole run: what hurts does not stop hurting at a window's end."""
    prometheus: Callable[[], str | None] = lambda: None
    """Where the Prometheus that scrapes this run answers; None where there is none."""
    declared: Mapping[str, object] = field(default_factory=dict)
    """What is told to the load generator of the whole run (`phase.declared`)."""
    levels: LevelBoard = field(default_factory=LevelBoard)
    """What is told to it of the levels that were measured so far."""
    prices: Mapping[str, PriceList] = field(default_factory=dict)
    """By id: those that the experiment names, which decide whether a second stage follows."""

    def stack(self, name: str) -> Stack:
        """The stack of that name."""
        return next(s for s in self.experiment.stacks if s.name == name)

    def others(self, name: str) -> tuple[str, ...]:
        """The stacks that are idle while this one is measured."""
        return tuple(s.name for s in self.experiment.stacks if s.name != name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A window with the raw expositions that were read for it, the stack's and the load generator's."""

    window: Window
    scrapes: str
    generator_scrapes: str
