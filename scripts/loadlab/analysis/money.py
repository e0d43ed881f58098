"""Exact money: fractions from the price file to the last rounding, which is to micro-dollars, half to even."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

_MICRO = 10**6


@lru_cache(maxsize=4096, typed=True)
def exact(value: Decimal | float | int) -> Fraction:
    """The number as written: a float counts as the shortest decimal that reads back as it.

    Raises:
        ValueError: the value is not finite.
    """
    return Fraction(str(value))


def round_usd(usd: Fraction) -> Decimal:
    """Dollars rounded once, to six digits, half to even (the only place where money is rounded)."""
    micro = round(usd * _MICRO)
    digits = tuple(int(digit) for digit in str(abs(micro)))
    return Decimal((int(micro < 0), digits, -6))


def ceil_to(value: Fraction, step: Fraction) -> Fraction:
    """The smallest multiple of ``step`` that is at least ``value``; the value itself where step is 0."""
    return -(-value // step) * step if step else value
