"""The upstream's latency grammar, quota and settings."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from svc_common.environment import SettingsError
from upstream.latency import Constant, LatencyError, LogNormal, Steps, parse_latency
from upstream.quota import TokenBucket, retry_after_s
from upstream.settings import UpstreamSettings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("constant(200ms)", Constant(0.2)),
        (" constant( 1.5s ) ", Constant(1.5)),
        ("constant(250us)", Constant(0.00025)),
        ("constant(0ms)", Constant(0.0)),
        ("lognormal(200ms, 0.5)", LogNormal(0.2, 0.5)),
        ("steps(50ms@0s, 2s@30s)", Steps((0.0, 30.0), (0.05, 2.0))),
        ("steps(50ms@0s,2s@1m)", Steps((0.0, 60.0), (0.05, 2.0))),
    ],
)
def test_grammar(text: str, expected: object) -> None:
    assert parse_latency(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("200ms", "constant"),
        ("uniform(1s)", "constant"),
        ("constant(200)", "durations like 200ms.*'200'"),
        ("constant(-1s)", "durations like .*'-1s'"),
        ("constant(1s, 2s)", r"constant\(DURATION\)"),
        ("constant(2000m)", "durations up to an hour"),
        ("lognormal(200ms)", r"lognormal\(MEDIAN, SIGMA\)"),
        ("lognormal(200ms, nan)", r"lognormal\(MEDIAN, SIGMA\)"),
        ("lognormal(200ms, 6)", "SIGMA from 0 to 5"),
        ("steps(50ms)", "LATENCY@TIME"),
        ("steps()", "LATENCY@TIME"),
        ("steps(50ms@1s)", "begin @0s"),
        ("steps(50ms@0s, 1s@5s, 2s@5s)", "times rise"),
    ],
)
def test_what_is_not_in_the_grammar_is_refused(text: str, message: str) -> None:
    with pytest.raises(LatencyError, match=message):
        parse_latency(text)


def test_steps_change_exactly_at_their_times() -> None:
    steps = parse_latency("steps(50ms@0s, 2s@30s, 10ms@40s)")
    rng = random.Random(1)
    drawn = [steps.draw_s(elapsed_s, rng) for elapsed_s in (0.0, 29.999, 30.0, 39.9, 40.0, 1e6)]
    assert drawn == [0.05, 0.05, 2.0, 2.0, 0.01, 0.01]


def test_lognormal_has_its_median_and_sigma_and_repeats_by_seed() -> None:
    latency = parse_latency("lognormal(200ms, 0.5)")
    rng = random.Random(7)
    drawn = [latency.draw_s(0.0, rng) for _ in range(20_000)]
    logs = [math.log(value) for value in drawn]
    # Standard errors at n = 20 000: 0.0035 for the mean of the logs, 0.0025 for their deviation.
    assert statistics.fmean(logs) == pytest.approx(math.log(0.2), abs=0.0175)
    assert statistics.stdev(logs) == pytest.approx(0.5, abs=0.0125)
    again = random.Random(7)
    assert [latency.draw_s(0.0, again) for _ in range(3)] == drawn[:3]


def test_token_bucket_known_answers() -> None:
    """Two at once, then one per half second; a refused request takes nothing."""
    bucket = TokenBucket(rate_rps=2.0, burst=2, now_s=100.0)
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 0.5]
    assert bucket.take(100.25) == 0.25
    assert bucket.take(100.5) == 0.0
    assert bucket.take(100.5) == 0.5


def test_token_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(rate_rps=10.0, burst=3, now_s=0.0)
    assert [bucket.take(1_000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.1]


@pytest.mark.parametrize(("wait_s", "seconds"), [(0.001, 1), (1.0, 1), (1.001, 2), (59.2, 60)])
def test_retry_after_is_rounded_up(wait_s: float, seconds: int) -> None:
    assert retry_after_s(wait_s) == seconds


def test_upstream_defaults() -> None:
    settings = UpstreamSettings.from_env({"SVC_PORT": "1"})
    assert (settings.host, settings.port, settings.latency) == ("127.0.0.1", 8100, Constant(0.2))
    assert (settings.error_ratio, settings.quota_rps, settings.seed) == (0.0, None, 0)


def test_the_burst_is_the_rate_rounded_up_unless_told() -> None:
    assert UpstreamSettings.from_env({"UPSTREAM_QUOTA_RPS": "2.5"}).quota_burst == 3
    told = {"UPSTREAM_QUOTA_RPS": "2.5", "UPSTREAM_QUOTA_BURST": "7"}
    assert UpstreamSettings.from_env(told).quota_burst == 7


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"UPSTREAM_LATENCIES": "1"}, r"UPSTREAM_LATENCIES is not a known .* mean UPSTREAM_LATENCY\?"),
        ({"UPSTREAM_LATENCY": "200ms"}, "UPSTREAM_LATENCY=200ms: expected constant"),
        ({"UPSTREAM_ERROR_RATIO": "1.1"}, "UPSTREAM_ERROR_RATIO=1.1: expected a number from 0 to 1"),
        ({"UPSTREAM_QUOTA_RPS": "0"}, "UPSTREAM_QUOTA_RPS=0: expected a number from 0.001"),
        ({"UPSTREAM_QUOTA_BURST": "3"}, "UPSTREAM_QUOTA_BURST=3: expected UPSTREAM_QUOTA_RPS"),
        ({"UPSTREAM_PORT": "tcp://10.0.0.1:80"}, "UPSTREAM_PORT=tcp://10.0.0.1:80: expected a whole.*ServiceLinks: f"),
        (
            {"UPSTREAM_SERVICE_HOST": "10.0.0.1", "UPSTREAM_PORT_80_TCP": "tcp://10.0.0.1:80"},
            "UPSTREAM_PORT_80_TCP is not a known setting.*set enableServiceLinks: false in the pod",
        ),
    ],
)
def test_a_bad_upstream_setting_is_one_line(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        UpstreamSettings.from_env(environ)
