"""One block: both stacks started fresh, every trial once in its drawn order, failed pairs repeated once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from loadlab.analysis.validity import needs_repeat, window_findings
from loadlab.design.plan import make_repeat
from loadlab.design.warmup import settling_s
from loadlab.model.plan import Block, Trial
from loadlab.model.run import Demand, Window
from loadlab.pipeline.insist import heal, insist
from loadlab.pipeline.rig import Rig
from loadlab.pipeline.trial import Timing, run_trial, run_warmup

Result = TypeVar("Result")


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
    rig.store.event("block_started", {"block": block.number, "attempt": attempt})
    rig.progress.stage(f"block {block.number}: starting both stacks fresh")
    rig.deployer.prepare(block.number)
    _warm_up(rig, block, attempt)
    windows: list[Window] = []
    queue = [marked(trial, attempt) for trial in block.trials]
    while queue:
        windows += [_measured(rig, trial, demands, counter) for trial in queue]
        queue = [make_repeat(trial) for trial in needs_repeat(tuple(windows), rig.experiment)]
        counter.total += len(queue)
    rig.deployer.release()
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


def _warm_up(rig: Rig, block: Block, attempt: int) -> None:
    top = max(trial.users for trial in block.trials)
    for stack in rig.experiment.stacks:
        trial = Trial(
            id=f"b{block.number:02d}-warmup-{stack.name}-t{attempt}", block=block.number, stack=stack.name, users=top
        )
        rig.progress.stage(f"block {block.number}: warming up {stack.name} with {top} users")
        insist(rig, trial.id, trial.block, partial(run_warmup, rig, trial, rig.experiment.window.warmup_s))


def _measured(rig: Rig, trial: Trial, demands: tuple[Demand, ...], counter: Counter) -> Window:
    counter.done += 1
    label = f"{trial.stack}, {trial.users} users" + ("" if trial.role == "sweep" else f" ({trial.role})")
    rig.progress.window_started(counter.done, counter.total, label)
    measured = insist(rig, trial.id, trial.block, lambda: run_trial(rig, trial, timing(rig, trial, demands)))
    window = measured.window
    rig.store.put_window(window, measured.scrapes)
    reasons = tuple(f.code for f in window_findings(window, rig.experiment) if f.level == "invalid")
    rig.store.event("window_finished", {"window": window.id, "invalid": list(reasons)})
    rig.progress.window_finished(label, not reasons, reasons)
    heal(rig, trial.block)
    return window


def timing(rig: Rig, trial: Trial, demands: tuple[Demand, ...]) -> Timing:
    """Warm-up, window and start spread of a trial, from the stack's measured demand."""
    demand = next(d for d in demands if d.stack == trial.stack)
    think_s = rig.load.think_s
    return Timing(
        warmup_s=settling_s(demand, trial.users, think_s),
        measure_s=rig.experiment.window.measure_s,
        phase_s=demand.service_s + think_s,
    )
