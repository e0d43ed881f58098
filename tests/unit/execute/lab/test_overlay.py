"""The kustomization of this lab names what was chosen, and nothing that was not built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from loadlab.errors import ClusterError
from loadlab.execute.lab.node_images import full_name, missing, read_listing
from loadlab.execute.lab.overlay import BUILT, Choice, Rendered, reference_of, write_overlay

Entries = dict[str, dict[str, Any]]


def entries(**changes: dict[str, Any]) -> Entries:
    own: Entries = {name: {"image": f"loadlab/{name}", "tag": "c-1"} for name in BUILT}
    foreign = {"prometheus": {"reference": "mirror/prom:v3", "image": "mirror/prom", "tag": "v3"}}
    return {**own, **foreign, **changes}


def choice(images: Entries, *, is_pushed: bool = False, components: tuple[str, ...] = ()) -> Choice:
    return Choice(
        overlay="kind", components=components, workers=3, images=images, is_pushed=is_pushed, price_rules="groups: []"
    )


def written(folder: Path, chosen: Choice) -> dict[str, Any]:
    write_overlay(folder / ".lab" / "overlay", folder / "k8s", chosen)
    found: dict[str, Any] = yaml.safe_load((folder / ".lab" / "overlay" / "kustomization.yaml").read_text())
    return found


def test_overlay_components_images_and_workers_are_in_it(tmp_path: Path) -> None:
    found = written(tmp_path, choice(entries(), components=("without-grafana",)))
    assert found["resources"] == ["../../k8s/overlays/kind"]
    assert found["components"] == ["../../k8s/components/without-grafana"]
    assert found["replicas"] == [{"name": "locust-worker", "count": 3}]
    assert {"name": "loadlab/flask", "newName": "loadlab/flask", "newTag": "c-1"} in found["images"]
    assert {"name": "prom/prometheus", "newName": "mirror/prom", "newTag": "v3"} in found["images"]


def test_the_prices_of_now_take_the_place_of_the_committed_ones(tmp_path: Path) -> None:
    found = written(tmp_path, choice(entries()))
    (rules,) = found["configMapGenerator"]
    assert rules == {
        "name": "prometheus-rules",
        "namespace": "loadlab",
        "behavior": "merge",
        "files": ["prices.yaml"],
    }
    assert (tmp_path / ".lab" / "overlay" / "prices.yaml").read_text() == "groups: []"


def test_an_image_that_was_not_built_is_named(tmp_path: Path) -> None:
    images = entries()
    del images["locust"]
    with pytest.raises(ClusterError, match=r"image locust: not in \.lab/images\.json; run `make images`"):
        written(tmp_path, choice(images))


def test_another_cluster_takes_images_from_the_registry_they_were_pushed_to(tmp_path: Path) -> None:
    pushed = {name: {**entry, "pushed": {"image": f"host/{name}"}} for name, entry in entries().items()}
    found = written(tmp_path, choice(pushed, is_pushed=True))
    assert {"name": "loadlab/flask", "newName": "host/flask", "newTag": "c-1"} in found["images"]
    with pytest.raises(ClusterError, match=r"was not pushed .*make lab-up REGISTRY="):
        written(tmp_path, choice(entries(), is_pushed=True))


def test_an_image_by_digest_stays_by_digest(tmp_path: Path) -> None:
    by_digest = {"reference": "prom@sha256:aa", "image": "prom", "digest": "sha256:aa"}
    found = written(tmp_path, choice(entries(prometheus=by_digest)))
    assert {"name": "prom/prometheus", "newName": "prom", "digest": "sha256:aa"} in found["images"]
    assert reference_of(by_digest) == "prom@sha256:aa"


def test_what_was_rendered_is_known_by_content_and_name() -> None:
    text = (
        "kind: Deployment\nmetadata: {name: a, namespace: n}\nspec: {replicas: 2}\n"
        "---\nkind: Service\nmetadata: {name: b}\n"
    )
    rendered = Rendered(text=text)
    assert rendered.names() == {("Deployment", "a", "n"), ("Service", "b", "")}
    assert rendered.deployments() == {"a": 2}
    assert rendered.sha256 != Rendered(text=text + " ").sha256


def test_images_of_a_node_are_told_by_name_and_id() -> None:
    listing = (
        "REF TYPE DIGEST SIZE\n"
        "docker.io/loadlab/flask:c-1 application/json sha256:manifest1 43 MiB\n"
        "sha256:config1 application/json sha256:manifest1 43 MiB\n"
        "docker.io/loadlab/other:c-2 application/json sha256:manifest2 43 MiB\n"
    )
    assert read_listing(listing) == {"docker.io/loadlab/flask:c-1": "sha256:config1", "docker.io/loadlab/other:c-2": ""}


def test_only_what_a_node_lacks_is_brought() -> None:
    wanted = {"loadlab/a:1": "sha256:a", "loadlab/b:1": "sha256:b", "loadlab/c:1": "sha256:c", "d:1": "sha256:d"}
    there = {full_name("loadlab/a:1"): "sha256:a", full_name("loadlab/b:1"): "sha256:old", full_name("d:1"): ""}
    assert missing(wanted, there, {"d:1": "sha256:d"}) == ("loadlab/b:1", "loadlab/c:1")
    assert missing(wanted, {}, {reference: identity for reference, identity in wanted.items()}) == tuple(wanted)


@pytest.mark.parametrize(
    ("reference", "full"),
    [
        ("prom/prometheus:v3", "docker.io/prom/prometheus:v3"),
        ("python:3", "docker.io/library/python:3"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
        ("registry.example/a:1", "registry.example/a:1"),
    ],
)
def test_nodes_know_images_with_their_registry(reference: str, full: str) -> None:
    assert full_name(reference) == full
