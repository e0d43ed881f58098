"""The load of an experiment: a closed loop of users, or arrivals on a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

from loadlab.config.scenario import SCENARIO_KEYS, read_scenario
from loadlab.config.table import Table
from loadlab.config.values import Unfit, choice, integer, number, sequence
from loadlab.model.experiment import ClosedLoad, Load, OpenLoad

MAX_USERS = 100_000

_KEYS_OF: Mapping[str, tuple[str, ...]] = {"closed": ("users", "think_s"), "open": ("rate_rps", "arrivals")}
LOAD_KEYS = ("kind", *SCENARIO_KEYS, *(key for keys in _KEYS_OF.values() for key in keys))

_USERS_EXPECTED = f'"auto", or a list of whole numbers that ascend from 1 to at most {MAX_USERS}, such as [10, 20, 40]'
_RATES = sequence(number("0", "1000000", above=True), "a list of rates above 0, such as [50, 100, 200]")


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
    arrivals = table.optional("arrivals", choice(("poisson", "constant")), "poisson")
    return OpenLoad(
        scenario=scenario,
        rate_rps=table.required("rate_rps", _RATES),
        arrivals=cast(Literal["poisson", "constant"], arrivals),
    )


def _users(value: object) -> tuple[int, ...] | None:
    if value == "auto":
        return None
    users = sequence(integer(1, MAX_USERS), _USERS_EXPECTED)(value)
    if any(later <= earlier for earlier, later in pairwise(users)):
        raise Unfit(_USERS_EXPECTED)
    return users
