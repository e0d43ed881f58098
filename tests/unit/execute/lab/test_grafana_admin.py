"""The password of Grafana's admin is drawn once for each lab, and only the cluster keeps it."""

from __future__ import annotations

import json
from pathlib import Path

from fake_programs import FakeProgram
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.state import ClusterRef
from loadlab.execute.lab.grafana_admin import KEY, ensure_admin


class Cluster:
    """A kubectl that keeps what it was given to apply."""

    def __init__(self, folder: Path, *, has_secret: bool) -> None:
        self.folder = folder
        self.program = FakeProgram(folder, "kubectl")
        self.program.says("*get secret grafana-admin*", "secret/grafana-admin" if has_secret else "")
        self.program.answer("*apply*", f'cat >"{folder}/applied"')
        self.kubectl = Kubectl(self.program.path, ClusterRef(kubeconfig=folder / "config", context="kind-loadlab"))

    def password(self) -> str:
        """The one that was applied."""
        secret = json.loads((self.folder / "applied").read_text())
        assert (secret["kind"], secret["metadata"]["namespace"]) == ("Secret", "loadlab")
        return str(secret["stringData"][KEY])


def test_a_password_is_drawn_anew_for_each_lab_and_given_to_the_cluster_alone(tmp_path: Path) -> None:
    drawn = set()
    for name in ("one", "two"):
        cluster = Cluster(tmp_path / name, has_secret=False)
        assert ensure_admin(cluster.kubectl)
        drawn.add(cluster.password())
        assert not any(cluster.password() in line for line in cluster.program.asked)
    assert len(drawn) == 2
    assert min(map(len, drawn)) >= 32


def test_a_password_that_is_there_stays(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, has_secret=True)
    assert not ensure_admin(cluster.kubectl)
    assert not (tmp_path / "applied").exists()
