"""``.lab/targets.json``: what a Prometheus beside a local run scrapes, in the format of its file discovery.

Each target names the process whose it is, so that those of a run that was killed can be told from those that live.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

NAMESPACE = "loadlab"
OWNER = "__owner__"
"""Process id and start of a target's engine; Prometheus drops labels that begin so once it has read them."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True, slots=True)
class ScrapeTarget:
    """One exposition. stack: of what is measured, None for what is around it."""

    name: str
    url: str
    stack: str | None = None


class ScrapeTargets:
    """The file, kept as things start and end. To be scraped is a courtesy: what cannot be written is left unwritten."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._groups: dict[str, tuple[ScrapeTarget, ...]] = {}

    def show(self, group: str, targets: Iterable[ScrapeTarget]) -> None:
        """What a group is from now on; nothing ends it. Targets elsewhere than on this machine are left out."""
        here = tuple(target for target in targets if urlsplit(target.url).hostname in LOOPBACK)
        self._groups[group] = here
        me = _identity(os.getpid())
        others = [entry for entry in _read(self._path) if _lives(entry) and _owner(entry) != me]
        mine = [_entry(target, str(me)) for targets in self._groups.values() for target in targets]
        with contextlib.suppress(OSError):
            _write(self._path, [*others, *mine])


def drop_dead(path: Path) -> None:
    """Take out what a run that was killed has left; the file stays, and what cannot be written is left unwritten."""
    entries = _read(path)
    living = [entry for entry in entries if _lives(entry)]
    if living != entries or not path.exists():
        with contextlib.suppress(OSError):
            _write(path, living)


def _read(path: Path) -> list[dict[str, Any]]:
    """What is in the file; nothing where it is not there or not ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _write(path: Path, entries: list[Mapping[str, object]] | list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    fresh.replace(path)


def _identity(pid: int) -> str | None:
    """A process and the tick at which it started, which no clock that is set changes; None when there is none.

    Source: proc_pid_stat(5), field 22; the name, which may have any character, is in the last brackets.
    """
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = told.rpartition(")")[2].split()
    return None if state in ("Z", "X") else f"{pid} {fields[18]}"


def _owner(entry: Mapping[str, Any]) -> str:
    labels = entry.get("labels")
    return str(labels.get(OWNER, "")) if isinstance(labels, dict) else ""


def _lives(entry: Mapping[str, Any]) -> bool:
    owner = _owner(entry)
    pid = owner.partition(" ")[0]
    return pid.isdecimal() and _identity(int(pid)) == owner


def _entry(target: ScrapeTarget, owner: str) -> Mapping[str, object]:
    parts = urlsplit(target.url)
    labels = {"namespace": NAMESPACE, "pod": target.name, "part": target.name, "__metrics_path__": parts.path}
    labels[OWNER] = owner
    if target.stack is not None:
        labels["stack"] = target.stack
    return {"targets": [parts.netloc], "labels": labels}
