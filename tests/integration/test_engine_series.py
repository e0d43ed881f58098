"""A real run's own scrapes: every name that boards and rules use is there, and a real promtool takes the session."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from _levels import LEVEL
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from loadlab.execute.lab.toolbox import Toolbox
from loadlab.execute.scrapes import GENERATOR, Scrape, read_scrapes
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files, rule_files
from loadlab.pipeline.replay_text import openmetrics_of, write_openmetrics
from loadlab.report.board_queries import board_annotations, board_offers, board_queries
from loadlab.report.openmetrics import together
from resumed_run import ResumedRun

MOST_PER_POD = 2000
PODS, MOST_IN_ALL = 20, 12_000
NOT_IN_A_CLOSED_LOOP = {"locust_arrivals_dropped_total"}
OF_A_LIMITED_GROUP = {"cgroup_cpu_limit_cores", "cgroup_memory_limit_bytes"}
"""Of a control group that has a limit; here it may have none."""
OF_UPSTREAM = {"upstream_arrivals_total"}
"""Not in a bundle, which holds stacks and Locust; tests/unit/services/test_upstream_socket.py reads it off a socket."""
OF_PROMETHEUS = {"up"}
OF_A_LEVEL_THAT_COUNTS = {
    "loadlab_level_billed",
    *(f"loadlab_level_{part}" for part in ("seconds", "ok_requests", "failed_requests", "good_requests")),
}
WORDS = re.compile(
    r'"[^"]*"|\[[^\]]*\]|\{[^}]*\}|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\$\{?\w+\}?'
)
NAMED = re.compile(r'__name__=~?"([^"]*)"')
KEYWORDS = {
    *("by", "without", "on", "and", "or", "unless", "offset", "bool", "group_left", "group_right", "ignoring", "Inf"),
}


@pytest.fixture
def bundle(resumed_run: ResumedRun) -> Path:
    """A run of both stacks, whose first try at its block was killed."""
    assert resumed_run.code in (0, 4, 5), resumed_run.output
    return resumed_run.bundle


def _rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in rule_files(checkout())
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def _names(scrape: Scrape) -> set[str]:
    return {sample.name for family in text_string_to_metric_families(scrape.text) for sample in family.samples}


def names_in(expr: str) -> set[str]:
    """The metrics that an expression reads: every word that is neither a function, a keyword nor a label."""
    bare = WORDS.sub(" ", expr)
    words = re.finditer(r"(?<![\w.:])[a-zA-Z_:][a-zA-Z0-9_:]*", bare)
    named = {name for names in NAMED.findall(expr) for name in names.split("|")}
    return named | {w.group() for w in words if not re.match(r"\s*\(", bare[w.end() :]) and w.group() not in KEYWORDS}


def test_names_are_found_in_expressions_of_every_shape() -> None:
    assert names_in('sum by (stack) (rate(a_total{stack=~"$stack"}[$__rate_interval])) / ignoring (x) b:c') == {
        "a_total",
        "b:c",
    }
    assert names_in('{__name__=~"a|b_total", stack!=""}') == {"a", "b_total"}
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
    used |= {expr for board in boards for expr in board_annotations(board).values()}
    used |= {offer.selector for board in boards for offer in board_offers(board)}
    rules = _rules()
    used |= {str(rule["expr"]) for rule in rules}
    recorded = {rule["record"] for rule in rules if "record" in rule}
    cadvisor = (layout.k8s / "base" / "prometheus" / "prometheus.yml").read_text()
    (kept,) = re.findall(r"regex: (container_\(cpu_.*)", cadvisor)
    exposed = {name for scrape in read_scrapes(bundle) for name in _names(scrape)} | {s.name for s in _levels(bundle)}
    absent = {
        name
        for expr in used
        for name in names_in(expr)
        if name not in exposed | recorded | NOT_IN_A_CLOSED_LOOP | OF_A_LIMITED_GROUP | OF_UPSTREAM | OF_PROMETHEUS
        and not re.fullmatch(kept, name)
    }
    assert absent <= (set() if _counted(bundle) else OF_A_LEVEL_THAT_COUNTS)


def _levels(bundle: Path) -> list[Sample]:
    """The load generator's tell nothing of levels in a bundle: a replay makes them from the windows."""
    text = "".join(openmetrics_of(bundle, checkout()))
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return [sample for sample in samples if sample.name.startswith("loadlab_level_")]


def _counted(bundle: Path) -> bool:
    """Whether any window passed its gates: on a machine with other work none may."""
    return any(s.name == "loadlab_level_windows" and s.value > 0 for s in _levels(bundle))


def test_what_the_boards_show_of_the_run_is_kept_without_being_asked_for(bundle: Path) -> None:
    kept = [orjson.loads(path.read_bytes()) for path in (bundle / "queries").glob("*.json")]
    assert {record["source"] for record in kept} == {"replay"}
    answered = [query["title"] for record in kept for query in record["queries"] if query["result"]]
    assert {"How many users are there?", "How much memory does a stack hold?"} <= set(answered)


def test_a_run_says_which_trial_it_is_at_and_what_it_bills(bundle: Path) -> None:
    own = [scrape for scrape in read_scrapes(bundle) if scrape.labels["job"] == "locust"]
    samples = [s for scrape in own for family in text_string_to_metric_families(scrape.text) for s in family.samples]
    told = {s.labels["window"] for s in samples if s.name == "loadlab_phase_info"}
    assert {path.stem for path in (bundle / "windows").glob("*.json")} <= told
    assert {s.labels["stack"] for s in samples if s.name == "loadlab_window_open"} == {"flask", "fastapi"}
    assert {s.value for s in samples if s.name == "loadlab_billed_memory_gib"} == {2.0}
    assert "locust_arrivals_dropped_total" not in {s.name for s in samples}
    assert not any(s.name.startswith("loadlab_level_") for s in samples), "kept nowhere to be thrown away"
    levels = {(s.labels["stack"], s.labels["users"]) for s in _levels(bundle) if s.name == "loadlab_level_users"}
    assert levels == {("flask", "2"), ("fastapi", "2")}, "a demand or a control is no level"


def _series(scrape: Scrape) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Each with all its labels, as Prometheus counts them."""
    samples = [sample for family in text_string_to_metric_families(scrape.text) for sample in family.samples]
    return {(one.name, tuple(sorted(together(one.labels, scrape.labels).items()))) for one in samples}


def test_a_pod_and_the_generator_have_few_series_under_load(bundle: Path) -> None:
    counts = Counter({scrape.labels["pod"]: 0 for scrape in read_scrapes(bundle)})
    for scrape in read_scrapes(bundle):
        counts[scrape.labels["pod"]] = max(counts[scrape.labels["pod"]], len(_series(scrape)))
    assert {"flask-b01", "fastapi-b01", "locust-master"} <= set(counts)
    for pod, count in counts.items():
        assert 50 < count <= MOST_PER_POD, pod


def test_twenty_pods_and_ten_workers_are_as_many_series_as_their_parts(bundle: Path) -> None:
    """A master tells the same of ten workers as of one (tests/unit/locustfiles/test_exporter.py). A level has a series
    for each of its figures and each unit that is billed: twenty levels of both stacks under ten prices are added.
    """
    scrapes = list(read_scrapes(bundle))
    pod = max(len(_series(one)) for one in scrapes if one.labels["job"] == "sut")
    master = max(len(_series(one)) for one in scrapes if one.labels == GENERATOR)
    levels = 20 * 2 * (len(LEVEL) + 10 * 3)
    rules = sum("record" in rule for rule in _rules())
    recorded = rules + 20 * 2 * 10
    assert PODS * pod + master + levels + recorded <= MOST_IN_ALL


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
