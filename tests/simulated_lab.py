"""A simulated run from end to end: the ports of ``simulated``, a real bundle, and a progress that remembers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from builders import make_provenance
from loadlab.config import dump_experiment
from loadlab.config.prices import load_price_lists
from loadlab.execute.process_probe import ProcessProbe
from loadlab.execute.store import BundleStore
from loadlab.model.experiment import Experiment
from loadlab.model.result import WindowSummary
from loadlab.pipeline.rig import Rig
from loadlab.pipeline.session import run_session
from simulated import FakeClock, SimulatedDeployer, SimulatedGenerator, SimulatedProbe, Truth, World


@dataclass(slots=True)
class Watcher:
    """Progress that remembers."""

    messages: list[str] = field(default_factory=list)
    windows: list[tuple[str, WindowSummary]] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    bounded: int = 0
    least_s: float = 0.0
    expected_s: tuple[float, ...] = ()
    ticks: int = 0
    total: int = 0

    def run_bounded(self, windows: int, least_s: float) -> None:
        assert (least_s > 0) == (windows > 0)
        self.bounded, self.least_s, self.total = windows, least_s, windows

    def run_started(self, expected_s: Sequence[float]) -> None:
        self.expected_s, self.total = tuple(expected_s), len(expected_s)

    def stage(self, text: str) -> None:
        self.messages.append(text)

    def window_started(self, index: int, total: int, trial_label: str) -> None:
        assert 1 <= index <= total

    def windows_expected(self, total: int) -> None:
        self.expected.append(total)

    def tick(self, there: str, rps: float, p50_s: float | None, p99_s: float | None) -> None:
        self.ticks += 1

    def window_finished(self, label: str, window: WindowSummary) -> None:
        self.windows.append((label, window))

    def message(self, text: str) -> None:
        self.messages.append(text)

    def finished(self) -> None:
        self.messages.append("finished")


@dataclass(slots=True)
class Lab:
    """A simulated run: its world, and how to run, stop and resume it in one bundle."""

    experiment: Experiment
    folder: Path
    world: World
    watcher: Watcher = field(default_factory=Watcher)

    def rig(self, store: BundleStore) -> Rig:
        """The ports over this world."""
        generator = SimulatedGenerator(self.world)
        probe = ProcessProbe(SimulatedProbe(self.world, generator), lambda _: None)
        return Rig(
            experiment=self.experiment,
            load=self.experiment.load,
            deployer=SimulatedDeployer(self.world),
            generator=generator,
            probe=probe,
            store=store,
            clock=self.world.clock,
            progress=self.watcher,
            prices=load_price_lists() if self.experiment.refine else {},
        )

    @contextmanager
    def opened(self) -> Iterator[BundleStore]:
        """The bundle, with its provenance, locked."""
        with BundleStore(self.folder, self.world.clock) as store:
            if not (self.folder / "provenance.json").exists():
                store.put_text("experiment.toml", dump_experiment(self.experiment))
                store.put_provenance(make_provenance())
            yield store

    def run(self) -> None:
        """Run what is left to do, to its end or to whatever stops it."""
        with self.opened() as store:
            run_session(self.rig(store), store.progress())


def make_lab(experiment: Experiment, folder: Path, truths: Mapping[str, Truth] | None = None) -> Lab:
    """A lab with a pool of 8 slots against a loop without any, unless told otherwise."""
    known = truths or {"pool": Truth(slots=8), "loop": Truth()}
    return Lab(experiment=experiment, folder=folder, world=World(clock=FakeClock(), truths=known))
