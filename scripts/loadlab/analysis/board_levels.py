"""What boards are told of each level: the windows that count, added up, and what of each unit is billed for them.

A board and a report then hold the same windows, and price the same amounts: only the prices are put in elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from loadlab.analysis.alone import AloneBill, alone_bills, is_alone
from loadlab.analysis.billing import Tariff
from loadlab.analysis.pairing import resolve
from loadlab.analysis.use import window_use
from loadlab.model.experiment import Objective
from loadlab.model.run import Demand, Window

Price = tuple[str, str]
"""List and billing model."""
Units = Mapping[str, Fraction]


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelWindow:
    """A window without its histogram and resources, and what is billed for it; None where that was not measured."""

    window: Window
    units: Mapping[Price, Units | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardLevel:
    """A stack at a level. windows: how many count; left_out: measured and not counted. The rest is added up over the
    windows that count.
    """

    stack: str
    users: int
    windows: int
    left_out: int
    seconds: float
    ok: int
    failed: int
    good: int
    active_s: float
    response_s: float
    billed: Mapping[Price, Units] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelRules:
    """What a run's levels are made by. stacks: in the experiment's order."""

    stacks: tuple[str, ...]
    tariffs: tuple[Tariff, ...]
    objective: Objective


def level_window(window: Window, tariffs: Sequence[Tariff]) -> LevelWindow:
    """Of any window; a bill that no window has (per-request memory) is left out."""
    use = window_use(window)
    units = {_price(tariff): tariff.units(use) for tariff in tariffs if not is_alone(tariff)}
    slim = replace(window, resources=(), load=replace(window.load, histogram=""))
    return LevelWindow(window=slim, units=units)


def board_levels(
    measured: Sequence[LevelWindow], valid: Collection[str], rules: LevelRules, demands: Sequence[Demand]
) -> tuple[BoardLevel, ...]:
    """Every level that was measured at, as far as it was by now; stacks by level.

    measured: in the order they were; valid: ids of those that passed their gates. What counts is what the report
    counts; of a pair that is not whole yet, what is valid.
    """
    counted = _counted([one.window for one in measured], valid, rules.stacks)
    alone = {
        _price(tariff): alone_bills(tariff, demands, rules.objective, 0.0)
        for tariff in rules.tariffs
        if is_alone(tariff)
    }
    controls = {one.window.id for one in measured if one.window.role == "aa"}
    deciding = [one for one in measured if not controls & {one.window.id, one.window.repeats}]
    places = sorted({(one.window.users, rules.stacks.index(one.window.stack)) for one in deciding})
    return tuple(_level(deciding, counted, users, rules.stacks[place], alone) for users, place in places)


def _counted(windows: Sequence[Window], valid: Collection[str], stacks: Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    for pair in resolve(windows, valid, stacks):
        if pair.kind == "sweep":
            is_whole = len(pair.planned_ids) == len(stacks)
            found |= set(pair.ids or ()) if is_whole else set(pair.planned_ids) & set(valid)
    return frozenset(found)


def _level(
    deciding: Sequence[LevelWindow],
    counted: Collection[str],
    users: int,
    stack: str,
    alone: Mapping[Price, Mapping[str, AloneBill]],
) -> BoardLevel:
    own = [one for one in deciding if (one.window.stack, one.window.users) == (stack, users)]
    used = [one for one in own if one.window.id in counted]
    loads = [one.window.load for one in used]
    good = sum(load.good for load in loads)
    return BoardLevel(
        stack=stack,
        users=users,
        windows=len(used),
        left_out=len(own) - len(used),
        seconds=sum(load.measure_s for load in loads),
        ok=sum(load.ok for load in loads),
        failed=sum(load.failed for load in loads),
        good=good,
        active_s=sum(load.active_s for load in loads),
        response_s=sum(load.latency_sum_s for load in loads),
        billed=dict(_billed(used, good, {price: bills.get(stack) for price, bills in alone.items()})),
    )


def _billed(
    used: Sequence[LevelWindow], good: int, alone: Mapping[Price, AloneBill | None]
) -> Iterator[tuple[Price, Units]]:
    """Of shared replicas what the windows were billed, all or nothing; of a request alone, as many as were good."""
    for price in used[0].units if used else ():
        each = [one.units[price] for one in used]
        known = [units for units in each if units is not None]
        if len(known) == len(each):
            yield price, {unit: sum((units[unit] for units in known), Fraction(0)) for unit in known[0]}
    for price, bill in alone.items():
        if used and bill is not None and bill.good_ratio:
            yield price, {unit: amount * good / bill.good_ratio for unit, amount in bill.units_per_request.items()}


def _price(tariff: Tariff) -> Price:
    return tariff.list_id, tariff.billing
