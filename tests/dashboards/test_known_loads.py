"""What boards say of loads that the replayed session has not: open ones, levels above one that broke, and bounds."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from loadlab.analysis.replicas import held_level, holds
from loadlab.model.experiment import Objective
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files
from loadlab.report.board_queries import BoardQuery, board_annotations, board_queries, expanded

BOARDS = [orjson.loads(path.read_bytes()) for path in board_files(checkout())]
QUERIES = [query for board in BOARDS for query in board_queries(board)]
ALERTS = checkout().k8s / "base" / "prometheus" / "rules" / "alerts.yaml"
OBJECTIVE = Objective(latency_s=1.0, good_ratio=0.95)
CHOSEN = {
    "stack": "flask",
    "target_users": "1000",
    "good_ratio": f"{OBJECTIVE.good_ratio}",
    "list": "chosen",
    "billing": "provisioned",
}
OPEN = {
    'locust_load_info{kind="open"}': "1x24",
    "loadlab_trial_users": "60x24",
    "locust_users": "1x24",
    "locust_users_wanted": "1x24",
}
"""60 arrivals a second, led by the one user of the one worker."""
CLOSED = {**OPEN, 'locust_load_info{kind="closed"}': "1x24"}
del CLOSED['locust_load_info{kind="open"}']
OF_USERS = [query for query in QUERIES if "locust_users" in query.expr]
Level = tuple[int, int]
"""Good requests, and all that ended."""


def _query(title: str, ref: str = "A") -> BoardQuery:
    (found,) = [query for query in QUERIES if (query.title, query.ref) == (title, ref)]
    return found


def _says(promtool: Path, folder: Path, query: BoardQuery, series: Mapping[str, str], value: float | None) -> None:
    """That the query, over these series, has this one value, or none."""
    _sums(promtool, folder, series, f"sum({expanded(query.expr, CHOSEN)})", {"1m": value})


def _sums(
    promtool: Path, folder: Path, series: Mapping[str, str], expr: str, values: Mapping[str, float | None]
) -> None:
    """values: by the moment that the expression is asked at; the lab's alerts are evaluated."""
    asked = [
        {"expr": expr, "eval_time": at, "exp_samples": [] if value is None else [{"labels": "{}", "value": value}]}
        for at, value in values.items()
    ]
    given = [{"series": name, "values": told} for name, told in series.items()]
    case = {"interval": "5s", "input_series": given, "promql_expr_test": asked}
    test = {"rule_files": [str(ALERTS)], "evaluation_interval": "5s", "tests": [case]}
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("query", OF_USERS, ids=lambda one: f"{one.board} {one.title} {one.ref}")
def test_what_leads_the_arrivals_of_an_open_load_is_shown_as_no_user(
    promtool: Path, tmp_path: Path, query: BoardQuery
) -> None:
    _says(promtool, tmp_path, query, OPEN, None)
    _says(promtool, tmp_path, query, CLOSED, 0.0 if query.unit == "percentunit" else 1.0)


def test_an_open_load_says_how_many_arrivals_it_asks_for_and_a_closed_one_does_not(
    promtool: Path, tmp_path: Path
) -> None:
    _says(promtool, tmp_path, _query("How much is sent?", "B"), OPEN, 60.0)
    _says(promtool, tmp_path, _query("How much is sent?", "B"), CLOSED, None)


@pytest.mark.parametrize(
    "levels",
    [
        pytest.param({8: (100, 100), 16: (95, 100), 32: (94, 100)}, id="the next level up broke it"),
        pytest.param({8: (100, 100), 16: (90, 100), 32: (100, 100)}, id="a level above one that broke it is luck"),
        pytest.param({8: (100, 100), 16: (0, 0), 32: (100, 100)}, id="where nothing ended it is broken"),
        pytest.param({8: (90, 100), 16: (100, 100)}, id="the lowest broke it"),
    ],
)
def test_a_deployment_holds_as_many_users_as_the_report_says(
    promtool: Path, tmp_path: Path, levels: Mapping[int, Level]
) -> None:
    held = held_level({users: holds(good, ended, OBJECTIVE) for users, (good, ended) in levels.items()})
    assert held.users in {None, 8, 16}
    _says(promtool, tmp_path, _query("How many users does one deployment hold?"), _measured(levels), held.users)


def test_the_highest_level_is_what_is_held_while_none_broke_and_a_level_of_no_window_breaks_nothing(
    promtool: Path, tmp_path: Path
) -> None:
    refused = {
        'loadlab_level_users{stack="flask", users="4"}': "4x24",
        'loadlab_level_windows{stack="flask", users="4"}': "0x24",
    }
    series = {**_measured({8: (100, 100), 16: (96, 100)}), **refused}
    _says(promtool, tmp_path, _query("How many users does one deployment hold?"), series, 16.0)


def test_a_knee_is_not_called_passed_by_a_level_of_which_no_window_counts(promtool: Path, tmp_path: Path) -> None:
    refused = {
        'loadlab_level_users{stack="flask", users="60"}': "60x24",
        'loadlab_level_windows{stack="flask", users="60"}': "0x24",
    }
    highest = _query("At how many users is the knee, so far?", "B")
    _says(promtool, tmp_path, highest, {**_measured({30: (90, 90)}), **refused}, 30.0)


def test_the_knee_is_the_lowest_level_with_exactly_95_percent_of_the_most(promtool: Path, tmp_path: Path) -> None:
    rates = {8: 80, 16: 94.5, 24: 95, 32: 100}
    series = {
        **_measured({users: (90, 90) for users in rates}),
        **{f'loadlab:level_goodput_rps{{stack="flask", users="{u}"}}': f"{rate}x24" for u, rate in rates.items()},
    }
    _says(promtool, tmp_path, _query("At how many users is the knee, so far?"), series, 24.0)


@pytest.mark.parametrize(
    ("ratios", "not_yet_at", "dearer_from"),
    [
        pytest.param({40: 1.0, 48: 1.1, 58: 1.1001, 69: 1.05, 83: 1.4}, 48, 58, id="the margin itself is not above it"),
        pytest.param({40: 0.9, 48: 1.0999}, 48, None, id="no level is dearer"),
        pytest.param({40: 1.1001, 48: 1.0}, None, 40, id="the lowest level is dearer"),
    ],
)
def test_the_stacks_part_between_the_lowest_level_above_the_margin_and_the_highest_below_that(
    promtool: Path, tmp_path: Path, ratios: Mapping[int, float], not_yet_at: float | None, dearer_from: float | None
) -> None:
    title = "Between how many users do they part, so far?"
    series = {**_parting(ratios, "chosen", "provisioned"), "loadlab_margin_ratio": "0.1x24"}
    _says(promtool, tmp_path, _query(title, "A"), series, not_yet_at)
    _says(promtool, tmp_path, _query(title, "B"), series, dearer_from)


def _parting(ratios: Mapping[int, float], list_id: str, billing: str) -> Mapping[str, str]:
    """Ratios on the chosen list, others of another one with the same billing, and of the same one otherwise billed."""
    told = {(list_id, billing): ratios, ("another", billing): dict.fromkeys(ratios, 9.0)}
    told[list_id, "otherwise"] = dict.fromkeys(ratios, 0.1)
    return {
        **{f'loadlab_level_users{{stack="flask", users="{users}"}}': f"{users}x24" for users in ratios},
        **{
            f'loadlab:level_cost_ratio{{list="{one}", billing="{other}", users="{users}"}}': f"{ratio}x24"
            for (one, other), own in told.items()
            for users, ratio in own.items()
        },
    }


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_an_alert_is_on_every_board_from_when_it_fires_until_it_does_not(
    promtool: Path, tmp_path: Path, board: Mapping[str, Any]
) -> None:
    expr = f"sum({board_annotations(board)['Alerts']})"
    series = {"locust_generator_steal_ratio": "0.02x9 0x15"}
    _sums(promtool, tmp_path, series, expr, {"10s": None, "40s": 1.0, "70s": None})


def _measured(levels: Mapping[int, Level]) -> Mapping[str, str]:
    """As the load generator tells of them."""
    return {
        f'loadlab_level_{name}{{stack="flask", users="{users}"}}': f"{value}x24"
        for users, (good, ended) in levels.items()
        for name, value in {
            "users": users,
            "windows": 1,
            "good_requests": good,
            "ok_requests": good,
            "failed_requests": ended - good,
        }.items()
    }
