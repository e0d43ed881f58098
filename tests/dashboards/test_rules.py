"""The rules of the lab's Prometheus: each has answers worked out by hand, and prices are those of scripts/prices."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadlab.analysis.gate_bounds import GateBounds
from loadlab.config.prices import PRICES_FOLDER
from loadlab.pipeline.lab_rules import lab_operator_rules, lab_price_rules
from loadlab.pipeline.layout import checkout

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "k8s" / "base" / "prometheus" / "rules"
TESTS = Path(__file__).parent / "rules"
FILES = sorted(RULES.glob("*.yaml"))
TEST_FILES = sorted(TESTS.glob("*.yaml"))
RANGE = re.compile(r"\[(\d+)s\]")
SCRAPE_S = 5
BOUNDS = GateBounds()

Rule = Mapping[str, Any]


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _rules(kind: str) -> list[Rule]:
    """Every rule of a kind: record or alert."""
    return [rule for file in FILES for group in _read(file)["groups"] for rule in group["rules"] if kind in rule]


def _told(rule: Rule) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in rule.get("labels", {}).items())
    return f"{rule['record']}{{{labels}}}"


def _cases() -> Iterator[Mapping[str, Any]]:
    for file in TEST_FILES:
        yield from _read(file)["tests"]


def _run(promtool: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, *words], capture_output=True, text=True, timeout=120, check=False)


def _expected() -> list[tuple[str, Mapping[str, str]]]:
    """Each value that a test expects of an expression: the expression, and the labels of the sample."""
    return [
        (test["expr"], dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"])))
        for case in _cases()
        for test in case.get("promql_expr_test", [])
        for sample in test.get("exp_samples", [])
    ]


def test_promtool_takes_every_rule_file(promtool: Path) -> None:
    done = _run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.stem)
def test_rules_give_the_answers_worked_out_by_hand(promtool: Path, file: Path) -> None:
    done = _run(promtool, "test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prices_are_those_of_the_price_lists() -> None:
    committed = (RULES / "prices.yaml").read_text(encoding="utf-8")
    assert committed == lab_price_rules(checkout()), "run `make dashboards`"


def test_the_operator_gets_the_same_rules() -> None:
    committed = (ROOT / "k8s" / "components" / "prometheus-operator" / "rules.yaml").read_text(encoding="utf-8")
    assert committed == lab_operator_rules(checkout()), "run `make dashboards`"
    objects = {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(committed)}
    assert objects == {f"loadlab-{file.stem}": _read(file) for file in FILES}


def test_every_price_list_is_in_the_rules() -> None:
    there = {rule["labels"]["list"] for rule in _rules("record") if "list" in rule.get("labels", {})}
    assert there == {path.stem for path in PRICES_FOLDER.glob("*.toml")}


def test_no_recording_rule_is_without_a_value_worked_out_by_hand() -> None:
    expected = _expected()
    untested = [
        _told(rule)
        for rule in _rules("record")
        if not any(
            rule["record"] in expr and rule.get("labels", {}).items() <= labels.items() for expr, labels in expected
        )
    ]
    assert untested == []


@pytest.mark.parametrize("alert", [rule["alert"] for rule in _rules("alert")])
def test_every_alert_is_seen_to_fire_and_every_case_says_what_it_tells(alert: str) -> None:
    fires = [
        test["exp_alerts"]
        for case in _cases()
        for test in case.get("alert_rule_test", [])
        if test["alertname"] == alert and test.get("exp_alerts")
    ]
    assert fires
    assert all(one["exp_annotations"].keys() == {"summary", "description"} for alerts in fires for one in alerts)


@pytest.mark.parametrize("rule", _rules("alert"), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_is_amiss_and_what_to_do(rule: Rule) -> None:
    assert re.fullmatch(r"Loadlab[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.parametrize(
    ("alert", "bounds"),
    [
        ("LoadlabGeneratorSaturated", [f">= {BOUNDS.generator_cpu_ratio:g}"]),
        (
            "LoadlabGeneratorLate",
            [f"> {BOUNDS.lag_p50_s:g}", f"{BOUNDS.lag_p99_of_measured_ratio:g} * (", f"vector({BOUNDS.lag_p99_s:g})"],
        ),
        ("LoadlabTimeStolen", [f">= {BOUNDS.steal_ratio:g}"]),
    ],
)
def test_an_alert_of_the_generator_has_the_bounds_of_its_gate(alert: str, bounds: list[str]) -> None:
    (rule,) = [one for one in _rules("alert") if one["alert"] == alert]
    assert [bound for bound in bounds if bound not in rule["expr"]] == []


TRIGGERS: Mapping[str, tuple[int, Mapping[str, float]]] = {
    "LoadlabGeneratorSaturated": (0, {"locust_generator_cpu_cores": 1, "locust_generator_cores": 1}),
    "LoadlabGeneratorLate": (0, {'locust_generator_lag_seconds{quantile="0.5"}': 0.1}),
    "LoadlabWorkersMissing": (
        0,
        {"locust_workers": 1, "locust_workers_expected": 2, "loadlab_phase_info": 1},
    ),
    "LoadlabTimeStolen": (0, {"locust_generator_steal_ratio": 0.1}),
    "LoadlabStackThrottled": (SCRAPE_S, {'cgroup_cpu_throttled_seconds_total{stack="flask"}': math.inf}),
    "LoadlabScrapeDown": (0, {'up{namespace="loadlab", pod="flask-1"}': 0}),
}
"""Of each alert that waits: seconds until what it is for is seen, and series of it; one without end is of a counter."""


def test_every_alert_that_waits_has_a_trigger() -> None:
    assert TRIGGERS.keys() == {rule["alert"] for rule in _rules("alert") if "for" in rule}


@pytest.mark.parametrize("alert", TRIGGERS)
def test_an_alert_waits_for_three_scrapes_and_no_longer(promtool: Path, tmp_path: Path, alert: str) -> None:
    seen_s, series = TRIGGERS[alert]
    given = [
        {"series": name, "values": "0+5x24" if value == math.inf else f"{value}x24"} for name, value in series.items()
    ]
    firing = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    asked = [
        {"expr": firing, "eval_time": f"{seen_s + 2 * SCRAPE_S}s", "exp_samples": []},
        {
            "expr": firing,
            "eval_time": f"{seen_s + 3 * SCRAPE_S}s",
            "exp_samples": [{"labels": "{}", "value": 1}],
        },
    ]
    case = {"interval": f"{SCRAPE_S}s", "input_series": given, "promql_expr_test": asked}
    test = tmp_path / "test.yaml"
    rules = str(RULES / "alerts.yaml")
    test.write_text(yaml.safe_dump({"rule_files": [rules], "evaluation_interval": f"{SCRAPE_S}s", "tests": [case]}))
    done = _run(promtool, "test", "rules", test)
    assert done.returncode == 0, done.stdout + done.stderr


def test_windows_of_rates_are_four_scrapes_or_more() -> None:
    """3.x ranges are left-open: one sample less, and one lost scrape must still leave a rate."""
    for rule in _rules("record") + _rules("alert"):
        assert all(int(found) >= 4 * SCRAPE_S for found in RANGE.findall(rule["expr"])), rule["expr"]


def _spoilt(rule: Rule) -> Rule:
    """The same rule with an answer that is a little wrong, or that never comes."""
    if "record" in rule:
        return {**rule, "expr": f"({rule['expr']}) * 1.001 + 0.000001"}
    return {**rule, "expr": f"({rule['expr']}) unless vector(1) == 1 and on () vector(1) > 2", "for": "1h"}


@pytest.mark.parametrize("name", ["cost", "alerts"])
def test_a_rule_that_is_a_little_wrong_fails_its_test(promtool: Path, tmp_path: Path, name: str) -> None:
    rules = _read(RULES / f"{name}.yaml")
    cases = _read(TESTS / f"{name}.yaml")
    unseen = []
    for number, rule in enumerate(rules["groups"][0]["rules"]):
        changed = deepcopy(rules)
        changed["groups"][0]["rules"][number] = _spoilt(rule)
        spoilt = tmp_path / f"{name}-{number}.yaml"
        spoilt.write_text(yaml.safe_dump(changed))
        others = [str((TESTS / one).resolve()) for one in cases["rule_files"] if not one.endswith(f"/{name}.yaml")]
        test = tmp_path / f"{name}-{number}-test.yaml"
        test.write_text(yaml.safe_dump({**cases, "rule_files": [*others, str(spoilt)]}))
        if _run(promtool, "test", "rules", test).returncode == 0:
            unseen.append(rule.get("record") or rule["alert"])
    assert unseen == []


def test_a_price_that_is_off_by_one_digit_fails_its_test(promtool: Path, tmp_path: Path) -> None:
    rules = _read(RULES / "prices.yaml")
    cases = _read(TESTS / "prices.yaml")
    unseen = []
    for number, rule in enumerate(rules["groups"][0]["rules"]):
        if rule["record"] != "loadlab:price_usd":
            continue
        changed = deepcopy(rules)
        digits = rule["expr"].removeprefix("vector(").removesuffix(")")
        changed["groups"][0]["rules"][number] = {**rule, "expr": f"vector({digits} + 0.0000000001)"}
        spoilt = tmp_path / f"{number}.yaml"
        spoilt.write_text(yaml.safe_dump(changed))
        test = tmp_path / f"{number}-test.yaml"
        test.write_text(yaml.safe_dump({**cases, "rule_files": [str(spoilt)]}))
        if _run(promtool, "test", "rules", test).returncode == 0:
            unseen.append(_told(rule))
    assert unseen == []


def test_a_lab_in_which_nothing_runs_is_asked_about_every_file() -> None:
    silent = [case for case in _cases() if not case.get("input_series")]
    assert any(test["exp_samples"] == [] for case in silent for test in case.get("promql_expr_test", []))
    asked = {
        test["alertname"] for case in silent for test in case.get("alert_rule_test", []) if not test.get("exp_alerts")
    }
    assert asked == {rule["alert"] for rule in _rules("alert")}
