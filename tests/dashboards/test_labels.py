"""What alerts and boards tell series apart by is what each way of scraping gives them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadlab.execute.scrape_targets import ScrapeTarget, ScrapeTargets
from loadlab.pipeline.layout import checkout

K8S = checkout().k8s
OF_PODS = {"namespace", "pod"}
"""Of every target of the lab; the operator gives both by itself."""


def _jobs() -> Mapping[str, Mapping[str, Any]]:
    config = yaml.safe_load((K8S / "base" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    return {job["job_name"]: job for job in config["scrape_configs"]}


def _given(steps: Sequence[Mapping[str, Any]]) -> set[str]:
    return {step[key] for step in steps for key in ("target_label", "targetLabel") if key in step}


def _selectors(alert: str) -> list[dict[str, str]]:
    """Label to value, of each selector of `up` in an alert."""
    rules = yaml.safe_load((K8S / "base" / "prometheus" / "rules" / "alerts.yaml").read_text(encoding="utf-8"))
    (expr,) = [rule["expr"] for rule in rules["groups"][0]["rules"] if rule["alert"] == alert]
    return [dict(re.findall(r'(\w+)="([^"]*)"', found)) for found in re.findall(r"up\{([^}]*)\}", expr)]


def test_a_scrape_that_fails_is_looked_for_under_labels_that_discovery_gives() -> None:
    pods, cadvisor = _selectors("LoadlabScrapeDown")
    jobs = _jobs()
    assert pods.keys() <= _given(jobs["pods"]["relabel_configs"])
    assert jobs.keys() == {"pods", cadvisor.pop("job")}
    assert cadvisor.keys() <= _given(jobs["cadvisor"]["relabel_configs"])
    assert {"instance", "node"} <= _given(jobs["cadvisor"]["relabel_configs"]), "its alert names the node"


def test_pods_are_told_by_their_stack_and_their_name() -> None:
    assert {*OF_PODS, "stack"} <= _given(_jobs()["pods"]["relabel_configs"])


def test_the_operator_tells_the_stack_of_what_is_measured() -> None:
    file = K8S / "components" / "prometheus-operator" / "podmonitors.yaml"
    monitors = {one["metadata"]["name"]: one for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))}
    for name, monitor in monitors.items():
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert ("stack" in _given(endpoint["relabelings"])) == (name == "systems-under-test"), name
        assert not OF_PODS & _given(endpoint["relabelings"]), "what the operator gives is not given another meaning"


@pytest.mark.parametrize("stack", [None, "flask"])
def test_a_process_on_this_machine_has_the_labels_of_a_pod(tmp_path: Path, stack: str | None) -> None:
    path = tmp_path / "targets.json"
    ScrapeTargets(path).show("own", [ScrapeTarget(name="flask", url="http://127.0.0.1:9100/metrics", stack=stack)])
    (entry,) = json.loads(path.read_text(encoding="utf-8"))
    (pods, _) = _selectors("LoadlabScrapeDown")
    assert pods.items() <= entry["labels"].items()
    assert {*OF_PODS, *({"stack"} if stack else ())} <= entry["labels"].keys()
    assert ("stack" in entry["labels"]) == (stack is not None)
