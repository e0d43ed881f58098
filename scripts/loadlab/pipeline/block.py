"""One block: both stacks started fresh, every trial once in its drawn order, failed pairs repeated once."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.analysis.validity import needs_repeat, window_findings
from loadlab.design.plan import make_repeat
from loadlab.design.warmup import settling_s
from loadlab.model.plan import Block, Trial
from loadlab.model.run import Demand, Window
from loadlab.pipeline.insist import ATTEMPTS, heal, insist
from loadlab.pipeline.rig import Measured, Rig
from loadlab.pipeline.trial import Timing, run_trial, run_warmup


@dataclass(slots=True)
class Counter:
    """Which window of how many is running."""

    done: int
    total: int


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
    queue = [marked(trial, attempt) for trial in block.trials]
    while queue:
        windows += [running.window(trial) for trial in queue]
        queue = [make_repeat(trial) for trial in needs_repeat(tuple(windows), rig.experiment)]
        counter.total += len(queue)
    rig.deployer.release()
    rig.store.event("block_spent", running.spent(began_s))
    rig.store.event("block_finished", {"block": block.number, "attempt": attempt, "windows": [w.id for w in windows]})


def marked(trial: Trial, attempt: int) -> Trial:
    """The trial with an id of its own for this attempt at its block."""
    if attempt == 1:
        return trial
    return Trial(
        id=f"{trial.id}-t{attempt}",
        block=trial.block,
        stack=trial.stack,
        users=trial.users,
        role=trial.role,
        repeats=trial.repeats,
    )


class _Running:
    """A block under way, which knows what stands cold: stacks that were started and not warmed up since."""

    def __init__(self, rig: Rig, block: Block, demands: tuple[Demand, ...], attempt: int, counter: Counter) -> None:
        self._rig = rig
        self._block = block
        self._demands = demands
        self._attempt = attempt
        self._counter = counter
        self._cold: list[str] = []
        self._useful_s = 0.0
        self._all_cold()

    def spent(self, began_s: float) -> dict[str, object]:
        """How long the block took, and how much of it was windows and warm-up."""
        whole_s = self._rig.clock.monotonic_s() - began_s
        return {"block": self._block.number, "whole_s": whole_s, "useful_s": self._useful_s}

    def window(self, trial: Trial) -> Window:
        """Measure one window and put it into the bundle."""
        rig, counter = self._rig, self._counter
        counter.done += 1
        label = f"{trial.stack}, {trial.users} users" + ("" if trial.role == "sweep" else f" ({trial.role})")
        measured = insist(rig, trial.id, trial.block, lambda: self._measured(trial, label), self._all_cold)
        window = measured.window
        rig.store.put_window(window, measured.scrapes)
        reasons = tuple(f.code for f in window_findings(window, rig.experiment) if f.level == "invalid")
        rig.store.event("window_finished", {"window": window.id, "invalid": list(reasons)})
        rig.progress.window_finished(label, not reasons, reasons)
        heal(rig, trial.block, self._all_cold)
        return window

    def _measured(self, trial: Trial, label: str) -> Measured:
        self._warm_up()
        self._rig.progress.window_started(self._counter.done, self._counter.total, label)
        own = timing(self._rig, trial, self._demands)
        self._useful_s += own.warmup_s + own.measure_s
        return run_trial(self._rig, trial, own)

    def _all_cold(self) -> None:
        self._cold = [stack.name for stack in self._rig.experiment.stacks]

    def _warm_up(self) -> None:
        """Load at the top level on every cold stack. One that keeps falling is measured cold: its windows say so."""
        rig, number = self._rig, self._block.number
        top = max(trial.users for trial in self._block.trials)
        for _ in range(ATTEMPTS * len(rig.experiment.stacks)):
            if not self._cold:
                return
            name = self._cold[0]
            trial = Trial(id=f"b{number:02d}-warmup-{name}-t{self._attempt}", block=number, stack=name, users=top)
            rig.progress.stage(f"block {number}: warming up {name} with {top} users")
            run_warmup(rig, trial, rig.experiment.window.warmup_s)
            self._useful_s += rig.experiment.window.warmup_s
            self._cold.remove(name)
            heal(rig, number, self._all_cold)


def timing(rig: Rig, trial: Trial, demands: tuple[Demand, ...]) -> Timing:
    """Warm-up, window and start spread of a trial, from the stack's measured demand."""
    demand = next(d for d in demands if d.stack == trial.stack)
    think_s = demand.think_time_s(rig.load.think_s) or 0.0
    return Timing(
        warmup_s=settling_s(demand, trial.users, think_s),
        measure_s=rig.experiment.window.measure_s,
        phase_s=demand.service_s + think_s,
        scrape_cpu_s=demand.scrape_cpu_s,
    )
