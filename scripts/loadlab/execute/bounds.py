"""What no record of a bundle can hold: numbers below nothing, parts larger than their whole, counts that do not add up.

The shape of a record is checked by its types. This is what types cannot say, told as key, value and what was expected.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loadlab.model.cluster import ClusterFacts, NodeFacts
from loadlab.model.experiment import RefinePlan
from loadlab.model.plan import Plan, Trial
from loadlab.model.run import Demand, GeneratorHealth, LoadWindow, Provenance, TrialBooks, Window

MOST = 1e15
"""Beyond every count, size and time that a run can have."""
ABOVE_ZERO: Mapping[type, frozenset[str]] = {
    ClusterFacts: frozenset({"cpu_limit_cores"}),
    Demand: frozenset({"service_s", "service_requests", "workers", "slots_per_worker", "replicas", "cores"}),
    GeneratorHealth: frozenset({"cores", "workers_expected"}),
    LoadWindow: frozenset({"measure_s"}),
    NodeFacts: frozenset({"cores"}),
    Plan: frozenset({"levels", "aa_users"}),
    RefinePlan: frozenset({"levels", "count"}),
    Trial: frozenset({"users"}),
    Window: frozenset({"users", "replicas"}),
}
"""Fields that are divided by, or count something that was there."""
UNJUDGED: Mapping[type, frozenset[str]] = {
    TrialBooks: frozenset({"served", "upstream_arrivals", "upstream_calls"}),
    Plan: frozenset({"seed"}),
    RefinePlan: frozenset({"width_ratio"}),
    Provenance: frozenset({"machine", "packages", "stack_settings", "load"}),
}
"""Fields that any number may stand in; books that fall because a service lost its count are for a gate to judge."""
_ROUNDING = 1 + 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """The key of a value that cannot be, in words what it is and what was expected."""

    key: str
    got: str
    expected: str


def first_fault(record: object, key: str = "") -> Fault | None:
    """The first value of a record, or of a tuple of records, that cannot be; None where all can."""
    return next(_faults(record, key), None)


def number_fault(key: str, value: float, *, above_zero: bool = False) -> Fault | None:
    """What is wrong with a number by itself: not finite, negative, a share above 1, or beyond everything."""
    is_share = key.split(".")[-1].endswith("_ratio") or "shares." in key
    most = 1.0 if is_share else MOST
    if math.isfinite(value) and (value > 0 or (value == 0 and not above_zero)) and value <= most * _ROUNDING:
        return None
    least = "above 0" if above_zero else "from 0"
    return Fault(key=key, got=f"{value}", expected=f"a number {least} to {most:g}")


def _faults(value: object, key: str, *, above_zero: bool = False) -> Iterator[Fault]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        fault = number_fault(key, value, above_zero=above_zero)
        if fault is not None:
            yield fault
    elif isinstance(value, tuple | Mapping):
        named = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, item in named:
            yield from _faults(item, _below(key, str(name)), above_zero=above_zero)
    elif dataclasses.is_dataclass(value):
        yield from _record_faults(value, key)


def _record_faults(record: object, key: str) -> Iterator[Fault]:
    kind: type[Any] = type(record)
    above, unjudged = ABOVE_ZERO.get(kind, frozenset()), UNJUDGED.get(kind, frozenset())
    for name in (field.name for field in dataclasses.fields(kind)):
        if name not in unjudged:
            yield from _faults(getattr(record, name), _below(key, name), above_zero=name in above)
    for judge in RELATIONS.get(kind, ()):
        fault = judge(record)
        if fault is not None:
            yield dataclasses.replace(fault, key=_below(key, fault.key))


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _good(load: LoadWindow) -> Fault | None:
    if load.good <= load.ok:
        return None
    return Fault(key="good", got=f"{load.good}", expected=f"at most ok, which is {load.ok}")


def _ended(load: LoadWindow) -> Fault | None:
    """What ends in a window was sent in it or was in flight when it opened."""
    most = load.sent + load.health.in_flight_max
    if load.ok + load.failed <= most:
        return None
    got = f"{load.ok} + {load.failed} failed"
    return Fault(key="ok", got=got, expected=f"at most sent + health.in_flight_max, which is {most}")


def _halves(load: LoadWindow) -> Fault | None:
    if sum(load.half_ok) == load.ok:
        return None
    return Fault(key="half_ok", got=f"{sum(load.half_ok)} together", expected=f"ok, which is {load.ok}")


def _outcomes(load: LoadWindow) -> Fault | None:
    ended, told = load.ok + load.failed, sum(load.outcomes.values())
    if told == ended:
        return None
    return Fault(key="outcomes", got=f"{told} together", expected=f"ok + failed, which is {ended}")


def _ends_read(load: LoadWindow) -> Fault | None:
    ended = load.ok + load.failed
    if load.ends_read is None or load.ends_read <= ended:
        return None
    return Fault(key="ends_read", got=f"{load.ends_read}", expected=f"at most ok + failed, which is {ended}")


def _chores(load: LoadWindow) -> Fault | None:
    if load.chores_s is None or load.chores_s <= load.user_time_s * _ROUNDING:
        return None
    return Fault(key="chores_s", got=f"{load.chores_s}", expected=f"at most user_time_s, which is {load.user_time_s}")


def _active(load: LoadWindow) -> Fault | None:
    if load.active_s <= load.measure_s * _ROUNDING:
        return None
    return Fault(key="active_s", got=f"{load.active_s}", expected=f"at most measure_s, which is {load.measure_s}")


def _good_alone(demand: Demand) -> Fault | None:
    good, ended = demand.good_requests, demand.ended_requests
    if good is None and ended is None:
        return None
    if good is None or ended is None or good > ended or ended == 0:
        return Fault(
            key="good_requests", got=f"{good} of {ended}", expected="some of those that ended, or neither number"
        )
    return None


def _width(rule: RefinePlan) -> Fault | None:
    if math.isfinite(rule.width_ratio) and 1 < rule.width_ratio <= MOST:
        return None
    return Fault(key="width_ratio", got=f"{rule.width_ratio}", expected="a number above 1")


RELATIONS: Mapping[type, tuple[Callable[..., Fault | None], ...]] = {
    LoadWindow: (_good, _ended, _halves, _outcomes, _ends_read, _chores, _active),
    RefinePlan: (_width,),
    Demand: (_good_alone,),
}
"""What the fields of one record say of each other."""
