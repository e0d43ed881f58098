"""A cluster in a folder, reached through a kubectl of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fake_kubectl
from cluster_rig import FakeCluster
from loadlab.execute.clock import SystemClock
from loadlab.execute.cluster.api import ClusterApi
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.rollout import Rollouts
from loadlab.execute.cluster.state import ClusterRef
from loadlab.execute.cluster.ways import Cluster
from loadlab.execute.processes import ChildProcesses


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeCluster]:
    """Children are ended with the test."""
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {fake_kubectl.__file__} "$@"\n')
    program.chmod(0o755)
    kubectl = Kubectl(program, ClusterRef(kubeconfig=tmp_path / "kubeconfig", context="kind-loadlab"))
    clock = SystemClock()
    with ChildProcesses() as children:
        api = ClusterApi(kubectl, children, tmp_path, clock, patience_s=1.0)
        rollouts = Rollouts(api, kubectl, clock, timeout_s=5.0)
        ways = Cluster(kubectl=kubectl, api=api, rollouts=rollouts, children=children, clock=clock, logs=tmp_path)
        yield FakeCluster(files=fake_kubectl.Cluster(tmp_path), ways=ways)
        api.close()
