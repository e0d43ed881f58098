"""results.json is deterministic, exact about money, and refuses what it cannot read in one line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pytest

from builders_report import build_analysis
from loadlab.errors import BundleError
from loadlab.report.html import render_html
from loadlab.report.results import from_json, to_json


def test_the_same_analysis_gives_the_same_bytes_whatever_the_order_of_its_mappings() -> None:
    analysis = build_analysis()
    turned = replace(analysis, provenance=dict(reversed(list(analysis.provenance.items()))))
    assert to_json(analysis) == to_json(turned)
    assert to_json(analysis).endswith(b"}\n")


def test_reading_and_writing_again_loses_nothing() -> None:
    data = to_json(build_analysis())
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    assert orjson.dumps(from_json(data), option=options) == data


@pytest.mark.parametrize(
    ("amount", "written"),
    [("0.0494815", 0.049482), ("0.0000005", 0.0), ("0.0000015", 0.000002), ("12.3456789", 12.345679)],
)
def test_money_is_rounded_to_micro_dollars_half_to_even(amount: str, written: float) -> None:
    analysis = build_analysis()
    cost = replace(analysis.cost[0], usd_per_million_good=Decimal(amount))
    parsed = from_json(to_json(replace(analysis, cost=(cost, *analysis.cost[1:]))))
    assert parsed["cost"][0]["usd_per_million_good"] == written


def test_a_figure_that_is_not_finite_is_absent_and_a_numpy_one_is_a_number() -> None:
    analysis = build_analysis()
    first, second, *rest = analysis.comparisons
    odd = (replace(first, ratio=math.nan), replace(second, ratio=np.float64(1.25)), *rest)
    parsed = from_json(to_json(replace(analysis, comparisons=odd)))
    assert [pair["ratio"] for pair in parsed["comparisons"][:2]] == [None, 1.25]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: run.update(schema=7), r"written by a newer loadlab \(schema 7\), this one reads up to 1; upgrade"),
        (lambda run: run.update(schema=0), "says schema 0; expected 1 to 1"),
        (lambda run: run.pop("schema"), "has no schema number"),
        (lambda run: run.pop("windows"), "windows is missing"),
        (lambda run: run["windows"][3].pop("p50_s"), r"windows\[3\].p50_s is missing"),
        (lambda run: run["windows"][0].update(sent="many"), r"windows\[0\].sent is 'many', expected a whole number"),
        (lambda run: run["verdict"].update(kind="won"), "verdict.kind is 'won', expected one of diverges"),
        (lambda run: run.update(stacks={}), "stacks is {}, expected a list"),
        (lambda run: run.update(prediction=[]), r"prediction is \[\], expected an object"),
        (lambda run: run["bracket"].update(upper_users=True), "bracket.upper_users is True, expected a whole number"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line_that_names_the_place(
    results: dict[str, Any], change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change(results)
    with pytest.raises(BundleError, match=message) as caught:
        from_json(orjson.dumps(results), where="runs/x/results.json")
    assert str(caught.value).startswith("runs/x/results.json ")
    assert "\n" not in str(caught.value)


LATER = (
    ("prediction", "lower_ratio"),
    ("prediction", "upper_ratio"),
    ("prediction", "processor_users"),
    ("experiment", "own_waits"),
    ("aa", "bias_ratio"),
    ("aa", "stacks"),
    ("cluster",),
)


def test_a_file_of_before_some_keys_came_is_read_as_if_they_were_null(results: dict[str, Any]) -> None:
    for place, *inner in LATER:
        (results[place] if inner else results).pop((inner or [place])[0])
    for stack in results["stacks"]:
        del stack["pool"], stack["demand_think_s"]
    found = from_json(orjson.dumps(results))
    assert all((found[place][inner[0]] if inner else found[place]) is None for place, *inner in LATER)
    assert {stack["pool"] for stack in found["stacks"]} == {None}
    assert render_html(found)


@pytest.mark.parametrize("data", [b"", b'{"schema": 1', b"[1, 2]", b"null", b"\xff\xfe"])
def test_a_half_written_file_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"results\.json (is not readable JSON|has no schema number)") as caught:
        from_json(data)
    assert "\n" not in str(caught.value)


def test_fields_of_a_younger_program_of_the_same_schema_are_let_through(results: dict[str, Any]) -> None:
    results["bracket"]["colour"] = "green"
    assert from_json(orjson.dumps(results))["bracket"]["colour"] == "green"
