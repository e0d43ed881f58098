"""The latency grammar of experiment files is the upstream's own."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadlab.config.latency import check_latency
from upstream.latency import LatencyError, parse_latency

_numbers = st.sampled_from(["0", "1", "50", "0.5", "1.5", "4000", "", "-1", ".5"])
_durations = st.builds("".join, st.tuples(_numbers, st.sampled_from(["us", "ms", "s", "m", "h", "", " s"])))
_steps = st.builds("{}@{}".format, _durations, _durations)
_parts = st.lists(st.one_of(_durations, _numbers, _steps), max_size=3).map(", ".join)
_texts = st.builds("{}({})".format, st.sampled_from(["constant", "lognormal", "steps", "const"]), _parts)


@given(_texts)
@example("constant(200ms)")
@example("lognormal(200ms, 0.5)")
@example("lognormal(200ms, 5.1)")
@example("steps(50ms@0s, 2s@30s)")
@example("steps(50ms@0s, 2s@0s)")
@example("steps(50ms@1s)")
@example(" constant( 1m ) ")
@example("constant")
def test_a_latency_is_taken_here_exactly_where_the_upstream_takes_it(text: str) -> None:
    accepted = []
    for check, refusal in ((check_latency, ValueError), (parse_latency, LatencyError)):
        try:
            check(text)
            accepted.append(True)
        except refusal:
            accepted.append(False)
    assert accepted[0] == accepted[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slow", r"expected constant\(200ms\), lognormal"),
        ("constant(1s, 2s)", "expected one latency"),
        ("constant(200)", "durations up to an hour, such as .* where '200' stands"),
        ("lognormal(1s)", "expected a median and a sigma from 0 to 5"),
        ("steps(1s@2s)", "expected latencies from ascending times that begin at 0s"),
        ("steps(1s)", "expected latencies from ascending times"),
    ],
)
def test_a_slip_says_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_latency(text)
