"""A request to the lab's routes that cannot be met."""

from __future__ import annotations

import math
from collections.abc import Mapping


class Refusal(Exception):
    """Answered as {"error": message} with this status; the message is one line with the next step."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def text_field(body: Mapping[str, object], name: str) -> str:
    """A text of 1 to 200 characters."""
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise Refusal(400, f"{name}: got {value!r}, expected a text of 1 to 200 characters")
    return value


def number_field(body: Mapping[str, object], name: str, lowest: float, highest: float) -> float:
    """A finite number inside [lowest, highest]."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refusal(400, f"{name}: got {value!r}, expected a number from {lowest:g} to {highest:g}")
    if not lowest <= value <= highest:
        raise Refusal(400, f"{name}: got {value!r}, expected {lowest:g} to {highest:g}")
    return float(value)
