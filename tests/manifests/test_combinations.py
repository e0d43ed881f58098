from __future__ import annotations

import copy
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from manifests.rendering import K8S, ROOT, Combination, Kustomize, Object, Rendered, container, folders, taken_in

SCHEMAS = Path(__file__).with_name("schemas")
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding"}


@lru_cache
def _schemas() -> dict[str, Any]:
    return {key: value for file in SCHEMAS.glob("*.json") for key, value in json.loads(file.read_text()).items()}


def _faults(one: Object) -> list[str]:
    name = f"{one['apiVersion']} {one['kind']}"
    if name not in _schemas():
        return [f"{name}: no schema; add it to KINDS in tests/manifests/extract_schemas.py"]
    schema = {**_schemas()[name], "$defs": _schemas()["$defs"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(one)]


def test_every_object_of_every_combination_fits_the_schema_of_its_kind(rendered: Rendered) -> None:
    faults = {f"{one['kind']} {one['metadata']['name']}": _faults(one) for one in rendered.objects}
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replica"), 1),
        (("spec", "replicas"), "1"),
        (("spec", "template", "spec", "containers", 0, "readinesProbe"), {}),
        (("spec", "template", "spec", "containers", 0, "env", 0, "value"), 5),
        (("spec", "template", "spec", "containers", 0, "resources", "limits"), None),
    ],
    ids=str,
)
def test_the_schemas_refuse_unknown_fields_and_wrong_types(kind_lab: Rendered, path: Any, value: object) -> None:
    broken: Any = copy.deepcopy(kind_lab.deployments["flask"])
    assert _faults(broken) == []
    parent = broken
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    assert _faults(broken)


def test_no_two_objects_of_a_combination_are_the_same_one(rendered: Rendered) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in rendered.objects]
    assert len(names) == len(set(names))


def test_everything_is_in_the_labs_namespace_and_carries_its_label(rendered: Rendered) -> None:
    for one in rendered.objects:
        where = one["metadata"].get("namespace")
        assert where == (None if one["kind"] in CLUSTER_WIDE else "loadlab"), one["metadata"]["name"]
        assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "loadlab", one["metadata"]["name"]


def test_every_reference_between_objects_leads_somewhere(rendered: Rendered) -> None:
    accounts = {one["metadata"]["name"] for one in rendered.of("ServiceAccount")}
    config_maps = {one["metadata"]["name"] for one in rendered.of("ConfigMap")}
    for deployment in rendered.deployments.values():
        spec = deployment["spec"]["template"]["spec"]
        assert spec.get("serviceAccountName", "default") in accounts
        for volume in spec["volumes"]:
            source = volume.get("configMap", {"optional": True})
            assert source.get("optional") or source["name"] in config_maps
    for binding in rendered.of("RoleBinding", "ClusterRoleBinding"):
        rendered.named(binding["roleRef"]["kind"], binding["roleRef"]["name"])
        assert {subject["name"] for subject in binding["subjects"]} <= accounts
        assert {subject["namespace"] for subject in binding["subjects"]} == {"loadlab"}


def test_a_service_finds_pods_and_its_ports_are_named_ones_of_theirs(rendered: Rendered) -> None:
    for service in rendered.of("Service"):
        if service["spec"].get("type") == "ExternalName":
            continue
        selector = service["spec"]["selector"].items()
        found = [one for one in rendered.deployments.values() if selector <= _labels(one).items()]
        assert len(found) == 1, service["metadata"]["name"]
        named = {port["name"] for port in container(found[0])["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


def _labels(deployment: Object) -> dict[str, str]:
    labels: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return labels


def test_no_base_component_or_overlay_is_left_over() -> None:
    listed = yaml.safe_load((K8S / "tests/combinations.yaml").read_text())
    assert sorted(listed["overlays"]) == folders("overlays")
    assert sorted(listed["components"]) == folders("components")
    for overlay in folders("overlays"):
        used = {path.name for path in taken_in(K8S / "overlays" / overlay) if path.parent == K8S / "base"}
        assert sorted(used) == folders("base")


def test_no_manifest_lies_in_a_folder_whose_kustomization_leaves_it_out() -> None:
    kustomizations = [*K8S.rglob("kustomization.yaml"), ROOT / "grafana/kustomization.yaml"]
    for kustomization in kustomizations:
        text = kustomization.read_text()
        for file in kustomization.parent.rglob("*.y*ml"):
            assert file == kustomization or str(file.relative_to(kustomization.parent)) in text, file


def test_each_component_says_in_a_few_lines_what_it_is_for() -> None:
    for name in folders("components"):
        lines = (K8S / "components" / name / "README.md").read_text().splitlines()
        assert lines[0] == f"# {name}"
        assert 3 <= len(lines) <= 20


def test_with_a_private_registry_every_account_of_a_pod_names_its_secret(kustomize: Kustomize) -> None:
    """The pods of a run too: they have the account `default` and are in no overlay."""
    lab = kustomize.combination(Combination(overlay="cluster", components=("registry",)))
    named = {one["metadata"]["name"]: one.get("imagePullSecrets") for one in lab.of("ServiceAccount")}
    used = {one["spec"]["template"]["spec"].get("serviceAccountName", "default") for one in lab.deployments.values()}
    assert used == {"default", "prometheus"}
    assert {account: named[account] for account in used} == {account: [{"name": "registry"}] for account in used}


@pytest.mark.parametrize("overlay", ["kind", "cluster"])
def test_one_images_list_names_every_image_anew(kustomize: Kustomize, overlay: str) -> None:
    before = {container(one)["image"] for one in _overlay(kustomize, overlay).deployments.values()}
    wanted = [
        {"name": image.rpartition(":")[0], "newName": f"mirror.example/{number}", "digest": "sha256:" + "a" * 64}
        for number, image in enumerate(sorted(before))
    ]
    after = kustomize.render({"resources": [kustomize.overlay(overlay)], "images": wanted}, f"images-{overlay}")
    images = {container(one)["image"] for one in after.deployments.values()}
    assert images == {f"mirror.example/{number}@sha256:{'a' * 64}" for number in range(len(before))}


@pytest.mark.parametrize("overlay", ["kind", "cluster"])
def test_the_master_expects_as_many_workers_as_there_are(kustomize: Kustomize, overlay: str) -> None:
    lab = _overlay(kustomize, overlay)
    master = {one["name"]: one["value"] for one in container(lab.deployments["locust-master"])["env"]}
    assert master["LOCUST_EXPECT_WORKERS"] == str(lab.deployments["locust-worker"]["spec"]["replicas"])


def _overlay(kustomize: Kustomize, overlay: str) -> Rendered:
    return kustomize.combination(Combination(overlay=overlay, components=()))


def test_the_folder_of_ones_own_on_the_page_comes_to_what_the_page_says(kustomize: Kustomize) -> None:
    page = (ROOT / "docs/kubernetes.md").read_text()
    (block,) = re.findall(r"^```yaml\n# my-lab/kustomization.yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    told = yaml.safe_load(block)
    (overlay,), (component,) = told["resources"], told["components"]
    assert [(ROOT / "my-lab" / one).resolve() for one in (overlay, component)] == [
        K8S / "overlays/cluster",
        K8S / "components/without-grafana",
    ]
    told |= {"resources": [kustomize.overlay("cluster")], "components": [kustomize.component("without-grafana")]}
    lab = kustomize.render(told, "page").deployments
    assert "grafana" not in lab
    assert container(lab["flask"])["image"] == "registry.example/loadlab/flask:c-0123456789ab"
    assert container(lab["prometheus"])["image"].startswith("registry.example/mirror/prometheus:v")
    master = {one["name"]: one["value"] for one in container(lab["locust-master"])["env"]}
    assert master["LOCUST_EXPECT_WORKERS"] == str(lab["locust-worker"]["spec"]["replicas"]) == "8"


def test_a_stack_of_a_run_never_shares_pods_with_a_standing_one(kustomize: Kustomize, kind_lab: Rendered) -> None:
    stack = kustomize.render(
        {
            "namespace": "loadlab",
            "resources": [kustomize.base("flask")],
            "patches": [
                {
                    "target": {"kind": "(Deployment|Service)"},
                    "options": {"allowNameChange": True},
                    "patch": "- {op: replace, path: /metadata/name, value: stack-flask}",
                }
            ],
            "labels": [
                {"pairs": {"app.kubernetes.io/instance": "run", "loadlab.dev/stack": "flask"}, "includeSelectors": True}
            ],
        },
        "run",
    )
    ours, theirs = stack.deployments["stack-flask"], kind_lab.deployments["flask"]
    assert not ours["spec"]["selector"]["matchLabels"].items() <= _labels(theirs).items()
    assert not theirs["spec"]["selector"]["matchLabels"].items() <= _labels(ours).items()
    assert stack.named("Service", "stack-flask")["spec"]["selector"].items() <= _labels(ours).items()
