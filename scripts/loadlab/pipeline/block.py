"""One block: both stacks started fresh, every trial once in its drawn order, failed pairs repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loadlab.analysis.repeats import may_repeat, needs_repeat
from loadlab.analysis.summarise import summarise_window
from loadlab.design.plan import make_repeat, owed_repeats
from loadlab.design.warmup import open_settling_s, settling_s
from loadlab.model.plan import Block, Trial
from loadlab.model.run import Demand, Window
from loadlab.pipeline.advice import advise_on_steal
from loadlab.pipeline.insist import ATTEMPTS, heal, insist
from loadlab.pipeline.phase import tell
from loadlab.pipeline.rig import Measured, Rig
from loadlab.pipeline.trial import Timing, run_trial, run_warmup


@dataclass(slots=True)
class Counter:
    """Which window of how many is running. owed: repeats that the block under way has earned so far."""

    done: int
    total: int
    owed: int = 0

    @property
    def expected(self) -> int:
        """How many windows the run will have, as far as is known."""
        return self.total + self.owed


def run_block(rig: Rig, block: Block, demands: tuple[Demand, ...], attempt: int, counter: Counter) -> None:
    """Run one block to its end and say so in the bundle.

    attempt: 1, or more when the block is redone whole; window ids carry it from 2 on.

    Raises:
        LoadlabError: the block cannot be finished; what it measured stays in the bundle, marked as left out.
    """
    began_s = rig.clock.monotonic_s()
    rig.store.event("block_started", {"block": block.number, "attempt": attempt})
    rig.progress.stage(f"block {block.number}: starting both stacks fresh")
    rig.deployer.prepare(block.number)
    running = _Running(rig, block, demands, attempt, counter)
    windows: list[Window] = []
    planned = running.trials
    while planned:
        windows += running.round(planned)
        wanted = needs_repeat(windows, rig.experiment, rig.bounds)
        planned = tuple(trial for trial in running.trials if trial.id in wanted)
        counter.total, counter.owed = counter.total + len(planned), 0
    rig.deployer.release()
    advise_on_steal(rig, block.number, windows)
    rig.store.event("block_spent", running.spent(began_s))
    rig.store.event("block_finished", {"block": block.number, "attempt": attempt, "windows": [w.id for w in windows]})


def marked(trial: Trial, attempt: int) -> Trial:
    """The trial with an id of its own for this attempt at its block."""
    if attempt == 1:
        return trial
    return replace(trial, id=f"{trial.id}-t{attempt}")


class _Running:
    """A block under way, which knows what stands cold: stacks that were started and not warmed up since."""

    def __init__(self, rig: Rig, block: Block, demands: tuple[Demand, ...], attempt: int, counter: Counter) -> None:
        self._rig = rig
        self._block = block
        self._demands = demands
        self._attempt = attempt
        self._counter = counter
        self.trials = tuple(marked(trial, attempt) for trial in block.trials)
        self._rounds = 0
        self._planned: tuple[Trial, ...] = ()
        self._failed: set[str] = set()
        self._cold: list[str] = []
        self._useful_s = 0.0
        self._all_cold()

    def spent(self, began_s: float) -> dict[str, object]:
        """How long the block took, and how much of it was windows and warm-up."""
        whole_s = self._rig.clock.monotonic_s() - began_s
        return {"block": self._block.number, "whole_s": whole_s, "useful_s": self._useful_s}

    def round(self, planned: tuple[Trial, ...]) -> list[Window]:
        """Measure these trials; after the first round, their repeats."""
        self._planned, self._failed = planned, set()
        again = self._rounds
        self._rounds += 1
        return [self._window(make_repeat(trial, again) if again else trial) for trial in planned]

    def _window(self, trial: Trial) -> Window:
        """Measure one window and put it into the bundle."""
        rig, counter = self._rig, self._counter
        counter.done += 1
        label = f"{trial.stack}, {level_text(trial)}" + ("" if trial.role == "sweep" else f" ({trial.role})")
        measured = insist(rig, trial.id, trial.block, lambda: self._measured(trial, label), self._all_cold)
        window = measured.window
        rig.store.put_window(window, measured.scrapes, measured.generator_scrapes)
        summary = summarise_window(window, rig.experiment, rig.bounds)
        rig.store.event("window_finished", {"window": window.id, "invalid": list(summary.reasons)})
        rig.levels.add(window, is_valid=summary.valid)
        tell(rig)
        if not summary.valid and may_repeat(summary.reasons, self._rounds - 1):
            self._failed.add(trial.repeats or trial.id)
        self._expect_repeats()
        rig.progress.window_finished(label, summary)
        heal(rig, trial.block, self._all_cold)
        return window

    def _expect_repeats(self) -> None:
        """Tell at once how many windows there will be now, not when the repeats begin."""
        self._counter.owed = len(owed_repeats(self._planned, self._failed))
        self._rig.progress.windows_expected(self._counter.expected)

    def _measured(self, trial: Trial, label: str) -> Measured:
        self._warm_up()
        self._rig.progress.window_started(self._counter.done, self._counter.expected, label)
        own = timing(self._rig, trial, self._demands)
        self._useful_s += own.warmup_s + own.measure_s
        return run_trial(self._rig, trial, own)

    def _all_cold(self) -> None:
        self._cold = [stack.name for stack in self._rig.experiment.stacks]

    def _warm_up(self) -> None:
        """Load at the top level on every cold stack. One that keeps falling is measured cold: its windows say so."""
        rig, number = self._rig, self._block.number
        top = max(self._block.trials, key=lambda trial: trial.users)
        for _ in range(ATTEMPTS * len(rig.experiment.stacks)):
            if not self._cold:
                return
            name = self._cold[0]
            warmup_id = f"b{number:02d}-warmup-{name}-t{self._attempt}"
            trial = Trial(id=warmup_id, block=number, stack=name, users=top.users, kind=top.kind)
            rig.progress.stage(f"block {number}: warming up {name} with {level_text(top)}")
            run_warmup(rig, trial, rig.experiment.window.warmup_s)
            self._useful_s += rig.experiment.window.warmup_s
            self._cold.remove(name)
            heal(rig, number, self._all_cold)


def level_text(trial: Trial) -> str:
    """The level of a trial with its unit."""
    return f"{trial.users} users" if trial.kind == "closed" else f"{trial.users} req/s"


def timing(rig: Rig, trial: Trial, demands: tuple[Demand, ...]) -> Timing:
    """Warm-up, window and start spread of a trial, from the measured demands."""
    demand = next(d for d in demands if d.stack == trial.stack)
    think_s = demand.think_time_s(rig.load.think_s) or 0.0
    return Timing(
        warmup_s=settling_s(demand, trial.users, think_s) if trial.kind == "closed" else open_settling_s(demands),
        measure_s=rig.experiment.window.measure_s,
        phase_s=demand.service_s + think_s,
        scrape_cpu_s=demand.scrape_cpu_s,
    )
