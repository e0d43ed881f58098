"""The ports of one run, held together, and the callbacks that show what is going on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from loadlab.execute.ports import Clock, Deployer, LoadGenerator, ResourceProbe, RunStore
from loadlab.model.experiment import ClosedLoad, Experiment, Stack
from loadlab.model.run import Window


class Progress(Protocol):
    """What a person watching a run is told."""

    def run_started(self, *, windows: int, estimated_s: float) -> None:
        """The plan is known."""

    def stage(self, text: str) -> None:
        """Something that is no window goes on."""

    def window_started(self, *, index: int, total: int, label: str) -> None:
        """A window's trial begins; index from 1."""

    def tick(self, *, users: int, rps: float, p50_s: float | None, p99_s: float | None) -> None:
        """Live figures, about once a second."""

    def window_finished(self, *, label: str, valid: bool, reasons: tuple[str, ...]) -> None:
        """A window is in the bundle."""

    def message(self, text: str) -> None:
        """One line that stays."""

    def finished(self) -> None:
        """Nothing more comes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rig:
    """Everything that a block needs."""

    experiment: Experiment
    load: ClosedLoad
    deployer: Deployer
    generator: LoadGenerator
    probe: ResourceProbe
    store: RunStore
    clock: Clock
    progress: Progress

    def stack(self, name: str) -> Stack:
        """The stack of that name."""
        return next(s for s in self.experiment.stacks if s.name == name)

    def others(self, name: str) -> tuple[str, ...]:
        """The stacks that are idle while this one is measured."""
        return tuple(s.name for s in self.experiment.stacks if s.name != name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A window with the raw expositions that were read for it."""

    window: Window
    scrapes: str
