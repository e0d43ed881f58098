"""Rules, boards and Grafana's password come up with the manifests, and nothing of them is a default."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadlab.execute.lab.grafana_admin import KEY, NAME
from loadlab.execute.lab.toolbox import Toolbox
from manifests.rendering import K8S, ROOT, Combination, Kustomize, Object, Rendered, container, environment

MOST_BYTES = 256 * 1024
"""What kubectl's own note of the last applied object may take; a ConfigMap may have four times as much."""


def _config_map(lab: Rendered, start: str) -> Object:
    (found,) = [one for one in lab.of("ConfigMap") if one["metadata"]["name"].startswith(start)]
    return found


def _mounted(deployment: Object, path: str) -> str:
    """The name of the ConfigMap behind a path."""
    (volume,) = [mount["name"] for mount in container(deployment)["volumeMounts"] if mount["mountPath"] == path]
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    return next(str(one["configMap"]["name"]) for one in volumes if one["name"] == volume)


def test_prometheus_finds_every_rule_file_where_it_is_mounted(kind_lab: Rendered) -> None:
    config = yaml.safe_load((K8S / "base/prometheus/prometheus.yml").read_text())
    (pattern,) = config["rule_files"]
    rules = _config_map(kind_lab, "prometheus-rules")
    assert _mounted(kind_lab.deployments["prometheus"], str(Path(pattern).parent)) == rules["metadata"]["name"]
    written = {path.name: path.read_text() for path in (K8S / "base/prometheus/rules").glob("*.yaml")}
    assert rules["data"] == written


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    promtool = Toolbox(ROOT, environ=os.environ, say=print).ensure("promtool")
    told = yaml.safe_load((K8S / "base/prometheus/prometheus.yml").read_text())
    told["rule_files"] = [str(K8S / "base/prometheus/rules/*.yaml")]
    for job in told["scrape_configs"]:
        # Debian's build knows no Kubernetes.
        assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"own_namespace": True}}]
        job["static_configs"] = [{"targets": ["pod:9100"]}]
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump(told))
    done = subprocess.run(
        [promtool, "check", "config", "--syntax-only", config], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_grafana_gets_every_board_that_is_committed(kind_lab: Rendered) -> None:
    boards = _config_map(kind_lab, "grafana-dashboards")
    committed = {path.name: json.loads(path.read_text()) for path in (ROOT / "grafana/dashboards").glob("*.json")}
    assert {name: json.loads(text) for name, text in boards["data"].items()} == committed
    assert len(committed) == 5
    mounted = _mounted(kind_lab.deployments["grafana"], "/var/lib/loadlab/dashboards")
    assert mounted == boards["metadata"]["name"]


def test_every_config_map_can_be_applied_by_any_kubectl(rendered: Rendered) -> None:
    for one in rendered.of("ConfigMap"):
        assert len(json.dumps(one)) < MOST_BYTES, one["metadata"]["name"]


def test_the_admins_password_is_a_secret_that_no_manifest_has(rendered: Rendered) -> None:
    assert not rendered.of("Secret")
    if "grafana" not in rendered.deployments:
        return
    variables: list[Any] = container(rendered.deployments["grafana"])["env"]
    (password,) = [one for one in variables if one["name"] == "GF_SECURITY_ADMIN_PASSWORD"]
    assert password["valueFrom"] == {"secretKeyRef": {"name": NAME, "key": KEY}}


@pytest.mark.parametrize(("overlay", "is_open"), [("kind", True), ("cluster", False)])
def test_only_the_lab_on_loopback_is_looked_at_without_a_name(
    kustomize: Kustomize, overlay: str, is_open: bool
) -> None:
    lab = kustomize.combination(Combination(overlay=overlay, components=()))
    told = environment(lab.deployments["grafana"])
    assert (told.get("GF_AUTH_ANONYMOUS_ENABLED") == "true") is is_open
    assert told.get("GF_AUTH_ANONYMOUS_ORG_ROLE") == ("Viewer" if is_open else None)
    assert told["GF_USERS_ALLOW_SIGN_UP"] == "false"


def test_with_the_operator_its_own_grafana_finds_the_boards_and_its_prometheus_the_rules(kustomize: Kustomize) -> None:
    lab = kustomize.combination(Combination(overlay="cluster", components=("prometheus-operator",)))
    assert _config_map(lab, "grafana-dashboards")["metadata"]["labels"]["grafana_dashboard"] == "1"
    names = {one["metadata"]["name"] for one in lab.of("PrometheusRule")}
    assert names == {"loadlab-alerts", "loadlab-cost", "loadlab-prices"}
    assert not [one for one in lab.of("ConfigMap") if one["metadata"]["name"].startswith("prometheus")]
