"""Whether the files of a bundle tell of the same run: plan, demands, events and windows name the same things."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from loadlab.execute.bounds import Fault
from loadlab.execute.bundle_file import damaged
from loadlab.model.plan import GOES_ON, Plan, Refinement
from loadlab.model.run import Demand, Window


def check_agreement(
    folder: Path,
    plan: Plan | None,
    demands: Sequence[Demand],
    blocks: Mapping[int, Sequence[Window]],
    refinement: Refinement | None = None,
) -> None:
    """Raise BundleError at the first file that contradicts the plan. ``blocks``: finished ones, with their windows."""
    faults = (
        *_contradictions(plan, demands, blocks),
        *_refinement_faults(plan, refinement),
        *_stray_faults(plan, blocks, refinement),
    )
    for name, fault in faults:
        raise damaged(folder / name, fault)


def _contradictions(
    plan: Plan | None, demands: Sequence[Demand], blocks: Mapping[int, Sequence[Window]]
) -> Iterator[tuple[str, Fault]]:
    if plan is None:
        if blocks:
            yield "plan.json", Fault(key="", got="no such file", expected="the plan of the blocks that were finished")
        return
    yield from _plan_faults(plan)
    stacks = {trial.stack for block in plan.blocks for trial in block.trials}
    if {demand.stack for demand in demands} - stacks or len({d.stack for d in demands}) != len(demands):
        got = ", ".join(demand.stack for demand in demands)
        yield "demands.json", Fault(key="stack", got=got, expected=f"each stack of the plan once ({_named(stacks)})")
    sampled = {window.stack for windows in blocks.values() for window in windows if window.resources}
    seen: set[str] = set()
    for number, windows in blocks.items():
        for window in windows:
            yield from (("events.jsonl", fault) for fault in _twice(window, seen))
            yield from ((f"windows/{window.id}.json", fault) for fault in _window_faults(window, number, stacks))
            if window.stack in sampled and not window.resources:
                expected = "the samples of this window, as of the others of its stack"
                yield f"resources/{window.id}.parquet", Fault(key="", got="no samples", expected=expected)


def _plan_faults(plan: Plan) -> Iterator[tuple[str, Fault]]:
    numbers = [block.number for block in plan.blocks]
    stacks = {trial.stack for block in plan.blocks for trial in block.trials}
    if len(set(numbers)) != len(numbers):
        yield "plan.json", Fault(key="blocks", got=f"numbers {numbers}", expected="each number once")
    if not plan.levels or not stacks:
        yield "plan.json", Fault(key="levels", got=f"{list(plan.levels)}", expected="levels, and blocks with trials")
    elif plan.aa_stack not in stacks:
        yield "plan.json", Fault(key="aa_stack", got=plan.aa_stack, expected=f"one of {_named(stacks)}")


def _refinement_faults(plan: Plan | None, refinement: Refinement | None) -> Iterator[tuple[str, Fault]]:
    """A second stage goes with a plan that has rules for it, and numbers its blocks on."""
    second = refinement.plan if refinement is not None else None
    if refinement is None or plan is None:
        return
    if plan.refine is None:
        yield "refinement.json", Fault(key="", got="a second stage", expected="none, as plan.json says")
    elif (second is None) == (refinement.outcome in GOES_ON):
        expected = f"a plan where it is {' or '.join(GOES_ON)}"
        yield "refinement.json", Fault(key="plan", got=f"{refinement.outcome}", expected=expected)
    elif second is not None:
        yield from (("refinement.json", fault) for _, fault in _plan_faults(second))
        shared = {block.number for block in plan.blocks} & {block.number for block in second.blocks}
        both = set(plan.levels) & set(second.levels)
        if shared or both:
            got = f"blocks {sorted(shared)}, levels {sorted(both)} again"
            yield "refinement.json", Fault(key="plan", got=got, expected="blocks and levels that plan.json has not")


def _stray_faults(
    plan: Plan | None, blocks: Collection[int], refinement: Refinement | None
) -> Iterator[tuple[str, Fault]]:
    """Every finished block is in a plan, one of a second stage in that of refinement.json: without it, whose stage?"""
    second = refinement.plan if refinement is not None else None
    planned = {block.number for each in (plan, second) if each is not None for block in each.blocks}
    stray = ", ".join(str(number) for number in sorted(set(blocks) - planned))
    if plan is None or not stray:
        return
    if plan.refine is None:
        yield "plan.json", Fault(key="blocks", got=f"none numbered {stray}", expected="every block that was finished")
        return
    expected = f"the plan of the finished blocks {stray}, which plan.json has not"
    yield "refinement.json", Fault(key="", got="none of them" if refinement else "no such file", expected=expected)


def _twice(window: Window, seen: set[str]) -> Iterator[Fault]:
    if window.id in seen:
        yield Fault(key="windows", got=f"{window.id} twice", expected="each window once")
    seen.add(window.id)


def _window_faults(window: Window, block: int, stacks: set[str]) -> Iterator[Fault]:
    if window.block != block:
        yield Fault(key="block", got=f"{window.block}", expected=f"{block}, as events.jsonl says")
    if window.stack not in stacks:
        yield Fault(key="stack", got=window.stack, expected=f"one of {_named(stacks)}, as plan.json says")


def _named(stacks: set[str]) -> str:
    return ", ".join(sorted(stacks))
