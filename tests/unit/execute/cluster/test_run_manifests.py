"""The kustomization of a run has the experiment's settings as patches on the base parts, and no secret value."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders import make_experiment
from loadlab.errors import ClusterError
from loadlab.execute.cluster.run_manifests import (
    RunSettings,
    locust_kustomization,
    object_name,
    stack_kustomization,
    upstream_kustomization,
    write_manifests,
)
from loadlab.model.experiment import ImageService, OurService, Resources, Stack, Upstream

BASE = Path(__file__).parents[4] / "k8s" / "base"
IMAGES = {name: {"image": f"loadlab/{name}", "tag": "c-1"} for name in ("flask", "fastapi", "upstream", "locust")}
SETTINGS = RunSettings(run_id="r", images=IMAGES, is_kind=True, workers=2, secrets=frozenset(), own_locustfile=None)
FLASK = Stack(name="flask", service=OurService(service="flask_gunicorn", settings={"threads": 8, "preload": True}))
EXPERIMENT = replace(
    make_experiment(),
    stacks=(FLASK,),
    upstream=Upstream(quota_rps=5.0),
    resources=Resources(cpu=Decimal(1), memory_gib=Decimal("0.5")),
)


def _container(patch: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = patch["spec"]["template"]["spec"]["containers"][0]
    return container


def test_settings_become_environment_and_resources_are_requests_and_limits() -> None:
    kustomization, patch = stack_kustomization(replace(FLASK, replicas=3), EXPERIMENT, SETTINGS)
    container = _container(patch)
    size = {"cpu": "800m", "memory": "512Mi"}
    assert kustomization["resources"] == ["../base/flask"]
    assert kustomization["images"] == [{"name": "loadlab/flask", "newName": "loadlab/flask", "newTag": "c-1"}]
    assert kustomization["labels"][0]["pairs"] == {"app.kubernetes.io/instance": "run", "loadlab.dev/stack": "flask"}
    assert container["env"] == [{"name": "SVC_THREADS", "value": "8"}, {"name": "SVC_PRELOAD", "value": "true"}]
    assert container["resources"] == {"requests": size, "limits": size}
    assert patch["spec"]["replicas"] == 3


def test_other_clusters_give_what_is_asked() -> None:
    _, patch = stack_kustomization(FLASK, EXPERIMENT, replace(SETTINGS, is_kind=False))
    assert _container(patch)["resources"]["limits"]["cpu"] == "1000m"


def test_a_secret_goes_by_its_name_alone() -> None:
    settings = replace(SETTINGS, secrets=frozenset({"SVC_API_KEY", "LAB_HEADERS_JSON"}))
    _, patch = stack_kustomization(FLASK, EXPERIMENT, settings)
    _, load = locust_kustomization(settings)
    for found, name in (
        (_container(patch)["env"][-1], "SVC_API_KEY"),
        (_container(load)["env"][-1], "LAB_HEADERS_JSON"),
    ):
        assert found == {
            "name": name,
            "value": "",
            "valueFrom": {"secretKeyRef": {"name": "run-secrets", "key": name}},
        }


def test_an_image_of_ones_own_brings_port_path_and_environment() -> None:
    own = Stack(name="my_app", service=ImageService(image="me/app:1", port=9000, env={"A": "b"}, ready_path="/up"))
    kustomization, patch = stack_kustomization(own, EXPERIMENT, SETTINGS)
    container = _container(patch)
    assert kustomization["resources"] == ["../base/image"]
    assert '"value":"stack-my-app"' in kustomization["patches"][0]["patch"]
    assert '"value":9000' in kustomization["patches"][2]["patch"]
    assert (container["image"], container["readinessProbe"]) == ("me/app:1", {"httpGet": {"path": "/up"}})
    assert [one["name"] for one in container["env"]] == ["PORT", "A", "UPSTREAM_URL"]
    secret = {"name": "run-secrets", "key": "stack-my-app.A"}
    assert container["env"][1]["valueFrom"] == {"secretKeyRef": secret}, "a value may be secret, and bundles travel"


def test_an_image_that_starts_slowly_gets_the_time_that_it_asks_for() -> None:
    service = ImageService(image="me/app:1", port=9000, ready_timeout_s=120.5)
    _, patch = stack_kustomization(Stack(name="app", service=service), EXPERIMENT, SETTINGS)
    assert _container(patch)["startupProbe"] == {"httpGet": {"path": "/"}, "failureThreshold": 121}
    assert "failureThreshold" not in _container(patch)["livenessProbe"]


def test_upstream_and_locust_get_the_runs_settings() -> None:
    _, upstream = upstream_kustomization(Upstream(quota_rps=5.0), 7, SETTINGS)
    own = replace(SETTINGS, own_locustfile="mine.py")
    kustomization, locust = locust_kustomization(own)
    chosen = {one["name"]: one["value"] for one in _container(upstream)["env"]}
    assert chosen == {
        "UPSTREAM_LATENCY": "constant(200ms)",
        "UPSTREAM_ERROR_RATIO": "0.0",
        "UPSTREAM_SEED": "7",
        "UPSTREAM_QUOTA_RPS": "5.0",
    }
    assert _container(locust)["env"] == [
        {"name": "LOCUST_EXPECT_WORKERS", "value": "2"},
        {"name": "LOCUST_LOCUSTFILE", "value": "/own/mine.py,/lab/locustfiles/lab_plugin.py"},
    ]
    assert '"path":"/spec/replicas","value":2' in kustomization["patches"][1]["patch"]


def test_the_bundle_holds_everything_that_kustomize_needs(tmp_path: Path) -> None:
    for _ in range(2):
        write_manifests(tmp_path / "manifests", BASE, EXPERIMENT, SETTINGS)
    folder = tmp_path / "manifests"
    top = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert top["resources"] == ["stack-flask", "upstream", "locust"]
    for part in top["resources"]:
        inner = yaml.safe_load((folder / part / "kustomization.yaml").read_text())
        for base in inner["resources"]:
            assert (folder / part / base / "kustomization.yaml").exists()


def test_an_image_that_was_not_built_is_one_line() -> None:
    with pytest.raises(ClusterError, match=r"images.json: flask was not built; run `make lab-up`"):
        stack_kustomization(FLASK, EXPERIMENT, replace(SETTINGS, images={}))


@pytest.mark.parametrize(("name", "expected"), [("flask", "stack-flask"), ("my_app-", "stack-my-app")])
def test_names_are_names_of_kubernetes(name: str, expected: str) -> None:
    assert object_name(name) == expected
