"""A kubectl whose answers a test writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fake_programs import FakeProgram
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.state import ClusterRef


@pytest.fixture
def kubectl_program(tmp_path: Path) -> FakeProgram:
    return FakeProgram(tmp_path / "bin", "kubectl")


@pytest.fixture
def kubectl(kubectl_program: FakeProgram) -> Kubectl:
    return Kubectl(kubectl_program.path, ClusterRef(kubeconfig=Path("kubeconfig"), context="kind-loadlab"))
