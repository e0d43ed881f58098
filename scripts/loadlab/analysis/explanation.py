"""Why the curves part: which resource of each stack filled up, and from which level on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from loadlab.model.result import LevelSummary, StackDescription, StackExplanation
from loadlab.units import format_percent, format_s, format_users

SLOTS_FULL_RATIO = 0.95
"""Mean busy slots of a worker over its slots, from which on it counts as full."""
CORES_FULL_RATIO = 0.90
"""Processor time over the cores given, from which on the processor counts as full."""

Figure = Callable[[LevelSummary], float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fill:
    """How far one resource filled: its limit, the most that was in use, and from how many users on it stayed full.

    last_users: the highest level at which it is known; beyond it nothing is said.
    """

    limit: float
    peak: float
    peak_users: int
    last_users: int
    full_from_users: int | None


def explain(
    stacks: Sequence[StackDescription], levels: Sequence[LevelSummary], cores: Mapping[str, float]
) -> tuple[StackExplanation, ...]:
    """Say for each stack what filled up. ``cores``: what each stack was given."""
    own = {stack.name: [level for level in levels if level.stack == stack.name] for stack in stacks}
    return tuple(_explain(stack, own[stack.name], cores[stack.name]) for stack in stacks)


def fill(levels: Sequence[LevelSummary], figure: Figure, limit: float, full_ratio: float) -> Fill | None:
    """How far ``figure`` came towards ``limit`` over one stack's levels; None where no level has it."""
    known = [(level.users, value) for level in levels if (value := figure(level)) is not None]
    if not known:
        return None
    known.sort()
    full_from_users = None
    for users, value in reversed(known):
        if value < full_ratio * limit:
            break
        full_from_users = users
    peak_users, peak = max(known, key=lambda pair: pair[1])
    return Fill(limit=limit, peak=peak, peak_users=peak_users, last_users=known[-1][0], full_from_users=full_from_users)


def _explain(stack: StackDescription, levels: Sequence[LevelSummary], cores: float) -> StackExplanation:
    limit = stack.slots_per_worker
    slots = fill(levels, _busiest, limit, SLOTS_FULL_RATIO) if limit else None
    used = fill(levels, lambda level: level.cpu_cores.value if level.cpu_cores else None, cores, CORES_FULL_RATIO)
    parts = [*_slot_words(stack, levels, slots), *_core_words(used), *_wait_words(levels)]
    return StackExplanation(
        stack=stack.name,
        sentence=f"{stack.name}: {'; '.join(parts)}." if levels else f"{stack.name}: no window counts.",
        slots_limit=limit,
        slots_peak=slots.peak if slots else None,
        slots_full_from_users=slots.full_from_users if slots else None,
        cores_limit=cores,
        cores_peak=used.peak if used else None,
        cores_full_from_users=used.full_from_users if used else None,
    )


def _busiest(level: LevelSummary) -> float | None:
    return level.slots_busy_by_worker[0] if level.slots_busy_by_worker else None


def _slot_words(stack: StackDescription, levels: Sequence[LevelSummary], slots: Fill | None) -> Iterator[str]:
    if stack.slots_per_worker is None and stack.pool == "unknown":
        yield "how many requests it serves at once is not known, so that nothing is said of its slots"
    elif stack.slots_per_worker is None:
        yield "it has no pool of slots to fill"
    elif slots is None:
        yield f"it does not tell how many of its {stack.slots_per_worker} slots per worker are busy"
    elif slots.full_from_users is None:
        most = f"at most {_of(slots)} of a worker are busy, at {format_users(slots.peak_users)}"
        yield f"its slots do not fill at the levels that count, up to {format_users(slots.last_users)}: {most}"
    else:
        full = next(level for level in levels if level.users == slots.full_from_users)
        yield _full_words(stack.slots_per_worker, full)


def _full_words(limit: int, level: LevelSummary) -> str:
    busy = level.slots_busy_by_worker
    start = f"from {format_users(level.users)} on"
    if len(busy) == 1:
        return f"all its {limit} slots are busy {start}, and further requests wait for one"
    share = format_percent(sum(busy) / (limit * len(busy)))
    return (
        f"the {limit} slots of its busiest worker are all busy {start}, when its {len(busy)} workers together "
        f"have {share} of theirs in use: a connection waits at the worker that accepted it"
    )


def _core_words(used: Fill | None) -> Iterator[str]:
    if used is None:
        yield "its processor time was not measured"
    elif used.full_from_users is None:
        yield f"its processor does not fill up to {format_users(used.last_users)} (at most {_cores(used)})"
    else:
        yield f"its processor is full from {format_users(used.full_from_users)} on ({_cores(used)})"


def _wait_words(levels: Sequence[LevelSummary]) -> Iterator[str]:
    known = sorted((level.users, level.p50_s.value) for level in levels if level.p50_s is not None)
    if len(known) > 1:
        (first_users, first_s), (last_users, last_s) = known[0], known[-1]
        yield (
            f"median response time {format_s(first_s)} at {format_users(first_users)}, "
            f"{format_s(last_s)} at {format_users(last_users)}"
        )


def _cores(used: Fill) -> str:
    return f"{used.peak:.2f} of {used.limit:g} {'core' if used.limit == 1 else 'cores'}"


def _of(slots: Fill) -> str:
    return f"{slots.peak:.1f} of {slots.limit:g}"
