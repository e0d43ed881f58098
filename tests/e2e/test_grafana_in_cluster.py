"""Boards in the lab's cluster: what Grafana would be given is there and found; Grafana itself where it has an image.

Its image may not be to be had (no registry in reach). Then a pod of another image stands in the place of Grafana's,
under its name, user, security, mounts and policies, and says what it finds; no page was seen, and the test of the
pages says so by being skipped.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab_verbs import ROOT
from loadlab.execute.cluster.kubectl import Kubectl, find_tool
from loadlab.execute.cluster.state import LabFolder
from loadlab.execute.lab.grafana_admin import NAME, ensure_admin
from loadlab.execute.lab.overlay import Rendered

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

POD = "grafana-place"
BOARDS = 5
KINDS = "pods,services,configmaps,networkpolicies,secrets"
LOOK = """
import json, os, pathlib, urllib.request
found = {}
for folder in (os.environ["GF_PATHS_PROVISIONING"], "/var/lib/loadlab/dashboards"):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and ".." not in str(path):
            found[str(path)] = path.read_text()
pathlib.Path("/var/lib/grafana/written").write_text("by this user")
source = "http://prometheus:9090/api/v1/query?query=count(up)"
with urllib.request.urlopen(source, timeout=10) as answer:
    counted = json.load(answer)
print(json.dumps({"files": found, "password": len(os.environ["GF_SECURITY_ADMIN_PASSWORD"]), "counted": counted}))
"""


@pytest.fixture
def kubectl(lab: Path) -> Kubectl:
    return Kubectl(find_tool("kubectl", ROOT / ".tools"), LabFolder(root=lab).cluster())


@pytest.fixture
def parts(kubectl: Kubectl) -> list[dict[str, Any]]:
    """Everything of Grafana's in the kind overlay, as it is for a machine that has its image."""
    whole = Rendered(text=kubectl.render(ROOT / "k8s" / "overlays" / "kind")).objects()
    named = [one for one in whole if one["metadata"].get("labels", {}).get("app.kubernetes.io/name") == "grafana"]
    kinds = Counter(one["kind"] for one in named)
    assert kinds == {"ConfigMap": 3, "Deployment": 1, "NetworkPolicy": 3, "Service": 1}
    return named


def has_grafana(lab: Path) -> bool:
    record: dict[str, Any] = json.loads((lab / "lab.json").read_text())
    return bool(record["with_grafana"])


def apply(kubectl: Kubectl, objects: list[dict[str, Any]], *words: str) -> list[str]:
    """What ``kubectl apply`` did; a warning, such as of a pod that would violate the policy, is an error."""
    argv = kubectl.argv("apply", "--server-side", "--warnings-as-errors", "--field-manager=e2e", *words, "-f", "-")
    text = "---\n".join(json.dumps(one) + "\n" for one in objects)
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def place(parts: list[dict[str, Any]], image: str) -> dict[str, Any]:
    """A pod as Grafana's Deployment makes it, but for the program in it."""
    (deployment,) = [one for one in parts if one["kind"] == "Deployment"]
    template = deepcopy(deployment["spec"]["template"])
    (container,) = template["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        del container[probe]
    container |= {"image": image, "command": ["python", "-c", LOOK]}
    template["spec"]["restartPolicy"] = "Never"
    metadata = {**template["metadata"], "name": POD, "namespace": deployment["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.fixture
def seen(lab: Path, kubectl: Kubectl, parts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What the pod in Grafana's place found; nothing of it is left."""
    if has_grafana(lab):
        pytest.skip("Grafana itself runs here; its pages are looked at")
    images = json.loads((lab / "images.json").read_text())
    around = [one for one in parts if one["kind"] != "Deployment"]
    try:
        ensure_admin(kubectl)
        apply(kubectl, around)
        apply(kubectl, [place(parts, f"{images['locust']['image']}:{images['locust']['tag']}")])
        kubectl.run("wait", f"pod/{POD}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=50s")
        yield json.loads(kubectl.run("logs", POD))
    finally:
        names = [f"{one['kind']}/{one['metadata']['name']}" for one in around]
        kubectl.run("delete", f"pod/{POD}", f"secret/{NAME}", *names, "--ignore-not-found")


def test_the_api_server_takes_all_of_grafana_without_a_warning(kubectl: Kubectl, parts: list[dict[str, Any]]) -> None:
    said = apply(kubectl, parts, "--dry-run=server", "--force-conflicts")
    assert len(said) == len(parts)
    assert all("serverside-applied (server dry run)" in line for line in said)


def test_grafanas_pod_finds_every_board_its_data_source_and_prometheus(seen: dict[str, Any]) -> None:
    files: dict[str, str] = seen["files"]
    (sources,) = [yaml.safe_load(text) for path, text in files.items() if "/provisioning/datasources/" in path]
    (providers,) = [yaml.safe_load(text) for path, text in files.items() if "/provisioning/dashboards/" in path]
    (source,) = sources["datasources"]
    (provider,) = providers["providers"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    folder = provider["options"]["path"]
    boards = {Path(path).name: json.loads(text) for path, text in files.items() if path.startswith(f"{folder}/")}
    committed = {path.name: json.loads(path.read_text()) for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    assert boards == committed
    assert len(boards) == BOARDS
    assert seen["password"] >= 20
    (count,) = seen["counted"]["data"]["result"]
    assert int(count["value"][1]) > 0, "the boards' data source answers from where Grafana runs"


def test_nothing_of_the_try_is_left(lab: Path, kubectl: Kubectl) -> None:
    if has_grafana(lab):
        pytest.skip("Grafana itself runs here; there was no try")
    found = kubectl.json("get", KINDS, "-l", "app.kubernetes.io/name=grafana")["items"]
    assert [one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]] == []


def test_grafana_shows_every_board(lab: Path) -> None:
    if not has_grafana(lab):
        pytest.skip("NOT SEEN: Grafana has no image here (LAB_GRAFANA_IMAGE), so no page of it was looked at")
    address = "http://127.0.0.1:3000/api"
    with urllib.request.urlopen(f"{address}/search?type=dash-db", timeout=10) as answer:
        shown = {board["uid"] for board in json.load(answer)}
    committed = {json.loads(path.read_text())["uid"] for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    assert shown >= committed
    asked = f"{address}/datasources/proxy/uid/prometheus/api/v1/query?query=count(up)"
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert json.load(answer)["data"]["result"]
