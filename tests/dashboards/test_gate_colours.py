"""The generator board is red where a gate of the window would refuse it, and green where none would."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from loadlab.analysis.gate_bounds import GateBounds
from loadlab.pipeline.layout import checkout
from loadlab.report.board_queries import board_queries, expanded

BOARD = orjson.loads((checkout().root / "grafana" / "dashboards" / "loadlab-generator.json").read_bytes())
ROW = "Would the gates refuse this window?"
BOUNDS = GateBounds()
LAG_P99 = 'locust_generator_lag_seconds{quantile="0.99"}'
SECOND_LONG = {
    'locust_response_seconds_bucket{le="0.9"}': "0x24",
    'locust_response_seconds_bucket{le="1"}': "0+100x24",
    'locust_response_seconds_bucket{le="+Inf"}': "0+100x24",
}
"""Answers whose 99th percentile is 0.999 s."""


@dataclass(frozen=True, slots=True)
class Case:
    """A stat, series that its gate lets pass, and series that it refuses."""

    title: str
    passes: Mapping[str, str]
    refused: Mapping[str, str]


def _still(name: str, passes: float, refused: float, **beside: float) -> tuple[dict[str, str], dict[str, str]]:
    others = {other: f"{value}x24" for other, value in beside.items()}
    return {name: f"{passes}x24", **others}, {name: f"{refused}x24", **others}


CASES = [
    Case("Are all workers there?", *_still("locust_workers", 2, 1, locust_workers_expected=2)),
    Case(
        "Has it processors to spare?",
        *_still(
            "locust_generator_cpu_cores",
            BOUNDS.generator_cpu_ratio * 2 - 0.01,
            BOUNDS.generator_cpu_ratio * 2,
            locust_generator_cores=2,
        ),
    ),
    Case(
        "Does it wake in time?",
        *_still('locust_generator_lag_seconds{quantile="0.5"}', BOUNDS.lag_p50_s, BOUNDS.lag_p50_s * 1.01),
    ),
    Case("Do its latest wake-ups come in time?", *_still(LAG_P99, BOUNDS.lag_p99_s, BOUNDS.lag_p99_s * 1.01)),
    Case(
        "Do its latest wake-ups come in time?",
        {**SECOND_LONG, LAG_P99: f"{0.99 * BOUNDS.lag_p99_of_measured_ratio}x24"},
        {**SECOND_LONG, LAG_P99: f"{BOUNDS.lag_p99_of_measured_ratio}x24"},
    ),
    Case(
        "Is it kept off its processors?",
        {"locust_generator_throttled_seconds_total": "3x24"},
        {"locust_generator_throttled_seconds_total": "3x22 3.01x1"},
    ),
    Case(
        "Is its time given to others?",
        *_still("locust_generator_steal_ratio", BOUNDS.steal_ratio * 0.99, BOUNDS.steal_ratio),
    ),
    Case("Are all users there?", *_still("locust_users", 98, 97, locust_users_wanted=100)),
    Case("Are all users there?", *_still("locust_users", 102, 103, locust_users_wanted=100)),
    Case(
        "Does it drop arrivals?",
        {"locust_arrivals_dropped_total": "7x24"},
        {"locust_arrivals_dropped_total": "7x22 8x1"},
    ),
]


def _stats() -> Mapping[str, Mapping[str, Any]]:
    """The panels of the row."""
    titles = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    following = titles[titles.index(ROW) + 1]
    all_titles = [panel["title"] for panel in BOARD["panels"]]
    panels = BOARD["panels"][all_titles.index(ROW) + 1 : all_titles.index(following)]
    return {panel["title"]: panel for panel in panels}


def _red_from(panel: Mapping[str, Any]) -> float:
    (red,) = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"] if step["value"]]
    return float(red)


def _is_red(promtool: Path, folder: Path, case: Case, series: Mapping[str, str], red: int) -> None:
    (query,) = [one for one in board_queries(BOARD) if one.title == case.title]
    expr = f"({expanded(query.expr, {})}) >= bool {_red_from(_stats()[case.title])!r}"
    test = {
        "evaluation_interval": "5s",
        "tests": [
            {
                "interval": "5s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": expr, "eval_time": "2m", "exp_samples": [{"labels": "{}", "value": red}]}
                ],
            }
        ],
    }
    file = folder / f"{red}.yaml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_stat_of_the_row_is_seen_to_turn_red() -> None:
    assert _stats().keys() == {case.title for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_stat_is_red_where_its_gate_refuses_and_green_where_it_does_not(
    promtool: Path, tmp_path: Path, case: Case
) -> None:
    _is_red(promtool, tmp_path, case, case.passes, 0)
    _is_red(promtool, tmp_path, case, case.refused, 1)


def test_throttling_is_never_negative_after_a_new_master(promtool: Path, tmp_path: Path) -> None:
    """Its counter begins anew; a difference of now and a minute ago would hide what came since."""
    case = next(case for case in CASES if case.title == "Is it kept off its processors?")
    _is_red(promtool, tmp_path, case, {"locust_generator_throttled_seconds_total": "3x18 0x3 0.5x3"}, 1)
