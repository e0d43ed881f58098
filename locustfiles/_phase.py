"""What the engine says that it is doing, as it is told to POST /lab/phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from _levels import LEVEL
from _refusal import Refusal, number_field, text_field

TEXTS = ("experiment", "run", "trial", "window", "stack", "role")
NUMBERS = {
    "users": 1e9,
    "block": 1e6,
    "claimed_users": 1e9,
    "margin_ratio": 1e3,
    "objective_latency_s": 600.0,
}
MOST_COUNTED = 1e18
OF_A_LEVEL = LEVEL.keys() - {"users"}


def check_phase(body: Mapping[str, Any]) -> None:
    """Refuse a phase whose known keys hold something else than they should; every key may be missing.

    experiment, run, trial, window, stack and role are texts; users, block, claimed_users, margin_ratio and
    objective_latency_s numbers; stacks the names in the experiment's order; cores is a number for each stack; prices
    is a list of {"list", "billing"}; billed one of {"stack", "list", "billing", "cpu_cores", "memory_gib"}; levels one
    of {"stack", "users", "billed"} with any of OF_A_LEVEL, its billed a list of {"list", "billing", "unit", "amount"}.
    Other keys are kept and not looked at.
    """
    _check_run(body)
    _check_rows(body, "prices", ("list", "billing"), ())
    _check_rows(body, "billed", ("stack", "list", "billing"), ("cpu_cores", "memory_gib"))
    for level in _check_rows(body, "levels", ("stack",), ("users",)):
        _check_rows(level, "billed", ("list", "billing", "unit"), ("amount",))
        for name in level.keys() & OF_A_LEVEL:
            number_field(level, name, 0.0, MOST_COUNTED)


def _check_run(body: Mapping[str, Any]) -> None:
    for name in TEXTS:
        if name in body and not isinstance(body[name], str):
            raise Refusal(400, f"{name}: got {body[name]!r}, expected a text")
    for name, most in NUMBERS.items():
        if body.get(name) is not None:
            number_field(body, name, 0.0, most)
    stacks = body.get("stacks", [])
    if not isinstance(stacks, list) or not all(isinstance(stack, str) for stack in stacks):
        raise Refusal(400, f"stacks: got {stacks!r}, expected a list of texts")
    cores = body.get("cores", {})
    if not isinstance(cores, dict):
        raise Refusal(400, f"cores: got {cores!r}, expected a number for each stack")
    for stack in cores:
        number_field(cores, stack, 0.0, MOST_COUNTED)


def _check_rows(
    body: Mapping[str, Any], key: str, texts: Sequence[str], numbers: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    rows = body.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refusal(400, f"{key}: got {rows!r}, expected a list of objects")
    for row in rows:
        for name in texts:
            text_field(row, name)
        for name in numbers:
            number_field(row, name, 0.0, MOST_COUNTED)
    return rows
