"""``.lab/lab.json``: what the lab made, so that it takes that away again and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import orjson

from loadlab.errors import ClusterError
from loadlab.execute.durable import write_whole

FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class StageTime:
    """A stage of raising the lab: how long it took and what it came to."""

    name: str
    took_s: float
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LabRecord:
    """The lab as this checkout knows it.

    target: kind, or cluster for one that exists already. began_unix_s: when the making of the kind cluster began; what
    carries its name and was made since is this checkout's, also when the making was cut off. nodes: container ids by
    name, empty until it was whole. network_made: kind's network was not there before. loaded: image ids by node and
    reference. applied_sha256: of the manifests. policies: whether a denied path was denied; None where nobody tried.
    """

    target: str
    context: str
    format: int = FORMAT
    began_unix_s: float | None = None
    nodes: Mapping[str, str] = field(default_factory=dict)
    network_made: bool = False
    node_image: str | None = None
    loaded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    workers: int = 1
    with_grafana: bool = True
    applied_sha256: str | None = None
    is_up: bool = False
    policies: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[StageTime, ...] = ()
    raised: tuple[StageTime, ...] = ()
    """The stages of the call that made the cluster; ``stages`` are those of the last call."""

    def but(self, **changes: Any) -> LabRecord:
        """The same with changes."""
        return replace(self, **changes)


def read_record(path: Path) -> LabRecord | None:
    """What is recorded, None when nothing is.

    Raises:
        ClusterError: the file is damaged, or of another format.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = orjson.loads(content)
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}")
        known = {one.name for one in fields(LabRecord)}
        kept = {key: value for key, value in found.items() if key in known}
        stages = {key: tuple(StageTime(**one) for one in found.get(key, ())) for key in ("stages", "raised")}
        return LabRecord(**{**kept, **stages})
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f".lab/{path.name}: cannot be read ({error}); remove it, and if `docker ps` shows a cluster loadlab, "
            "that too: kind delete cluster --name loadlab"
        ) from None


def write_record(path: Path, record: LabRecord) -> None:
    """Replace it as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, orjson.dumps(asdict(record), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
