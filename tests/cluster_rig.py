"""A cluster in a folder for tests: its files, the ways to it, and the events that were noted."""

from __future__ import annotations

from dataclasses import dataclass, field

import fake_kubectl
from loadlab.execute.cluster.ways import Cluster


@dataclass(frozen=True)
class FakeCluster:
    """What a test holds of it."""

    files: fake_kubectl.Cluster
    ways: Cluster
    noted: list[tuple[str, object]] = field(default_factory=list)

    def calls(self, verb: str) -> list[str]:
        """Command lines of a verb so far."""
        lines = (self.files.folder / "calls").read_text().splitlines()
        return [line for line in lines if line.startswith(verb)]
