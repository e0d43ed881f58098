"""A run cites the calibration of its machine, or says why there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import UNIX_S, make_arrivals, make_experiment, make_provenance, make_window
from builders_calibration import IDENTITY, make_calibration
from loadlab.analysis.calibration_use import (
    ASLEEP,
    DAY_S,
    HOLDS_DAYS,
    IDLE_CORES,
    KEPT_AWAKE,
    is_uncalibrated,
    standing,
)
from loadlab.analysis.validity import bounds_of, window_findings
from loadlab.model.calibration import Reach, TruthfulRange
from loadlab.model.run import Window


def test_a_calibration_that_holds_is_cited_with_age_bias_and_reach() -> None:
    found = standing(make_calibration(), IDENTITY, UNIX_S + 3.4 * DAY_S)
    assert found.text == (
        "calibrated 3 days ago on this machine: bias p50 +0.40 %, p99 +1.2 % from 10 ms up, 90.0 µs below; "
        "truthful up to 4\u202f100 req/s and 1\u202f000 users (more was not tried)"
    )
    assert found.truthful == TruthfulRange(
        made_unix_s=UNIX_S,
        generators=1,
        rate_rps=Reach(most=4100.0, beyond=5000.0),
        users=Reach(most=1000.0, beyond=None),
    )
    assert not is_uncalibrated(found.text)


def test_without_one_a_run_is_uncalibrated() -> None:
    found = standing(None, IDENTITY, UNIX_S)
    assert (found.text, found.truthful) == ("uncalibrated", None)


@pytest.mark.parametrize(
    ("now", "age_s", "reason"),
    [
        ({**IDENTITY, "machine": "machine-b"}, 0.0, "was made on another machine"),
        ({**IDENTITY, "kernel": "6.2"}, 0.0, "calibrated with kernel 6.1, now 6.2"),
        ({**IDENTITY, "cores": "0-3"}, 0.0, "calibrated with cores 0-1, now 0-3"),
        ({**IDENTITY, "locust": "2.48.0"}, 0.0, "calibrated with locust 2.47.0, now 2.48.0"),
        (IDENTITY, (HOLDS_DAYS + 1) * DAY_S, "calibrated 31 days ago, which holds for 30 days"),
        (IDENTITY, -2 * DAY_S, "made in the future"),
    ],
)
def test_one_that_does_not_hold_says_why(now: dict[str, str], age_s: float, reason: str) -> None:
    found = standing(make_calibration(), now, UNIX_S + age_s)
    assert is_uncalibrated(found.text)
    assert reason in found.text
    assert found.truthful is None


def test_a_calibration_counts_for_runs_whose_idle_cores_are_as_they_were_in_it() -> None:
    asleep, awake = {**IDENTITY, IDLE_CORES: ASLEEP}, {**IDENTITY, IDLE_CORES: KEPT_AWAKE}
    of_before, of_now = make_calibration(), make_calibration(identity=awake)
    assert not is_uncalibrated(standing(of_before, asleep, UNIX_S).text)
    assert not is_uncalibrated(standing(of_now, awake, UNIX_S).text)
    said = [standing(of_before, awake, UNIX_S).text, standing(of_now, asleep, UNIX_S).text]
    assert said == [
        "uncalibrated: calibrated with idle cores asleep, now kept awake",
        "uncalibrated: calibrated with idle cores kept awake, now asleep",
    ]


def test_a_generator_that_was_not_truthful_makes_runs_uncalibrated() -> None:
    found = standing(make_calibration(failures=("latency-10ms: p50 is off",)), IDENTITY, UNIX_S)
    assert found.text == "uncalibrated: calibrated today, and the generator was not truthful: latency-10ms: p50 is off"
    assert found.truthful is None


def _codes(window: Window, truthful: TruthfulRange | None) -> list[tuple[str, str]]:
    bounds = bounds_of(replace(make_provenance(), truthful=truthful))
    return [(found.code, found.level) for found in window_findings(window, make_experiment(), bounds)]


@pytest.mark.parametrize(
    ("rate", "users", "expected"),
    [
        (Reach(most=1e4, beyond=2e4), Reach(most=1e3, beyond=None), []),
        (Reach(most=10.0, beyond=20.0), Reach(most=1e3, beyond=None), [("beyond_calibration", "invalid")]),
        (Reach(most=10.0, beyond=None), Reach(most=1e3, beyond=None), [("beyond_calibration", "not_available")]),
        (Reach(most=1e4, beyond=None), Reach(most=1.0, beyond=2.0), [("beyond_calibration", "invalid")]),
    ],
)
def test_a_window_beyond_the_reach_is_invalid_or_cannot_be_judged(
    rate: Reach, users: Reach, expected: list[tuple[str, str]]
) -> None:
    truthful = TruthfulRange(made_unix_s=UNIX_S, generators=1, rate_rps=rate, users=users)
    assert _codes(make_window(), truthful) == expected


def test_a_generator_with_fewer_cores_is_held_to_its_share() -> None:
    reach = Reach(most=100.0, beyond=200.0)
    alike = TruthfulRange(made_unix_s=UNIX_S, generators=1, rate_rps=reach, users=reach)
    assert _codes(make_window(), alike) == []
    assert _codes(make_window(), replace(alike, generators=4)) == [("beyond_calibration", "invalid")]


def test_what_a_generator_began_counts_where_the_service_ends_less() -> None:
    """40 requests end in the second; 60 were sent, or 60 arrivals begun."""
    reach, enough = Reach(most=50.0, beyond=70.0), Reach(most=1e3, beyond=None)
    truthful = TruthfulRange(made_unix_s=UNIX_S, generators=1, rate_rps=reach, users=enough)
    window = make_window()
    assert _codes(window, truthful) == []
    sent = replace(window, load=replace(window.load, sent=60))
    assert ("beyond_calibration", "invalid") in _codes(sent, truthful)
    begun = replace(window, load=replace(window.load, arrivals=make_arrivals(window.load, planned=60)))
    assert ("beyond_calibration", "invalid") in _codes(begun, truthful)


def test_nothing_is_judged_by_a_calibration_that_there_is_not() -> None:
    assert _codes(make_window(), None) == []
