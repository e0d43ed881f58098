"""What the lab's arguments of the plain locust command take, and how they refuse."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest
from _options import MAX_RATE_RPS, pattern, places, rate, seconds

from loadlab.config.load import MAX_RATE_RPS as OF_EXPERIMENTS


@pytest.mark.parametrize("text", ["0", "0.5", "100000"])
def test_a_rate_from_nothing_to_more_than_any_process_sends_is_taken(text: str) -> None:
    assert rate(text) == float(text)


@pytest.mark.parametrize(
    ("take", "text", "said"),
    [
        (rate, "100001", "got 100001, expected at most 100000 arrivals per second"),
        (rate, "-1", "got -1, expected arrivals per second, zero or more"),
        (rate, "inf", "got inf, expected arrivals per second, zero or more"),
        (seconds, "nan", "got nan, expected a number of seconds, zero or more"),
        (places, "0", "got 0, expected a whole number of arrivals in flight, one or more"),
        (places, "-5", "got -5, expected a whole number of arrivals in flight, one or more"),
        (pattern, "often", "got 'often', expected poisson, constant"),
    ],
)
def test_what_no_load_can_be_made_of_is_refused(take: Callable[[str], object], text: str, said: str) -> None:
    with pytest.raises(ArgumentTypeError, match=said):
        take(text)


def test_experiments_and_the_plain_command_have_the_same_largest_rate() -> None:
    assert MAX_RATE_RPS == OF_EXPERIMENTS
