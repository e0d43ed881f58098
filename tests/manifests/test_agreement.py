"""Names and ports of the manifests, against those of services, locustfiles, Locust and the kind cluster."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from manifests.rendering import K8S, ROOT, Object, Rendered, container, environment, pod, ports
from svc_common.settings import Settings, Stack
from upstream.settings import UpstreamSettings

KIND_CONFIG = K8S / "kind/cluster.yaml"
# In a process of its own: importing Locust replaces the standard library's sockets and locks.
PARSE = """
import json, sys
from locust import argument_parser
parser = argument_parser.get_parser()
known = sorted(action.env_var for action in parser._actions if getattr(action, "env_var", None))
print(json.dumps({"known": known, **vars(parser.parse_args(sys.argv[1:]))}, default=str))
"""


def _locust(deployment: Object) -> Any:
    """What Locust makes of a container's arguments and environment."""
    command = [sys.executable, "-c", PARSE, *container(deployment)["args"]]
    done = subprocess.run(command, env=environment(deployment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _kind() -> Any:
    return yaml.safe_load(KIND_CONFIG.read_text())


@pytest.mark.parametrize(("name", "stack"), [("flask", "sync"), ("fastapi", "async")])
def test_a_stack_accepts_its_environment_and_listens_where_its_ports_say(
    kind_lab: Rendered, name: str, stack: Stack
) -> None:
    deployment = kind_lab.deployments[name]
    settings = Settings.from_env(environment(deployment), stack=stack)
    assert ports(deployment) == {"http": settings.port, "metrics": settings.metrics_port}
    assert settings.host == "0.0.0.0"
    assert settings.graceful_timeout_s == 30
    upstream = urlsplit(settings.upstream_url)
    service = kind_lab.named("Service", upstream.hostname or "")
    assert [port["port"] for port in service["spec"]["ports"]] == [upstream.port]


def test_the_upstream_accepts_its_environment_and_listens_where_its_port_says(kind_lab: Rendered) -> None:
    deployment = kind_lab.deployments["upstream"]
    settings = UpstreamSettings.from_env(environment(deployment))
    assert ports(deployment) == {"http": settings.port}
    assert settings.host == "0.0.0.0"


@pytest.mark.parametrize("name", ["locust-master", "locust-worker"])
def test_locust_understands_how_it_is_started(kind_lab: Rendered, name: str) -> None:
    options = _locust(kind_lab.deployments[name])
    assert (options["master"], options["worker"]) == (name == "locust-master", name == "locust-worker")
    assert options["stop_timeout"] == 150
    assert options["locustfile"] == "/lab/locustfiles"


def test_the_master_listens_where_its_ports_say_and_waits_for_all_workers(kind_lab: Rendered) -> None:
    deployment = kind_lab.deployments["locust-master"]
    options = _locust(deployment)
    assert ports(deployment) == {"web": options["web_port"], "bus": options["master_bind_port"]}
    assert (options["web_host"], options["master_bind_host"]) == ("0.0.0.0", "0.0.0.0")
    assert options["class_picker"]
    assert options["expect_workers"] == kind_lab.deployments["locust-worker"]["spec"]["replicas"]


def test_workers_find_the_masters_bus_by_the_name_of_its_service(kind_lab: Rendered) -> None:
    options = _locust(kind_lab.deployments["locust-worker"])
    service = kind_lab.named("Service", options["master_host"])
    bus = [port["port"] for port in service["spec"]["ports"] if port["name"] == "bus"]
    assert bus == [options["master_port"]]


def test_variables_for_locust_are_ones_that_locust_or_the_locustfiles_read(kind_lab: Rendered) -> None:
    text = "".join(file.read_text() for file in (ROOT / "locustfiles").rglob("*.py"))
    for name in ("locust-master", "locust-worker"):
        known = _locust(kind_lab.deployments[name])["known"]
        for variable in environment(kind_lab.deployments[name]):
            assert variable in known or f'"{variable}"' in text, variable


def test_grafana_asks_the_prometheus_service(kind_lab: Rendered) -> None:
    told = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    url = urlsplit(told["datasources"][0]["url"])
    service = kind_lab.named("Service", url.hostname or "")
    assert [port["port"] for port in service["spec"]["ports"]] == [url.port]


def test_grafana_finds_its_provisioning_and_dashboards_where_they_are_mounted(kind_lab: Rendered) -> None:
    deployment = kind_lab.deployments["grafana"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container(deployment)["volumeMounts"]}
    provider = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/loadlab.yaml").read_text())["providers"][0]
    assert mounts[provider["options"]["path"]] == "dashboards"
    provisioning = environment(deployment)["GF_PATHS_PROVISIONING"]
    assert {path for path in mounts if path.startswith(provisioning)} == {
        f"{provisioning}/{kind}" for kind in ("datasources", "dashboards")
    }


def _prometheus() -> Any:
    return yaml.safe_load((K8S / "base/prometheus/prometheus.yml").read_text())


def test_prometheus_keeps_exactly_the_ports_that_serve_metrics(kind_lab: Rendered) -> None:
    (rule,) = [rule for rule in _prometheus()["scrape_configs"][0]["relabel_configs"] if rule.get("action") == "keep"]
    kept = {
        (name, port)
        for name, one in kind_lab.deployments.items()
        for port in ports(one)
        if re.fullmatch(rule["regex"], f"{pod(one)['metadata']['labels']['app.kubernetes.io/name']};{port}")
    }
    assert kept == {("flask", "metrics"), ("fastapi", "metrics"), ("upstream", "http"), ("locust-master", "web")}


def test_the_pause_containers_series_are_dropped_and_the_network_of_the_pod_is_kept() -> None:
    (rule,) = [
        rule for rule in _prometheus()["scrape_configs"][1]["metric_relabel_configs"] if rule.get("action") == "drop"
    ]
    series = {
        ("container_cpu_usage_seconds_total", "", "pause"): True,
        ("container_cpu_usage_seconds_total", "", ""): False,
        ("container_cpu_usage_seconds_total", "service", "loadlab/flask"): False,
        ("container_network_receive_bytes_total", "", "pause"): False,
    }
    assert {one: bool(re.fullmatch(rule["regex"], ";".join(one))) for one in series} == series


def test_prometheus_and_the_operators_component_make_the_same_labels() -> None:
    own = [rule for rule in _prometheus()["scrape_configs"][0]["relabel_configs"] if "target_label" in rule]
    monitors = list(yaml.safe_load_all((K8S / "components/prometheus-operator/podmonitors.yaml").read_text()))
    ours = {rule["target_label"]: rule["source_labels"] for rule in own}
    for rule in monitors[0]["spec"]["podMetricsEndpoints"][0]["relabelings"]:
        assert ours[rule["targetLabel"]] == rule["sourceLabels"]


def test_every_kind_port_is_on_loopback_and_leads_to_a_node_port(kind_lab: Rendered) -> None:
    mapped = [mapping for node in _kind()["nodes"] for mapping in node.get("extraPortMappings", [])]
    assert {mapping["listenAddress"] for mapping in mapped} == {"127.0.0.1"}
    assert _kind()["networking"]["apiServerAddress"] == "127.0.0.1"
    node_ports = {
        port["nodePort"]: service["metadata"]["name"]
        for service in kind_lab.of("Service")
        for port in service["spec"]["ports"]
        if "nodePort" in port
    }
    assert {mapping["hostPort"]: node_ports[mapping["containerPort"]] for mapping in mapped} == {
        8089: "locust-master",
        3000: "grafana",
        9090: "prometheus",
        8800: "flask",
        8801: "fastapi",
    }
    assert len(node_ports) == len(mapped)


def test_the_other_overlay_opens_nothing_to_the_outside(cluster_lab: Rendered) -> None:
    assert {service["spec"].get("type", "ClusterIP") for service in cluster_lab.of("Service")} == {"ClusterIP"}


def test_kind_nodes_carry_the_labels_and_taints_that_pods_ask_for(kind_lab: Rendered) -> None:
    wanted = {pod(one)["spec"]["nodeSelector"]["loadlab.dev/role"] for one in kind_lab.deployments.values()}
    workers = [node for node in _kind()["nodes"] if node["role"] == "worker"]
    assert {node["labels"]["loadlab.dev/role"] for node in workers} == wanted
    for node in workers:
        (patch,) = [yaml.safe_load(patch) for patch in node["kubeadmConfigPatches"]]
        assert "apiVersion" not in patch, "kind ignores a patch of another version without a word"
        taint = {"key": "loadlab.dev/role", "value": node["labels"]["loadlab.dev/role"], "effect": "NoSchedule"}
        assert patch == {"kind": "JoinConfiguration", "nodeRegistration": {"taints": [taint]}}


def test_the_pods_range_of_the_kind_overlay_is_that_of_its_cluster() -> None:
    named = set()
    for file in (K8S / "overlays/kind").glob("*.yaml"):
        named |= set(re.findall(r"\d+\.\d+\.\d+\.\d+/(?!0\b)\d+", file.read_text()))
    assert named == {_kind()["networking"]["podSubnet"]}


def test_the_cgroup_v1_lines_can_be_appended_to_the_cluster() -> None:
    whole = yaml.safe_load(KIND_CONFIG.read_text() + (K8S / "kind/cgroup-v1.yaml").read_text())
    assert whole.keys() == {*_kind(), "kubeadmConfigPatches"}
    (patch,) = [yaml.safe_load(patch) for patch in whole["kubeadmConfigPatches"]]
    assert patch == {"kind": "KubeletConfiguration", "failCgroupV1": False}
