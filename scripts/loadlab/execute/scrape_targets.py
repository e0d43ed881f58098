"""``.lab/targets.json``: what a Prometheus beside a local run scrapes, in the format of its file discovery."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

NAMESPACE = "loadlab"
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
        with contextlib.suppress(OSError):
            self._write([_entry(target) for targets in self._groups.values() for target in targets])

    def _write(self, entries: list[Mapping[str, object]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f".{self._path.name}.new")
        fresh.write_text(json.dumps(entries, indent=1), encoding="utf-8")
        fresh.replace(self._path)


def _entry(target: ScrapeTarget) -> Mapping[str, object]:
    parts = urlsplit(target.url)
    labels = {"namespace": NAMESPACE, "pod": target.name, "part": target.name, "__metrics_path__": parts.path}
    if target.stack is not None:
        labels["stack"] = target.stack
    return {"targets": [parts.netloc], "labels": labels}
