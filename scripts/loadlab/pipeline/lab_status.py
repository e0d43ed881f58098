"""`loadlab lab status`: what runs, in which versions, and what is not as it was applied."""

from __future__ import annotations

from typing import Any

from loadlab.errors import LoadlabError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.namespace import whose_namespace
from loadlab.execute.cluster.state import CLUSTER
from loadlab.execute.images.ledger import read_ledger
from loadlab.execute.lab import inventory
from loadlab.execute.lab.drift import drift
from loadlab.execute.lab.file_lock import is_held
from loadlab.execute.lab.overlay import Rendered, reference_of
from loadlab.execute.lab.ownership import whose
from loadlab.execute.lab.record import LabRecord, read_record
from loadlab.execute.lab.smoke import ask
from loadlab.pipeline.lab_site import Site, elsewhere
from loadlab.pipeline.lab_versions import (
    changed_images,
    changed_nodes,
    changed_sources,
    changed_versions,
    cluster_versions,
    kind_versions,
)

NO_LAB = "no lab is up in this checkout; `make lab-up` raises it"


def lab_status(site: Site) -> dict[str, Any]:
    """Everything about the lab as JSON has it; what cannot be found out is a problem in the list.

    Raises:
        ClusterError: kubectl is not there and cannot be brought, or lab.json is damaged.
    """
    record = read_record(site.lab.record)
    if record is None:
        return {
            "is_well": False,
            "is_up": False,
            "problems": [NO_LAB],
        }
    found: dict[str, Any] = {
        "is_up": record.is_up,
        "target": record.target,
        "context": record.context,
        "workers": record.workers,
        "policies": record.policies,
        "with_grafana": record.with_grafana,
        "versions": {},
        "raised_with": dict(record.versions),
        "image_ids": dict(record.images),
        "images": {name: reference_of(entry) for name, entry in read_ledger(site.lab.images).items()},
        "urls": dict(site.urls(with_grafana=record.with_grafana)) if record.target == "kind" else {},
    }
    if (moved := elsewhere(site, record)) is not None:
        return found | {"is_well": False, "problems": [moved]}
    problems = [] if record.is_up else ["raising the lab was cut off; `make lab-up` goes on"]
    for look in (_engine, _cluster, _lab):
        try:
            told = look(site, record, problems)
        except LoadlabError as error:
            problems.append(str(error))
            break
        found |= told | {"versions": {**found["versions"], **told.get("versions", {})}}
    found["changes"] = list(changed_versions(record.versions, found["versions"]))
    return found | {"is_well": not problems, "problems": problems}


def _engine(site: Site, record: LabRecord, problems: list[str]) -> dict[str, Any]:
    ledger = read_ledger(site.lab.images)
    problems += [*changed_images(record, ledger), *changed_sources(site.layout.root, record, ledger)]
    if record.target != "kind":
        return {}
    engine = site.docker()
    info = engine.info()
    containers = engine.nodes(CLUSTER)
    state = whose(containers, record)
    if state != "ours":
        problems.append(f"the cluster is {state}, not whole; `make lab-up` makes it anew")
    problems += [
        f"node {one.name}: its container stands still; `make lab-up`" for one in containers if not one.is_running
    ]
    problems += changed_nodes(site, engine, containers)
    return {"versions": kind_versions(site, info)}


def _cluster(site: Site, record: LabRecord, problems: list[str]) -> dict[str, Any]:
    """On a cluster that is not the lab's own, the nodes that are labelled for it: the others are nobody's business."""
    kubectl = site.kubectl()
    nodes = [one for one in inventory.nodes(kubectl) if record.target == "kind" or one["role"] in ("sut", "loadgen")]
    problems += [f"node {one['name']} is not ready" for one in nodes if not one["is_ready"]]
    return {"versions": cluster_versions(kubectl), "nodes": nodes}


def _lab(site: Site, record: LabRecord, problems: list[str]) -> dict[str, Any]:
    kubectl = site.kubectl()
    if (state := whose_namespace(kubectl, site.checkout)) in ("absent", "going"):
        what = "has no namespace loadlab" if state == "absent" else "is removing its namespace loadlab"
        problems.append(f"the cluster {what}; `make lab-up` makes it")
        return {"pods": [], "drift": [], "run": None}
    if state != "ours":
        problems.append("nothing in the namespace says that the lab is this checkout's; `make lab-up` claims it")
    pods, run = inventory.pods(kubectl), inventory.of_a_run(kubectl)
    is_on = is_held(site.lab.root / "run.lock")
    problems += [f"pod {one['name']} is not ready" for one in pods if not one["is_ready"] and not is_on]
    if run and not is_on:
        problems.append(f"a run was cut off and left {', '.join(run)}; `make lab-up` puts the standing stacks back")
    changed = () if is_on else _drift(site, kubectl)
    problems += [f"{one} is not as it was applied; `make lab-up` puts it back" for one in changed]
    if record.target == "kind":
        problems += _unanswered(site, record, is_on=is_on)
    return {"pods": pods, "drift": list(changed), "run": {"stacks": run, "is_on": is_on}}


def _drift(site: Site, kubectl: Kubectl) -> tuple[str, ...]:
    if not (site.lab.overlay / "kustomization.yaml").exists():
        return ()
    return drift(kubectl, Rendered(text=kubectl.render(site.lab.overlay)))


def _unanswered(site: Site, record: LabRecord, *, is_on: bool) -> list[str]:
    """Addresses that nobody answers; during a run the standing stacks sleep."""
    asleep = {"flask", "fastapi"} if is_on else set()
    paths = {"flask": "/readyz", "fastapi": "/readyz", "locust": "/stats/requests", "grafana": "/api/health"}
    paths["prometheus"] = "/api/v1/status/buildinfo"
    urls = site.urls(with_grafana=record.with_grafana)
    asked = {part: f"{url}{paths[part]}" for part, url in urls.items() if part not in asleep}
    return [f"{part}: {url}: {why}" for part, url in asked.items() if (why := ask(url)[1]) is not None]
