"""How many users one replica serves within the objective, and what whole replicas for N users cost an hour."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from loadlab.analysis.billing import Tariff
from loadlab.analysis.money import exact
from loadlab.analysis.use import Use, scaled_use, total_use, window_use
from loadlab.model.experiment import Objective
from loadlab.model.run import Window

_HOUR_S = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldLevel:
    """The largest tested level at which the objective holds, as at all tested levels below it.

    users is None, with the reason, where no level holds, where none breaks the objective, or where a level below that
    has no window that counts: filled to the level before such a gap a replica would look too small.
    """

    users: int | None
    reason: str | None = None


def objective_held(windows: Iterable[Window], objective: Objective) -> bool:
    """Whether the objective holds over all these windows together."""
    loads = [window.load for window in windows]
    return holds(sum(load.good for load in loads), sum(load.ok + load.failed for load in loads), objective)


def holds(good: int, ended: int, objective: Objective) -> bool:
    """Whether so many good requests out of all that ended keep the objective; False where none ended."""
    return ended > 0 and good >= exact(objective.good_ratio) * ended


def held_level(held: Mapping[int, bool], planned: Collection[int] = ()) -> HeldLevel:
    """The level that a replica is filled to, from whether each tested level holds the objective.

    planned: levels that were to be tested; those of them that held does not have are gaps.
    """
    if not held:
        return HeldLevel(users=None, reason="no level was measured")
    users = None
    gaps = sorted(set(planned) - set(held))
    for level in sorted(held):
        if not held[level] and gaps and gaps[0] < level:
            missing = f"no window of {gaps[0]} users counts, and {level} users break the objective"
            return HeldLevel(users=None, reason=missing)
        if not held[level]:
            missed = f"the lowest tested level, {level} users, misses the objective"
            return HeldLevel(users=users, reason=missed if users is None else None)
        users = level
    return HeldLevel(users=None, reason=f"no tested level up to {users} users breaks the objective")


def replicas_needed(users: int, level: int, replicas: int = 1) -> int:
    """Whole replicas for ``users`` when ``replicas`` of them hold the objective at ``level``."""
    return math.ceil(Fraction(users * replicas, level))


def usd_per_hour(tariff: Tariff, users: int, level: int, use: Use) -> Fraction | None:
    """Dollars an hour for whole replicas that hold the objective with ``users``; ``use`` was measured at ``level``.

    Whatever is billed by use is that of ``level``, in proportion to the users.
    """
    replicas = replicas_needed(users, level, use.replicas)
    return tariff.usd(scaled_use(use, span_s=_HOUR_S, load_ratio=Fraction(users, level), replicas=replicas))


def usd_per_hour_by_block(
    tariff: Tariff, windows: Sequence[Window], objective: Objective, planned: Collection[int] = ()
) -> Mapping[tuple[int, str, int], float | None]:
    """usd_per_hour_at_users for each (block, stack, users) that was measured, out of that block's windows alone.

    windows: those that count, of blocks that visit the same levels, which are ``planned``.
    """
    costs: dict[tuple[int, str, int], float | None] = {}
    for block, stack in sorted({(window.block, window.stack) for window in windows}):
        own = [window for window in windows if (window.block, window.stack) == (block, stack)]
        for users, usd in usd_per_hour_by_level(tariff, own, objective, planned).items():
            costs[block, stack, users] = None if usd is None else float(usd)
    return costs


def usd_per_hour_by_level(
    tariff: Tariff, windows: Sequence[Window], objective: Objective, planned: Collection[int] = ()
) -> Mapping[int, Fraction | None]:
    """usd_per_hour_at_users of one stack for each of its levels, all its windows of a level together."""
    levels = _by_level(windows)
    held = held_level_of(windows, objective, planned)
    if held.users is None:
        return dict.fromkeys(levels)
    use = total_use([window_use(window) for window in levels[held.users]])
    return {users: usd_per_hour(tariff, users, held.users, use) for users in levels}


def held_level_of(windows: Sequence[Window], objective: Objective, planned: Collection[int] = ()) -> HeldLevel:
    """The level that holds the objective, for the windows of one stack that count; planned: as in `held_level`."""
    return held_level({users: objective_held(own, objective) for users, own in _by_level(windows).items()}, planned)


def tested_levels(windows: Iterable[Window]) -> frozenset[int]:
    """Every level of these windows, those that do not count included."""
    return frozenset(window.users for window in windows)


def _by_level(windows: Sequence[Window]) -> dict[int, list[Window]]:
    levels: dict[int, list[Window]] = {}
    for window in sorted(windows, key=lambda measured: measured.users):
        levels.setdefault(window.users, []).append(window)
    return levels
