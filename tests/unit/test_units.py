"""Quantities are read exactly as typed and shown with three digits, a unit, and absence told from zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadlab import units

THIN = "\u202f"


@pytest.mark.parametrize(
    ("text", "gib"),
    [("2Gi", "2"), ("512Mi", "0.5"), ("2 GiB", "2"), ("16Gi", "16"), ("2GB", "1.86264514923095703125")],
)
def test_memory_is_read_exactly(text: str, gib: str) -> None:
    assert units.parse_gib(text) == Decimal(gib)


def test_a_size_without_a_known_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="'2' has no known unit of size; expected one of B, k"):
        units.parse_gib("2")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.000001, "1.00 µs"),
        (0.00085, "850 µs"),
        (0.0009996, "1.00 ms"),
        (0.2, "200 ms"),
        (0.9999, "1.00 s"),
        (59.96, "60.0 s"),
        (285, "4 min 45 s"),
        (7199, "2 h 0 min"),
        (7500, "2 h 5 min"),
        (-0.3, "−300 ms"),
        (math.inf, "∞"),
    ],
)
def test_durations_are_shown_to_three_digits(seconds: float, shown: str) -> None:
    assert units.format_s(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (512, "512 B"), (1023.6, "1.00 KiB"), (326 * 2**20, "326 MiB"), (2**31, "2.00 GiB")],
)
def test_sizes_are_shown_in_binary_units(size: float, shown: str) -> None:
    assert units.format_bytes(size) == shown


def test_a_size_just_below_the_next_unit_takes_the_next_unit() -> None:
    assert units.format_bytes(1023.99 * 1024) == "1.00 MiB"


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(0.5, "0.50 req/s"), (42.13, "42.1 req/s"), (99.96, "100 req/s"), (1494.3, f"1{THIN}494 req/s")],
)
def test_rates_are_shown_to_three_digits(rate: float, shown: str) -> None:
    assert units.format_rps(rate) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("12.345", "$12.34"),
        ("0.066521", "$0.06652"),
        ("0.0000109", "$0.000011"),
        ("0", "$0.00"),
        ("-1.5", "−$1.500"),
        ("12345.678", f"$12{THIN}345.68"),
    ],
)
def test_amounts_are_shown_with_enough_decimals(amount: str, shown: str) -> None:
    assert units.format_usd(Decimal(amount)) == shown


def test_ratios_and_percents_are_shown() -> None:
    assert units.format_ratio(1.207) == "1.21x"
    assert units.format_ratio(1.0024, digits=3) == "1.002x"
    assert units.format_percent(0.21) == "21 %"
    assert units.format_percent(0.0035) == "0.35 %"
    assert units.format_percent(0.0999) == "10 %"
    assert units.format_percent(0.21, signed=True) == "+21 %"
    assert units.format_percent(-0.2, signed=True) == "−20 %"
    assert units.format_percent(0.0, signed=True) == "0 %"


def test_users_counts_and_cores_are_shown() -> None:
    assert units.format_users(58) == "58 users"
    assert units.format_users(52.84) == "52.8 users"
    assert units.format_users(1) == "1 user"
    assert units.format_count(12345) == f"12{THIN}345"
    assert units.counted(1, "pair") == "1 pair"
    assert units.counted(0, "pair") == "0 pairs"
    assert units.counted(12345, "pair") == f"12{THIN}345 pairs"
    assert units.format_cores(0.754) == "0.75 cores"


@pytest.mark.parametrize(
    "show",
    [
        units.format_s,
        units.format_bytes,
        units.format_rps,
        units.format_usd,
        units.format_ratio,
        units.format_percent,
        units.format_users,
        units.format_count,
        units.format_cores,
    ],
)
def test_what_is_absent_is_a_dash_and_never_zero(show: Callable[[float | None], str]) -> None:
    assert show(None) == units.ABSENT
    assert show(math.nan) == units.ABSENT
    assert "0" in show(0)


@given(st.floats(min_value=1e-6, max_value=119))
def test_a_duration_shown_reads_back_within_its_rounding(seconds: float) -> None:
    number, unit = units.format_s(seconds).split()
    assert float(number) * {"µs": 1e-6, "ms": 1e-3, "s": 1.0}[unit] == pytest.approx(seconds, rel=0.0051)
