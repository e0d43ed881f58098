"""Quantities as people write and read them. Formatting happens here and in ``report``, nowhere else.

Inside the program a quantity is a plain number whose unit stands in its name (``_s``, ``_bytes``, ``_rps``,
``_usd``, ``_ratio``). The ``parse_*`` functions read what a person typed and raise ``ValueError`` with one line
that says what was expected; the ``format_*`` functions write three significant digits with a unit and show
what is absent (None or not a number) as an en dash, never as zero.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, Decimal

ABSENT = "–"

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµμ/%]*)\s*")
_BYTES = {
    "B": 1,
    "k": 10**3,
    "kB": 10**3,
    "KB": 10**3,
    "M": 10**6,
    "MB": 10**6,
    "G": 10**9,
    "GB": 10**9,
    "TB": 10**12,
    "Ki": 2**10,
    "KiB": 2**10,
    "Mi": 2**20,
    "MiB": 2**20,
    "Gi": 2**30,
    "GiB": 2**30,
    "Ti": 2**40,
    "TiB": 2**40,
}
_GIB = Decimal(2**30)


def parse_bytes(text: str) -> Decimal:
    """Bytes from a size with its unit, decimal (``2GB``) or binary (``2Gi``, ``512MiB``), exactly."""
    number, unit = _split(text, "a size with its unit, such as 512Mi or 2Gi")
    if unit not in _BYTES:
        raise ValueError(f"{text!r} has no known unit of size; expected one of {', '.join(_BYTES)}")
    return number * _BYTES[unit]


def parse_gib(text: str) -> Decimal:
    """GiB from a size with its unit, exactly: ``2Gi`` is 2, ``512Mi`` is 0.5, ``2GB`` is 1.862645149230957031250."""
    return (parse_bytes(text) / _GIB).normalize() + Decimal(0)


def format_s(value_s: float | None) -> str:
    """A duration to three digits: ``850 µs``, ``200 ms``, ``1.20 s``, ``4 min 45 s``, ``2 h 5 min``."""
    if value_s is None or math.isnan(value_s):
        return ABSENT
    if math.isinf(value_s):
        return _infinite(value_s)
    size = abs(_round_significant(value_s))
    if size == 0:
        return "0 s"
    if size >= 120:
        return _format_minutes(value_s)
    if size >= 1:
        return f"{_digits(value_s)} s"
    if size >= 1e-3:
        return f"{_digits(value_s * 1e3)} ms"
    return f"{_digits(value_s * 1e6)} µs"


def format_bytes(value_bytes: float | Decimal | None) -> str:
    """A size to three digits in binary units: ``512 B``, ``13.2 KiB``, ``326 MiB``, ``2.00 GiB``."""
    if value_bytes is None or math.isnan(value_bytes):
        return ABSENT
    number = float(value_bytes)
    if math.isinf(number):
        return _infinite(number)
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while abs(number) >= 1023.5 and len(units) > 1:
        number /= 1024
        units.pop(0)
    shown = f"{number:.0f}" if units[0] == "B" else _digits(number)
    return f"{shown} {units[0]}"


def format_rps(value_rps: float | None) -> str:
    """A rate to three digits, whole from 100 on: ``0.50 req/s``, ``42.1 req/s``, ``1 494 req/s``."""
    return _with_unit(value_rps, "req/s")


def format_usd(value_usd: Decimal | float | None) -> str:
    """An amount with two to six decimals, enough for four digits: ``$12.34``, ``$0.06652``, ``$0.000011``."""
    if value_usd is None or not math.isfinite(value_usd):
        return ABSENT
    amount = value_usd if isinstance(value_usd, Decimal) else Decimal(repr(float(value_usd)))
    decimals = 2 if amount == 0 else min(6, max(2, 3 - amount.adjusted()))
    rounded = amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN)
    sign = "−" if rounded < 0 else ""
    return f"{sign}${_grouped(abs(rounded), decimals)}"


def format_ratio(value_ratio: float | None, digits: int = 2) -> str:
    """A ratio with its decimals: ``1.21x``."""
    if value_ratio is None or math.isnan(value_ratio):
        return ABSENT
    if math.isinf(value_ratio):
        return f"{_infinite(value_ratio)}x"
    return f"{_signed(value_ratio, digits)}x"


def format_percent(value_ratio: float | None, *, signed: bool = False) -> str:
    """A ratio as percent, whole from 10 on and otherwise to two digits: ``21 %``, ``0.35 %``, signed ``+21 %``."""
    if value_ratio is None or math.isnan(value_ratio):
        return ABSENT
    if math.isinf(value_ratio):
        return f"{_infinite(value_ratio)} %"
    percent = value_ratio * 100
    size = abs(_round_significant(percent, 2))
    decimals = 0 if size >= 10 or size == 0 else min(4, 1 - math.floor(math.log10(size)))
    text = _signed(percent, decimals)
    plus = "+" if signed and percent > 0 and any(digit in text for digit in "123456789") else ""
    return f"{plus}{text} %"


def format_users(value_users: float | None) -> str:
    """Concurrent users: whole as ``58 users``, a point estimate as ``52.8 users``."""
    if value_users is None or not math.isfinite(value_users):
        return ABSENT
    shown = _grouped(Decimal(repr(round(float(value_users), 1))), 0 if float(value_users).is_integer() else 1)
    return f"{shown} user" if value_users == 1 else f"{shown} users"


_RATES = (
    (re.compile(r"\bnumber of concurrent users\b"), "rate"),
    (re.compile(r"\bHow many concurrent users\b"), "which rate"),
    (re.compile(r"\bconcurrent users\b"), "requests per second"),
    (re.compile(r"\bnumber of users\b"), "rate"),
    (re.compile(r"^Users$"), "Rate"),
    (re.compile(r"\bUsers a replica\b"), "Req/s a replica"),
    (re.compile(r"\b[Uu]sers per replica\b"), "req/s per replica"),
    (re.compile(r"(?<=[0-9N]) users?\b"), " req/s"),
    (re.compile(r"(?<=[0-9N]\]) users\b"), " req/s"),
    (re.compile(r"\bclosed loop\b"), "open loop"),
)


def as_rates(text: str) -> str:
    """A sentence about levels of users, said of an open load whose levels are requests per second."""
    for pattern, words in _RATES:
        text = pattern.sub(words, text)
    return text


def format_count(value: float | None) -> str:
    """A whole number in groups of three (thin no-break spaces): ``12 345``."""
    return ABSENT if value is None or not math.isfinite(value) else _grouped(Decimal(round(value)), 0)


def counted(number: int, noun: str) -> str:
    """How many of what: ``1 window``, ``12 345 windows``. For nouns whose plural ends with an s."""
    return f"{format_count(number)} {noun}{'' if number == 1 else 's'}"


def format_cores(value_cores: float | None) -> str:
    """Processor seconds per second to three digits: ``0.75 cores``."""
    return _with_unit(value_cores, "cores")


def _split(text: str, expected: str) -> tuple[Decimal, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity; expected {expected}")
    return Decimal(match.group(1)), match.group(2)


def _with_unit(value: float | None, unit: str) -> str:
    if value is None or math.isnan(value):
        return ABSENT
    return f"{_infinite(value) if math.isinf(value) else _digits(value)} {unit}"


def _round_significant(value: float, digits: int = 3) -> float:
    return float(f"{value:.{digits - 1}e}")


def _digits(value: float) -> str:
    """Three significant digits, at most two decimals below one, whole and grouped from 100 on."""
    size = abs(_round_significant(value))
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2
    return _signed(value, decimals)


def _signed(value: float, decimals: int) -> str:
    rounded = round(Decimal(repr(float(value))), decimals)
    return f"{'−' if rounded < 0 else ''}{_grouped(abs(rounded), decimals)}"


def _grouped(value: Decimal, decimals: int) -> str:
    return f"{value:,.{decimals}f}".replace(",", "\u202f")


def _infinite(value: float) -> str:
    return "∞" if value > 0 else "−∞"


def _format_minutes(value_s: float) -> str:
    sign, whole_s = ("−" if value_s < 0 else ""), round(abs(value_s))
    if whole_s >= 3600:
        whole_min = round(whole_s / 60)
        return f"{sign}{whole_min // 60} h {whole_min % 60} min"
    return f"{sign}{whole_s // 60} min {whole_s % 60} s"


def one_line(text: str) -> str:
    """Somebody's text for a terminal, without what would end the line, move the cursor or colour it."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
