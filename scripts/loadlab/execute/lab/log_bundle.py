"""Everything that helps to find out why a lab does not work, in one file; no secrets."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from loadlab.errors import ClusterError, LoadlabError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.lab.engine import DockerEngine, NodeContainer

LOG_LINES = 2000
ASK_S = 60.0
FOLDER = "lab-logs"
KINDS = "deployments,replicasets,pods,services,networkpolicies,poddisruptionbudgets"

_SECRET = re.compile(
    r"((?:token|password|passwd|secret|api[_-]?key|authorization|client-key-data|client-certificate-data)"
    r"[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|(?:bearer |basic )?\S+)",
    re.IGNORECASE,
)

Source = tuple[str, Callable[[], str]]


def write_bundle(path: Path, sources: Iterator[Source], *, unix_s: float) -> tuple[str, ...]:
    """Ask each source and write all to a tar file; the names of those that gave nothing but an error.

    Raises:
        ClusterError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    failed = []
    try:
        with tarfile.open(temporary, "w:gz") as tar:
            for name, source in sources:
                try:
                    text = source()
                except (LoadlabError, OSError) as error:
                    failed.append(name)
                    text = f"could not be collected: {error}\n"
                _add(tar, name, without_secrets(text), unix_s)
        temporary.chmod(0o600)
        temporary.replace(path)
    except OSError as error:
        raise ClusterError(f"{path}: cannot be written: {error.strerror}; name another file by --out") from None
    return tuple(failed)


def without_secrets(text: str) -> str:
    """The text with what looks like a secret blotted out."""
    return _SECRET.sub(r"\1<left out>", text)


def from_cluster(kubectl: Kubectl, *, is_own: bool) -> Iterator[Source]:
    """Objects, events, descriptions and logs. Secrets are never asked for.

    is_own: the cluster is the lab's; of another one, what runs there beside the lab is nobody's business.
    """
    asked: dict[str, tuple[tuple[str, ...], str | None]] = {
        "version.yaml": (("version", "-o", "yaml"), None),
        "nodes.txt": (("describe", "nodes", *(() if is_own else ("--selector", "loadlab.dev/role"))), None),
        "everything.txt": (
            ("get", "deployments,replicasets,pods,services,networkpolicies,pdb", "-o", "wide"),
            "loadlab",
        ),
        "pods.txt": (("describe", "pods"), "loadlab"),
        "events.txt": (("get", "events", "--sort-by=.lastTimestamp"), "loadlab"),
    }
    if is_own:
        asked |= {
            "events-all.txt": (("get", "events", "--all-namespaces"), None),
            "system-pods.txt": (("get", "pods", "--namespace=kube-system", "-o", "wide"), None),
        }
    for name, (words, namespace) in asked.items():
        yield f"cluster/{name}", partial(kubectl.run, *words, namespace=namespace, timeout_s=ASK_S)
    try:
        pods = kubectl.json("get", "pods")["items"]
    except ClusterError:
        return
    for pod in pods:
        name = pod["metadata"]["name"]
        words = ("logs", name, f"--tail={LOG_LINES}", "--all-containers")
        yield f"pods/{name}.log", partial(kubectl.run, *words)
        if _has_restarted(pod):
            yield f"pods/{name}.previous.log", partial(kubectl.run, *words, "--previous")


def from_nodes(engine: DockerEngine, nodes: tuple[NodeContainer, ...]) -> Iterator[Source]:
    """The journals of kubelet and containerd on each kind node, and what the engine kept of its start."""
    for node in nodes:
        for unit in ("kubelet", "containerd"):
            words = ("journalctl", "--no-pager", "--unit", unit, "--lines", str(LOG_LINES))
            yield f"nodes/{node.name}/{unit}.log", partial(_said, engine, node.name, words)


def _said(engine: DockerEngine, node: str, words: tuple[str, ...]) -> str:
    said = engine.execute(node, *words)
    if not said.is_good:
        raise ClusterError(said.last_lines(2))
    return said.out


def _has_restarted(pod: Mapping[str, Mapping[str, list[Mapping[str, int]]]]) -> bool:
    return any(one.get("restartCount", 0) > 0 for one in pod["status"].get("containerStatuses", ()))


def _add(tar: tarfile.TarFile, name: str, text: str, unix_s: float) -> None:
    content = text.encode()
    entry = tarfile.TarInfo(f"{FOLDER}/{name}")
    entry.size, entry.mtime, entry.mode = len(content), int(unix_s), 0o644
    tar.addfile(entry, io.BytesIO(content))
