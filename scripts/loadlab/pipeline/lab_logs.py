"""`loadlab lab logs`: one file for a bug report."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from loadlab.errors import ClusterError, LoadlabError, UsageError
from loadlab.execute.cluster.namespace import whose_namespace
from loadlab.execute.cluster.state import CLUSTER
from loadlab.execute.doctor import run_checks
from loadlab.execute.lab.log_bundle import Source, from_cluster, from_nodes, write_bundle
from loadlab.execute.lab.ownership import whose
from loadlab.execute.lab.record import read_record
from loadlab.pipeline.lab_site import Site, elsewhere
from loadlab.pipeline.lab_status import lab_status

KEPT = ("lab.json", "images.json", "overlay/kustomization.yaml", "logs/kind-create.log")


def lab_logs(site: Site, out: Path) -> None:
    """Collect whatever can be collected; what cannot says why in its place.

    Raises:
        UsageError: the folder of the file is not there.
        ClusterError: the file cannot be written.
    """
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.absolute().parent} does not exist; make it first")
    failed = write_bundle(out.absolute(), _sources(site), unix_s=site.clock.unix_s())
    for name in failed:
        site.say(f"{name}: could not be collected, the reason is in its place")


def _sources(site: Site) -> Iterator[Source]:
    yield "status.json", lambda: _json(lab_status(site))
    yield "doctor.json", lambda: _json(run_checks(site.layout.root, state=site.layout.state, strain_s=0.0))
    for name in KEPT:
        path = site.lab.root / name
        if path.exists():
            yield f"lab/{name}", partial(path.read_text, encoding="utf-8")
    if site.target == "kind":
        yield from _of_docker(site)
    try:
        _refuse_another(site)
        if site.lab.cluster(site.environ).kubeconfig.exists():
            yield from from_cluster(site.kubectl(), is_own=site.target == "kind")
    except LoadlabError as error:
        no_kubectl = str(error)
        yield "cluster/kubectl.txt", lambda: f"{no_kubectl}\n"


def _of_docker(site: Site) -> Iterator[Source]:
    """What carries the kind cluster; of nodes of another checkout's nothing."""
    try:
        engine = site.docker()
    except LoadlabError as error:
        absent = str(error)
        yield "docker.txt", lambda: f"{absent}\n"
        return
    yield "docker.txt", engine.describe
    try:
        nodes = engine.nodes(CLUSTER)
        if not _is_damaged(site):
            whose(nodes, read_record(site.lab.record))
    except LoadlabError as error:
        why = str(error)
        yield "nodes/docker.txt", lambda: f"{why}\n"
        return
    yield from from_nodes(engine, nodes)


def _refuse_another(site: Site) -> None:
    """Of a cluster on which this checkout has raised nothing, nothing is collected. Raises ClusterError."""
    record = None if _is_damaged(site) else read_record(site.lab.record)
    if (moved := elsewhere(site, record)) is not None:
        site.say(f"cluster: {moved}")
        raise ClusterError(moved)
    if site.target == "cluster":
        whose_namespace(site.kubectl(), site.checkout)


def _is_damaged(site: Site) -> bool:
    """Whether nobody can tell from the record whose the cluster is, which is what the logs are wanted for."""
    try:
        read_record(site.lab.record)
    except ClusterError:
        return True
    return False


def _json(found: Any) -> str:
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE, default=str).decode()
