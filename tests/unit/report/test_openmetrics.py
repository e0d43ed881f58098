"""A session as OpenMetrics: every sample with its time, in the order that the format asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from loadlab.report.openmetrics import openmetrics, together

FIRST = """\
# HELP http_requests_total Answered requests.
# TYPE http_requests_total counter
http_requests_total{route="/a b}",status="200"} 3.0
# HELP wait_seconds How long.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.5"} 1.0
wait_seconds_bucket{le="10.0"} 2.0
wait_seconds_bucket{le="+Inf"} 2.0
wait_seconds_count 2.0
wait_seconds_sum 4.5
# TYPE wait_seconds_created gauge
wait_seconds_created 1.7e+09
# TYPE old counter
old 7
stray 1
"""


@dataclass
class Piece:
    """One exposition."""

    unix_s: float
    text: str
    labels: Mapping[str, str] = field(default_factory=dict)


def _written(*pieces: Piece) -> str:
    return "".join(openmetrics(pieces))


def _samples(text: str) -> list[Sample]:
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return [sample for family in families for sample in family.samples]


def _at(sample: Sample) -> float:
    return float(str(sample.timestamp))


def test_the_strict_parser_of_the_format_takes_it_and_finds_every_sample_with_its_time() -> None:
    target = {"job": "sut", "stack": "flask"}
    text = _written(Piece(1000.25, FIRST, target))
    found = {(s.name, s.labels.get("le")): s for s in _samples(text)}
    assert len(found) == 9
    assert {_at(s) for s in found.values()} == {1000.25}
    assert found["http_requests_total", None].value == 3
    assert found["http_requests_total", None].labels == {"route": "/a b}", "status": "200", **target}
    assert found["wait_seconds_bucket", "10.0"].value == 2
    assert "# TYPE old unknown" in text
    assert text.endswith("# EOF\n")


def test_a_counter_of_several_scrapes_keeps_each_value_at_its_moment() -> None:
    counter = FIRST.partition("# HELP wait")[0]
    samples = _samples(_written(Piece(1001.5, counter.replace(" 3.0", " 9.0")), Piece(1000.25, counter)))
    assert [(_at(s), s.value) for s in samples] == [(1000.25, 3), (1001.5, 9)]


def test_buckets_stand_in_the_order_of_their_bounds_and_moments_in_the_order_of_time() -> None:
    lines = _written(Piece(2000, FIRST), Piece(1000, FIRST)).splitlines()
    buckets = [line for line in lines if line.startswith("wait_seconds_bucket")]
    assert [line.split('"')[1] for line in buckets] == ["0.5", "10.0", "+Inf"] * 2
    assert [line.split()[-1] for line in buckets] == ["1000.000"] * 3 + ["2000.000"] * 3


def test_series_of_several_targets_stand_together_under_one_head() -> None:
    text = _written(*(Piece(1000, FIRST, {"pod": pod}) for pod in ("a", "b")))
    assert text.count("# TYPE wait_seconds histogram") == 1
    assert len(_samples(text)) == 2 * 9


def test_a_moment_that_was_read_twice_is_kept_once() -> None:
    assert len(_samples(_written(Piece(1000, "up 1\n"), Piece(1000.0001, "up 0\n")))) == 1


def test_what_comes_after_a_torn_line_is_left_out_and_the_rest_is_kept() -> None:
    text = _written(Piece(1000, 'a 1\nb{x="1"} 2\nc{x="'), Piece(1001, "a 2\nb\nc 3\n"))
    assert [(s.name, s.value) for s in _samples(text)] == [("a", 1), ("a", 2), ("b", 2)]


def test_a_bundle_without_expositions_is_an_empty_session() -> None:
    assert _written() == "# EOF\n"


def test_a_label_that_the_target_has_too_is_set_aside_as_prometheus_does() -> None:
    assert together({"pod": "inner", "pid": "7"}, {"pod": "outer"}) == {
        "exported_pod": "inner",
        "pid": "7",
        "pod": "outer",
    }


def test_labels_keep_what_needs_escaping() -> None:
    odd = 'say "hi"\\\n'
    escaped = odd.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    (sample,) = _samples(_written(Piece(1000, f'a{{x="{escaped}"}} 1\n')))
    assert sample.labels == {"x": odd}


@pytest.mark.parametrize("label", ["quantile", "le"])
def test_a_quantile_that_is_no_number_is_a_label_like_any_other(label: str) -> None:
    text = _written(Piece(1000, f'a{{{label}="p99"}} 3\na{{{label}="p50"}} 1\nb 2\n'))
    values = {(s.name, s.labels.get(label)): s.value for s in _samples(text)}
    assert values == {("a", "p50"): 1, ("a", "p99"): 3, ("b", None): 2}


def test_an_exemplar_and_a_time_are_left_out_and_the_value_is_kept() -> None:
    histogram = (
        "# TYPE h histogram\n"
        'h_bucket{le="1.0",x="} # {y"} 3 # {trace_id="q"} 0.5 1600000000.1\n'
        'h_bucket{le="+Inf",x="} # {y"} 4 1600000000000\n'
    )
    assert [s.value for s in _samples(_written(Piece(1000, histogram)))] == [3, 4]


def test_a_name_that_only_newer_formats_have_is_left_out_and_the_rest_is_kept() -> None:
    text = _written(Piece(1000, 'a 1\n{"http.requests", x="y"} 2\nb 3\n'))
    assert [(s.name, s.value) for s in _samples(text)] == [("a", 1), ("b", 3)]
