"""What the lab on Kubernetes needs of this machine, as `loadlab doctor` shows it."""

from __future__ import annotations

from collections.abc import Mapping

from loadlab.errors import ClusterError
from loadlab.execute.cluster.state import CLUSTER, LabFolder
from loadlab.execute.doctor import Check
from loadlab.execute.lab.engine import find_docker
from loadlab.execute.lab.ownership import whose
from loadlab.execute.lab.record import read_record
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.pipeline.lab_cluster import examine
from loadlab.pipeline.layout import Layout


def lab_doctor(layout: Layout, environ: Mapping[str, str]) -> list[Check]:
    """Docker, machine, whose cluster carries the name, and tools; nothing is changed or brought."""
    lab = LabFolder(root=layout.root / ".lab")
    tools = _tools(layout, environ)
    try:
        engine = find_docker(environ)
        info = engine.info()
    except ClusterError as error:
        what, _, step = str(error).rpartition("; ")
        return [_failed("docker", what or str(error), "an engine that answers", step), *tools]
    try:
        nodes = engine.nodes(CLUSTER)
        state = whose(nodes, read_record(lab.record))
    except ClusterError as error:
        what, _, step = str(error).rpartition("; ")
        return [_failed("cluster", what, "none, or the one of this checkout", step), *tools]
    cluster = Check(name="cluster", status="ok", got=state, expected="none, or of this checkout", next_step=None)
    return [*examine(engine, info, nodes, is_up=state == "ours"), cluster, *tools]


def _tools(layout: Layout, environ: Mapping[str, str]) -> list[Check]:
    box = Toolbox(layout.root, environ=environ, say=lambda _: None)
    found = {name: box.find(name) for name in ("kubectl", "kind")}
    return [
        Check(
            name=name,
            status="ok" if path else "warn",
            got=str(path) if path else "none that is new enough",
            expected="on PATH or in .tools/bin",
            next_step=None if path else "make tools",
        )
        for name, path in found.items()
    ]


def _failed(name: str, got: str, expected: str, step: str) -> Check:
    return Check(name=name, status="fail", got=got, expected=expected, next_step=step)
