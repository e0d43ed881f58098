"""The measure of the lab: what it makes of events and stages, and what it says where it cannot be made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.arena import MeasureError
from bench.measure_lab import BARS, idle_figure, not_available, overhead_figure, stages_text, why_not
from fake_programs import FakeProgram
from loadlab.execute.cluster.state import LabFolder


def spent(block: int, useful_s: float, whole_s: float) -> dict[str, object]:
    return {"event": "block_spent", "block": block, "useful_s": useful_s, "whole_s": whole_s}


def test_overhead_is_what_is_neither_window_nor_warm_up() -> None:
    ready = {"event": "pods_ready", "block": 1, "took_s": 4.25}
    figure = overhead_figure([ready, spent(1, 30.0, 40.0), spent(2, 30.0, 60.0), {"event": "run_finished"}])
    assert figure.value == pytest.approx(0.4)
    assert (figure.lower, figure.upper) == (0.25, 0.5)
    assert figure.ok is False
    assert "4.2 s" in figure.note


def test_a_run_without_a_whole_block_is_no_figure() -> None:
    with pytest.raises(MeasureError, match="no block was finished"):
        overhead_figure([{"event": "run_started"}])


def test_stages_are_told_with_their_seconds() -> None:
    assert stages_text([{"name": "load", "took_s": 12.34, "note": "5 loaded"}]) == "load 12.3 s"


def test_where_it_cannot_be_made_nothing_is_met_and_nothing_missed() -> None:
    figures = list(not_available("there is no docker on PATH"))
    assert [figure.name for figure in figures] == list(BARS)
    assert {(figure.value, figure.ok) for figure in figures} == {(None, None)}
    assert {figure.note for figure in figures} == {"not available: there is no docker on PATH"}


def test_it_says_what_is_missing_and_leaves_a_lab_that_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = LabFolder(root=tmp_path / ".lab")
    monkeypatch.delenv("LAB_KUBECONFIG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert why_not(tmp_path, lab) == "there is no docker on PATH"
    docker = FakeProgram(tmp_path / "bin", "docker").says("version", "Cannot connect", code=1, to="err")
    assert why_not(tmp_path, lab) == "the Docker engine does not answer"
    docker.says("version", "28")
    assert why_not(tmp_path, lab) is None
    lab.root.mkdir()
    lab.record.write_text("{}")
    assert "is up and stays so" in str(why_not(tmp_path, lab))
    monkeypatch.setenv("LAB_KUBECONFIG", "somewhere")
    assert "not the lab's own" in str(why_not(tmp_path, lab))


def _kubelet(*pods: tuple[str, int | None]) -> dict[str, Any]:
    return {
        "pods": [
            {"podRef": {"namespace": name}, "memory": {} if size is None else {"workingSetBytes": size}}
            for name, size in pods
        ]
    }


def test_the_memory_of_the_lab_is_that_of_its_own_pods_on_every_node() -> None:
    nodes = [_kubelet(("loadlab", 2**29), ("kube-system", 2**40)), _kubelet(("loadlab", 2**30))]
    figure = idle_figure(nodes, with_grafana=False)
    assert (figure.value, figure.unit, figure.ok) == (1.5, "GiB", True)
    assert "without Grafana" in figure.note


@pytest.mark.parametrize("node", [_kubelet(), _kubelet(("loadlab", 1), ("loadlab", None))])
def test_memory_that_is_not_told_is_no_memory_of_zero(node: dict[str, Any]) -> None:
    with pytest.raises(MeasureError, match="pods have a working set"):
        idle_figure([node], with_grafana=True)
