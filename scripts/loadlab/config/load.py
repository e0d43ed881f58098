"""The load of an experiment: a closed loop of users, or arrivals on a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from loadlab.config.arrivals import check_arrivals, largest_factor
from loadlab.config.scenario import SCENARIO_KEYS, read_scenario
from loadlab.config.table import Table
from loadlab.config.values import Unfit, checked, choice, integer, number, sequence, text
from loadlab.model.experiment import ClosedLoad, Load, OpenLoad

MAX_USERS = 100_000

MAX_RATE_RPS = 100_000
MAX_BEYOND_RATIO = 10
"""How far a second stage may go beyond the levels that somebody thought of."""
MAX_SEED = 2**63 - 1

_KEYS_OF: Mapping[str, tuple[str, ...]] = {
    "closed": ("users", "think_s"),
    "open": ("rate_rps", "arrivals", "in_flight_max", "seed"),
}
LOAD_KEYS = ("kind", *SCENARIO_KEYS, *(key for keys in _KEYS_OF.values() for key in keys))

_USERS_EXPECTED = f'"auto", or a list of whole numbers that ascend from 1 to at most {MAX_USERS}, such as [10, 20, 40]'
_RATES_EXPECTED = (
    f"arrivals per second, a whole number from 1 to {MAX_RATE_RPS} or a list of them that ascends, such as [50, 100]"
)


def read_load(table: Table, folder: Path, lab_locustfiles: Path, *, check_files: bool) -> Load:
    """The ``[load]`` table; see ``read_scenario`` for the folders and ``check_files``."""
    kind = table.required("kind", choice(tuple(_KEYS_OF)))
    for other, keys in _KEYS_OF.items():
        for key in keys:
            if other != kind and key in table:
                table.fail(key, f"counts only in an {other} load, and kind is {kind}; remove it or set kind")
    scenario = read_scenario(table, folder, lab_locustfiles, check_files=check_files)
    if kind == "closed":
        users = table.required("users", _users)
        return ClosedLoad(scenario=scenario, users=users, think_s=table.optional("think_s", number("0", "3600"), 0.0))
    rates = table.required("rate_rps", _rates)
    arrivals = table.optional("arrivals", checked(text, check_arrivals), "poisson")
    if rates[-1] * largest_factor(arrivals) > MAX_RATE_RPS:
        most = f"multiplies {rates[-1]} arrivals per second by up to {largest_factor(arrivals):g}"
        table.fail("arrivals", f"{most}; expected at most {MAX_RATE_RPS} a second; lower the factor or rate_rps")
    return OpenLoad(
        scenario=scenario,
        rate_rps=rates,
        arrivals=arrivals,
        in_flight_max=table.optional("in_flight_max", integer(1, MAX_USERS), 2000),
        seed=table.optional("seed", integer(0, MAX_SEED), None),
    )


def beyond_fault(load: Load, reach_ratio: float) -> str | None:
    """What is wrong with levels that go so many times beyond the highest of a load; None where nothing is."""
    if reach_ratio > MAX_BEYOND_RATIO:
        return f"reaches {reach_ratio:.3g} times the highest level; expected at most {MAX_BEYOND_RATIO} times"
    if isinstance(load, OpenLoad):
        highest, most, unit = load.rate_rps[-1] * largest_factor(load.arrivals), MAX_RATE_RPS, "arrivals per second"
    else:
        highest, most, unit = (load.users or (0,))[-1], MAX_USERS, "users"
    if highest * reach_ratio <= most:
        return None
    return f"reaches {highest * reach_ratio:.0f} {unit}; expected at most {most}"


def _users(value: object) -> tuple[int, ...] | None:
    if value == "auto":
        return None
    return _ascending(sequence(integer(1, MAX_USERS), _USERS_EXPECTED)(value), _USERS_EXPECTED)


def _rates(value: object) -> tuple[int, ...]:
    if value == "auto":
        raise Unfit(f"{_RATES_EXPECTED}: the law predicts users and not rates")
    values = value if isinstance(value, list) else [value]
    return _ascending(sequence(integer(1, MAX_RATE_RPS), _RATES_EXPECTED)(values), _RATES_EXPECTED)


def _ascending(levels: tuple[int, ...], expected: str) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in pairwise(levels)):
        raise Unfit(expected)
    return levels
