"""`loadlab lab up`: everything that the lab is, made where it is missing, changed where it is different, else left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from loadlab.errors import ClusterError, UsageError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.namespace import whose_namespace
from loadlab.execute.cluster.state import CLUSTER, CONTEXT, KUBECONFIG
from loadlab.execute.durable import write_whole
from loadlab.execute.images.ledger import read_ledger
from loadlab.execute.lab.archives import Archives
from loadlab.execute.lab.edges import enforcement
from loadlab.execute.lab.engine import DockerEngine
from loadlab.execute.lab.grafana_admin import ensure_admin
from loadlab.execute.lab.overlay import Choice, Rendered, reference_of, write_overlay
from loadlab.execute.lab.ownership import whose
from loadlab.execute.lab.record import LabRecord, StageTime, read_record, write_record
from loadlab.execute.lab.rollout import wait_until_up
from loadlab.execute.lab.smoke import smoke_requests
from loadlab.pipeline.lab_apply import begin_namespace, expect_anything, prune, told, what_changes
from loadlab.pipeline.lab_cluster import (
    begin_archives,
    bring_up,
    examine,
    load_images,
    loadable,
    refuse_failed,
    roles_of_nodes,
    wait_for_nodes,
)
from loadlab.pipeline.lab_images import foreign_images, make_images
from loadlab.pipeline.lab_rules import lab_price_rules
from loadlab.pipeline.lab_site import Site, elsewhere
from loadlab.pipeline.lab_stages import Stages
from loadlab.pipeline.lab_versions import cluster_versions, kind_versions, pushed_digests
from loadlab.pipeline.lab_ways import ways

MOST_WORKERS = 1000
DELETE_S = 120.0
APPLIED = "applied.yaml"
"""Beside the kustomization: what it came to when it was applied last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Raised:
    """What there is now. has_changed: whether anything had to be done."""

    record: LabRecord
    urls: Mapping[str, str]
    total_s: float
    has_changed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """Where manifests can be applied: the record as far as it is, kubectl, and images.json."""

    record: LabRecord
    kubectl: Kubectl
    images: Mapping[str, Mapping[str, Any]]
    was_made: bool


def lab_up(site: Site, *, workers: int | None = None, registry: str | None = None) -> Raised:
    """Raise the lab, or finish what an earlier call began.

    Raises:
        UsageError: a number of workers that is none; somebody else is at work on the lab.
        ClusterError, DeployError, ImageError: what is in the way; what was done so far stays.
    """
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise UsageError(f"--workers {workers}: expected a whole number from 1 to {MOST_WORKERS}")
    stages = Stages(site.clock, site.say)
    with site.alone():
        before = read_record(site.lab.record)
        if (moved := elsewhere(site, before)) is not None:
            raise UsageError(f"{moved}, or take it down first (`make lab-down`)")
        prepare = _prepare_kind if site.target == "kind" else _prepare_cluster
        ready = prepare(site, stages, before, registry)
        count = workers or (before.workers if before else None) or 1
        record = _apply(site, stages, ready, count)
        record = _see(site, stages, ready, record)
        stamped = _stamped(record, stages.done, was_made=ready.was_made)
        write_record(site.lab.record, stamped)
        changed = before is None or _lasting(before) != _lasting(stamped)
    urls = site.urls(with_grafana=stamped.with_grafana) if site.target == "kind" else {}
    return Raised(record=stamped, urls=urls, total_s=stages.total_s, has_changed=changed)


def _lasting(record: LabRecord) -> LabRecord:
    """Without what tells of a call and not of the lab."""
    return record.but(stages=(), raised=(), versions={}, images={})


def _prepare_kind(site: Site, stages: Stages, before: LabRecord | None, registry: str | None) -> Ready:
    engine = site.docker()
    with stages.stage("doctor") as note:
        info = engine.info()
        nodes = engine.nodes(CLUSTER)
        checks = examine(engine, info, nodes, is_up=whose(nodes, before) == "ours")
        refuse_failed(checks, stages.tell)
        site.kind()
        kubectl = site.kubectl()
        note(f"Docker {info.version}, {len(checks)} checks")
    with stages.stage("images") as note:
        images = _made(site, stages, registry, note)
        images, with_grafana = _fetched(stages, engine, images, before)
        images = {name: loadable(engine, entry) for name, entry in images.items()}
    references = {name: reference_of(entry) for name, entry in images.items()}
    with Archives(engine, site.lab.root / "archives") as archives:
        with stages.stage("cluster") as note:
            if whose(nodes, before) != "ours":
                begin_archives(archives, references)
            record = bring_up(site, engine, info, before, note)
        was_there = before is not None and before.nodes == record.nodes
        with stages.stage("load") as note:
            if was_there:
                wait_for_nodes(site, kubectl)
            record = load_images(site, engine, record, roles_of_nodes(kubectl), references, archives, note)
    record = record.but(with_grafana=with_grafana, versions=kind_versions(site, info))
    return Ready(record=record, kubectl=kubectl, images=images, was_made=not was_there)


def _prepare_cluster(site: Site, stages: Stages, before: LabRecord | None, registry: str | None) -> Ready:
    with stages.stage("doctor") as note:
        kubectl = site.kubectl()
        _see_that_it_answers(site, kubectl)
        whose_namespace(kubectl, site.checkout)
        wait_for_nodes(site, kubectl)
        roles = set(roles_of_nodes(kubectl).values())
        if not {"sut", "loadgen"} <= roles:
            raise ClusterError(
                f"context {site.context}: no node carries the labels loadlab.dev/role=sut and =loadgen; label and "
                "taint nodes as k8s/overlays/cluster/README.md says, then `make lab-up` goes on"
            )
        note(f"context {site.context}")
    images: Mapping[str, Mapping[str, Any]] = read_ledger(site.lab.images)
    if registry:
        with stages.stage("images") as note:
            images = _made(site, stages, registry, note)
    images = {**images, **foreign_images(site.environ)}
    record = before or LabRecord(target="cluster", context=site.context)
    record = record.but(images=pushed_digests(images))
    return Ready(record=record, kubectl=kubectl, images=images, was_made=before is None)


def _see_that_it_answers(site: Site, kubectl: Kubectl) -> None:
    try:
        cluster_versions(kubectl)
    except ClusterError as error:
        raise ClusterError(
            f"context {site.context}: {error}; see that {KUBECONFIG} and {CONTEXT} name a cluster that answers "
            "(`kubectl config get-contexts` lists them), then try again"
        ) from None


def _made(
    site: Site, stages: Stages, registry: str | None, note: Callable[[str], None]
) -> Mapping[str, Mapping[str, Any]]:
    """The lab's own images, built where their content changed: images.json."""
    made = make_images(
        site.layout,
        registry=registry,
        environ=site.for_images,
        say=stages.tell,
        monotonic_s=site.clock.monotonic_s,
    )
    built = [row.name for row in made.rows if row.is_new]
    note(f"{len(built)} built" if built else "unchanged")
    return made.ledger


def _fetched(
    stages: Stages, engine: DockerEngine, images: Mapping[str, Mapping[str, Any]], before: LabRecord | None
) -> tuple[Mapping[str, Mapping[str, Any]], bool]:
    """The images to load, and whether Grafana's is one of them. Raises ClusterError: there is no Prometheus."""
    prometheus = reference_of(images["prometheus"])
    if engine.image_id(prometheus) is None and (why := _pull(stages, engine, prometheus)) is not None:
        raise ClusterError(
            f"image {prometheus}: not here and cannot be pulled: {why}; set LAB_PROMETHEUS_IMAGE to one that is"
        )
    grafana = reference_of(images["grafana"])
    if engine.image_id(grafana) is not None:
        return images, True
    without = {name: entry for name, entry in images.items() if name != "grafana"}
    tried_before = before is not None and before.is_up and not before.with_grafana
    if not tried_before and _pull(stages, engine, grafana) is None:
        return images, True
    stages.tell(f"Grafana is left out: {grafana} is not here and cannot be pulled; LAB_GRAFANA_IMAGE names another")
    return without, False


def _pull(stages: Stages, engine: DockerEngine, reference: str) -> str | None:
    stages.tell(f"pulling {reference}")
    return engine.pull(reference)


def _apply(site: Site, stages: Stages, ready: Ready, workers: int) -> LabRecord:
    with stages.stage("apply") as note:
        write_overlay(site.lab.overlay, site.layout.root / "k8s", _choice(site, ready, workers))
        rendered = Rendered(text=ready.kubectl.render(site.lab.overlay))
        changed = what_changes(ready.kubectl, rendered, site.checkout, note)
        before = site.lab.overlay / APPLIED
        if changed == ():
            note("unchanged")
        else:
            expect_anything(site, ready.record, before, rendered)
            if changed is None:
                begin_namespace(ready.kubectl, rendered, site.checkout)
            ready.kubectl.apply(rendered.text)
            note(told(changed, rendered))
        if ready.record.with_grafana and ensure_admin(ready.kubectl):
            note("a password for Grafana drawn")
        gone = prune(ready.kubectl, before, rendered)
        if gone:
            note(f"{gone} objects removed")
        write_whole(before, rendered.text.encode())
        stayed = changed == () and not gone
        applied = ready.record.but(
            workers=workers,
            applied_sha256=rendered.sha256,
            is_up=ready.record.is_up and stayed,
            policies=ready.record.policies if stayed else None,
        )
        write_record(site.lab.record, applied)
    with stages.stage("rollout") as note:
        wait_for_nodes(site, ready.kubectl)
        pods = wait_until_up(ready.kubectl, rendered.deployments(), site.clock)
        if changed is not None and ("Deployment/locust-master" in changed or not ready.record.is_up):
            # A worker whose master went looks for it at the address where it was, for two minutes and more.
            ready.kubectl.run("delete", "pods", "-l", "app.kubernetes.io/name=locust-worker", timeout_s=DELETE_S)
            wait_until_up(ready.kubectl, rendered.deployments(), site.clock)
            note("Locust workers started anew")
        note(f"{pods} pods up")
    return applied


def _choice(site: Site, ready: Ready, workers: int) -> Choice:
    return Choice(
        overlay=site.target,
        components=() if ready.record.with_grafana else ("without-grafana",),
        workers=workers,
        images=ready.images,
        is_pushed=site.target == "cluster",
        price_rules=lab_price_rules(site.layout),
    )


def _see(site: Site, stages: Stages, ready: Ready, record: LabRecord) -> LabRecord:
    with (
        stages.stage("smoke") as note,
        ways(site, ready.kubectl, with_grafana=record.with_grafana) as urls,
        ThreadPoolExecutor(max_workers=1) as beside,
    ):
        tried = None if record.policies else beside.submit(enforcement, ready.kubectl)
        seen = smoke_requests(urls, workers=record.workers, clock=site.clock)
        policies = record.policies if tried is None else tried.result()
        note(f"{', '.join(seen)}; network policies {policies or 'could not be tried'}")
    versions = {**record.versions, **cluster_versions(ready.kubectl)}
    return record.but(is_up=True, policies=policies, versions=versions)


def _stamped(record: LabRecord, stages: tuple[StageTime, ...], *, was_made: bool) -> LabRecord:
    return record.but(stages=stages, raised=stages if was_made else record.raised)
