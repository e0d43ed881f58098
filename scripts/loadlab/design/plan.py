"""The whole run, drawn from the seed before anything is measured."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from random import Random
from statistics import median_low

from loadlab.design.order import Visit, visits
from loadlab.model.experiment import ClosedLoad, Experiment
from loadlab.model.plan import Block, LoadKind, Plan, Role, Trial


def make_plan(
    experiment: Experiment,
    levels: tuple[int, ...],
    *,
    seed: int,
    predicted_users: float | None = None,
    first_block: int = 1,
) -> Plan:
    """Every block visits each (stack, level) once: random levels, stacks adjacent, ABBA, plus one A/A trial.

    The A/A trial doubles a stack at one level, on the outside of that level's pair: it touches its sweep trial and
    leaves the two stacks adjacent. The stacks are doubled by turns, each for two blocks, in one of which it leads: over
    four blocks either stack is the first and the last of its windows there equally often.
    Works for one stack too. The same arguments give the same plan. first_block: the number of its first block.
    """
    if not levels or list(levels) != sorted(set(levels)) or levels[0] < 1:
        raise ValueError(f"levels {levels} are not unique, ascending and at least 1")
    names = tuple(stack.name for stack in experiment.stacks)
    kind: LoadKind = "closed" if isinstance(experiment.load, ClosedLoad) else "open"
    control = control_level(levels, predicted_users, experiment.decision.claimed_users)
    width = max(3, len(str(levels[-1])))
    planned = visits(levels, experiment.blocks.count, Random(seed))
    blocks: list[Block] = []
    for index, order in enumerate(planned):
        number = first_block + index
        turn = first_block // 2 + index // 2
        twin = _trial(number, names[turn % len(names)], control, "aa", width)
        trials = (replace(trial, kind=kind) for trial in _block_trials(order, names, twin, width))
        blocks.append(Block(number=number, trials=tuple(trials)))
    return Plan(
        levels=levels, blocks=tuple(blocks), aa_users=control, aa_stack=names[0], seed=seed, refine=experiment.refine
    )


def control_level(levels: tuple[int, ...], predicted_users: float | None, claimed_users: int | None) -> int:
    """Where the A/A control stands: the tested level nearest below the prediction, else the claim.

    There the pool is nearly full and not overloaded, as at the level that decides the bracket's lower end.
    Without prediction and claim it is the middle level; with all levels above the reference, the lowest.
    """
    reference = predicted_users or claimed_users or median_low(levels)
    return max((level for level in levels if level <= reference), default=levels[0])


def _block_trials(order: tuple[Visit, ...], names: tuple[str, ...], twin: Trial, width: int) -> list[Trial]:
    trials: list[Trial] = []
    for visit in order:
        lead = names[::-1] if visit.swapped else names
        pair = [_trial(twin.block, stack, visit.users, "sweep", width) for stack in lead]
        if visit.users == twin.users:
            comes_first = visit.swapped == (twin.stack != names[0])
            pair.insert(0 if comes_first else len(pair), twin)
        trials += pair
    return trials


def _trial(block: int, stack: str, users: int, role: Role, width: int) -> Trial:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stack).lstrip(".")
    suffix = "-aa" if role == "aa" else ""
    trial_id = f"b{block:02d}-{users:0{width}d}-{name}{suffix}"
    return Trial(id=trial_id, block=block, stack=stack, users=users, role=role)


def make_repeat(trial: Trial, number: int) -> Trial:
    """The repeat of a planned trial, to be run at the end of its block. number: 1 for the first."""
    if trial.repeats is not None or number < 1:
        raise ValueError(f"{trial.id}: repeat {number} of a trial that repeats {trial.repeats}; only planned ones are")
    return replace(trial, id=f"{trial.id}-r{number}", role="repeat", repeats=trial.id)


def owed_repeats(trials: Sequence[Trial], failed: Collection[str]) -> frozenset[str]:
    """Which of these planned trials are to be repeated, as far as is known while they (or their repeats) run.

    failed: ids of those that a gate refused so far. A level's pair is repeated whole, the A/A trial with its twin.
    """
    pairs = [{t.id for t in trials if t.role == "sweep" and t.users == users} for users in {t.users for t in trials}]
    twins = [
        {twin.id, *(t.id for t in trials if t.role == "sweep" and (t.users, t.stack) == (twin.users, twin.stack))}
        for twin in trials
        if twin.role == "aa"
    ]
    return frozenset(one for unit in (*pairs, *twins) if not unit.isdisjoint(failed) for one in unit)
