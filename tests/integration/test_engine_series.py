"""A real run's own scrapes: every name that boards and rules use is there, and a real promtool takes the session."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import orjson
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from engine_process import Engine
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.execute.scrapes import Scrape, read_scrapes
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files, rule_files
from loadlab.pipeline.replay_text import write_openmetrics
from loadlab.report.board_queries import board_queries
from tiny_experiment import FASTAPI, FLASK, write_tiny

MOST_OF_GENERATOR = 2000
NOT_IN_A_CLOSED_LOOP = {"locust_arrivals_dropped_total"}
OF_A_LIMITED_GROUP = {"cgroup_cpu_limit_cores", "cgroup_memory_limit_bytes"}
"""Of a control group that has a limit; here it may have none."""
OF_UPSTREAM = {"upstream_arrivals_total"}
"""Not in a bundle, which holds stacks and Locust; tests/unit/services/test_upstream_socket.py reads it off a socket."""
OF_PROMETHEUS = {"up"}
WORDS = re.compile(
    r'"[^"]*"|\[[^\]]*\]|\{[^}]*\}|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\$\{?\w+\}?'
)
KEYWORDS = {"by", "without", "on", "and", "or", "unless", "offset", "bool", "group_left", "group_right", "ignoring"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both stacks."""
    folder = tmp_path_factory.mktemp("series")
    engine = Engine(folder, "run", write_tiny(folder, FLASK + FASTAPI, measure_s=1.5, blocks=1))
    code = engine.ended()
    assert code in (0, 4, 5), engine.output
    return engine.bundle


def _names(scrape: Scrape) -> set[str]:
    return {sample.name for family in text_string_to_metric_families(scrape.text) for sample in family.samples}


def names_in(expr: str) -> set[str]:
    """The metrics that an expression reads: every word that is neither a function, a keyword nor a label."""
    bare = WORDS.sub(" ", expr)
    words = re.finditer(r"(?<![\w.:])[a-zA-Z_:][a-zA-Z0-9_:]*", bare)
    return {w.group() for w in words if not re.match(r"\s*\(", bare[w.end() :]) and w.group() not in KEYWORDS}


def test_names_are_found_in_expressions_of_every_shape() -> None:
    assert names_in('sum by (stack) (rate(a_total{stack=~"$stack"}[$__rate_interval])) / ignoring (x) b:c') == {
        "a_total",
        "b:c",
    }
    assert names_in("1e6 * a offset 1m > 0 and on (stack) group_left () max(b)") == {"a", "b"}


def test_every_window_has_scrapes_of_both_sides(bundle: Path) -> None:
    windows = {path.stem for path in (bundle / "windows").glob("*.json")}
    assert len(windows) >= 5
    for window in windows:
        for ending in (".om", ".generator.om"):
            text = (bundle / "scrapes" / f"{window}{ending}").read_text()
            assert text.count("# scraped ") >= 3, f"{window}{ending}: at open, at close and after the books at least"


def test_what_boards_and_rules_use_is_exposed_by_somebody(bundle: Path) -> None:
    layout = checkout()
    boards = [orjson.loads(path.read_bytes()) for path in board_files(layout)]
    used = {query.expr for board in boards for query in board_queries(board)}
    rules = [
        rule
        for path in rule_files(layout)
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    used |= {str(rule["expr"]) for rule in rules}
    recorded = {rule["record"] for rule in rules if "record" in rule}
    cadvisor = (layout.k8s / "base" / "prometheus" / "prometheus.yml").read_text()
    (kept,) = re.findall(r"regex: (container_\(cpu_.*)", cadvisor)
    exposed = {name for scrape in read_scrapes(bundle) for name in _names(scrape)}
    absent = {
        name
        for expr in used
        for name in names_in(expr)
        if name not in exposed | recorded | NOT_IN_A_CLOSED_LOOP | OF_A_LIMITED_GROUP | OF_UPSTREAM | OF_PROMETHEUS
        and not re.fullmatch(kept, name)
    }
    assert absent == set()


def test_a_run_says_which_trial_it_is_at_and_what_it_bills(bundle: Path) -> None:
    own = [scrape for scrape in read_scrapes(bundle) if scrape.labels["job"] == "locust"]
    samples = [s for scrape in own for family in text_string_to_metric_families(scrape.text) for s in family.samples]
    told = {s.labels["window"] for s in samples if s.name == "loadlab_phase_info"}
    assert {path.stem for path in (bundle / "windows").glob("*.json")} <= told
    assert {s.labels["stack"] for s in samples if s.name == "loadlab_window_open"} == {"flask", "fastapi"}
    assert {s.value for s in samples if s.name == "loadlab_billed_memory_gib"} == {2.0}
    assert "locust_arrivals_dropped_total" not in {s.name for s in samples}
    levels = {(s.labels["stack"], s.labels["users"]) for s in samples if s.name == "loadlab_level_users"}
    assert levels == {("flask", "2"), ("fastapi", "2")}, "a demand or a control is no level"


def test_a_session_has_few_series(bundle: Path) -> None:
    for scrape in read_scrapes(bundle):
        count = sum(len(family.samples) for family in text_string_to_metric_families(scrape.text))
        assert count <= MOST_OF_GENERATOR, scrape.labels


def test_promtool_takes_the_whole_session(bundle: Path, tmp_path: Path) -> None:
    promtool = Toolbox(checkout().root, environ=os.environ, say=print).ensure("promtool")
    text = write_openmetrics(bundle, checkout(), tmp_path / "session.om")
    done = subprocess.run(
        [str(promtool), "tsdb", "create-blocks-from", "openmetrics", str(text), str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "data").glob("*/meta.json"))
