"""Strict reading of numbers in paths and query strings, shared so that both stacks refuse the same texts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from svc_common import problem

__all__ = ["integer", "number", "single_valued"]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_MAX_NUMBER_CHARS = 400
_MAX_INTEGER_CHARS = 19


def integer(text: str) -> int:
    """A whole number in plain ASCII decimal digits, as JSON writes one: `7`, `-7`, not `+7`, `07`, `7.0`, ` 7`.

    Numbers too long for 64 bits come back as the largest one of their sign, which no limit of the contract admits.

    Raises:
        ValueError: the text is not such a number.
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or (digits[0] == "0" and len(digits) > 1):
        raise ValueError("not a whole number in decimal digits")
    if len(digits) >= _MAX_INTEGER_CHARS:
        return -(2**63) if text is not digits and text[0] == "-" else 2**63 - 1
    return int(text)


def number(text: str) -> float:
    """A number as JSON writes one, without NaN and infinities.

    Raises:
        ValueError: the text is not such a number.
    """
    if len(text) > _MAX_NUMBER_CHARS or not _NUMBER.fullmatch(text):
        raise ValueError("not a decimal number")
    return float(text)


def single_valued(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A query string's parameters, each of which may be given once.

    Raises:
        ProblemError: 422 naming the repeated parameters.
    """
    values: dict[str, str] = {}
    repeated: set[str] = set()
    for name, value in pairs:
        if name in values:
            repeated.add(name)
        values[name] = value
    if repeated:
        raise problem.invalid(problem.Detail(field=name, problem="given more than once") for name in repeated)
    return values
