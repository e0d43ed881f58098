"""The lab's command-line arguments; they also appear in the web form and travel from the master to its workers."""

from __future__ import annotations

import argparse
import math
from typing import Any

from _schedule import SYNTAX, parse_pattern

MAX_RATE_RPS = 100_000.0
"""More is beyond any process, which would never come to the end of what was due."""


def pattern(text: str) -> str:
    """How the arrivals of an open load come, kept as it was written."""
    try:
        parse_pattern(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def seconds(text: str) -> float:
    """A finite number of seconds, zero or more."""
    return _number(text, "a number of seconds")


def rate(text: str) -> float:
    """A number of arrivals per second, from zero to MAX_RATE_RPS."""
    value = _number(text, "arrivals per second")
    if value > MAX_RATE_RPS:
        raise argparse.ArgumentTypeError(f"got {text}, expected at most {MAX_RATE_RPS:g} arrivals per second")
    return value


def places(text: str) -> int:
    """How many arrivals may be in flight at once: a whole number, one or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"got {text}, expected a whole number of arrivals in flight, one or more")
    return value


def _number(text: str, what: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"got {text}, expected {what}, zero or more")
    return value


def add_options(parser: Any, **_: Any) -> None:
    """Listener of Locust's init_command_line_parser event."""
    group = parser.add_argument_group("loadlab", "What the lab's user classes and windows read")
    group.add_argument(
        "--think-s", type=seconds, default=0.0, env_var="LAB_THINK_S", help="think time between tasks, seconds"
    )
    group.add_argument(
        "--phase-s",
        type=seconds,
        default=0.0,
        env_var="LAB_PHASE_S",
        help="each user starts after a seeded random wait, uniform in [0, PHASE_S)",
    )
    group.add_argument("--lab-seed", type=int, default=0, env_var="LAB_SEED", help="seed of the users' own randomness")
    group.add_argument(
        "--rate-rps",
        type=rate,
        default=0.0,
        env_var="LAB_RATE_RPS",
        help="above 0: an open load with so many arrivals per second over all workers, one leading user on each",
    )
    group.add_argument("--arrivals", type=pattern, default="poisson", env_var="LAB_ARRIVALS", help=f"{SYNTAX}")
    group.add_argument(
        "--in-flight-max",
        type=places,
        default=2000,
        env_var="LAB_IN_FLIGHT_MAX",
        help="an open load drops, and counts, arrivals beyond so many in flight over all workers",
    )
    group.add_argument(
        "--good-within-s",
        type=seconds,
        default=1.0,
        env_var="LAB_GOOD_WITHIN_S",
        help="an answered request is good within this latency, seconds, where a trial sets nothing else",
    )
