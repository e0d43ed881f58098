"""What the engine says that it is doing, as it is told to POST /lab/phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from _refusal import Refusal, number_field, text_field

TEXTS = ("experiment", "run", "trial", "window", "stack", "role")
NUMBERS = {
    "users": 1e9,
    "block": 1e6,
    "claimed_users": 1e9,
    "margin_ratio": 1e3,
    "objective_latency_s": 600.0,
}
MOST = 1e9
MEASURING = ("", "sweep", "repeat")
"""Roles of the windows that a level is judged by; controls, demands and warm-ups are none."""


def check_phase(body: Mapping[str, Any]) -> None:
    """Refuse a phase whose known keys hold something else than they should; every key may be missing.

    experiment, run, trial, window, stack and role are texts; users, block, claimed_users, margin_ratio and
    objective_latency_s numbers; stacks the names in
    the experiment's order; billed is a list of {"stack", "list", "billing", "cpu_cores", "memory_gib"}.
    Other keys are kept and not looked at.
    """
    for name in TEXTS:
        if name in body and not isinstance(body[name], str):
            raise Refusal(400, f"{name}: got {body[name]!r}, expected a text")
    for name, most in NUMBERS.items():
        if body.get(name) is not None:
            number_field(body, name, 0.0, most)
    stacks = body.get("stacks", [])
    if not isinstance(stacks, list) or not all(isinstance(stack, str) for stack in stacks):
        raise Refusal(400, f"stacks: got {stacks!r}, expected a list of texts")
    _check_billed(body.get("billed", []))


def level_of(phase: Mapping[str, Any]) -> int | None:
    """The users of the level that windows are measured at now; None where they would not count for one."""
    if phase.get("stack") and phase.get("role", "") in MEASURING and phase.get("users") is not None:
        return int(phase["users"])
    return None


def _check_billed(rows: Any) -> None:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refusal(400, f"billed: got {rows!r}, expected a list of objects")
    for row in rows:
        for name in ("stack", "list", "billing"):
            text_field(row, name)
        for name in ("cpu_cores", "memory_gib"):
            number_field(row, name, 0.0, MOST)
