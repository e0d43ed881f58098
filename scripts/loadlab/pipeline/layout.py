"""Where things are in a checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from loadlab.execute.calibration_file import state_folder


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one checkout and the folder that runs go to."""

    root: Path
    runs: Path
    state: Path | None = None
    """Where what is known of this machine is kept for later runs; None: nowhere."""

    @property
    def services(self) -> Path:
        """The systems under test."""
        return self.root / "services"

    @property
    def k8s(self) -> Path:
        """Manifests."""
        return self.root / "k8s"

    @property
    def lab(self) -> Path:
        """What the lab on Kubernetes keeps of itself."""
        return self.root / ".lab"

    @property
    def targets(self) -> Path:
        """What a Prometheus beside a local run scrapes."""
        return self.lab / "targets.json"

    @property
    def tools(self) -> Path:
        """Programs that the lab brought."""
        return self.root / ".tools"

    @property
    def locustfiles(self) -> Path:
        """The lab's own scenarios and hooks."""
        return self.root / "locustfiles"

    @property
    def prices(self) -> Path:
        """Price lists."""
        return self.root / "scripts" / "prices"


def checkout(runs: Path | None = None) -> Layout:
    """The checkout this code lies in; runs go below the current folder unless told otherwise."""
    root = Path(__file__).resolve().parents[3]
    return Layout(root=root, runs=runs or Path.cwd() / "runs", state=state_folder(os.environ))
