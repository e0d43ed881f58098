"""The lab on a kind cluster: raised with its images there, raised again, one experiment on it, taken down.

Runs only where a Docker engine is and this checkout has no lab: it takes down what it raises, and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.arena import Arena, MeasureError, last_line, run
from bench.figures import Bar, Figure, at_most
from bench.whole_run import VERDICT_CODES
from loadlab.execute.cluster.kubectl import Kubectl, find_tool
from loadlab.execute.cluster.state import NAMESPACE, LabFolder
from short_experiment import write_short

VERB_S, RUN_S, ASK_S = 1500.0, 900.0, 30.0
KUBELET_LOOKS_S = 20.0
UP, AGAIN, DOWN, OVERHEAD = "lab-up, images present", "lab-up, nothing to do", "lab-down", "experiment overhead"
IDLE = "idle lab beside Kubernetes"
BARS: Mapping[str, Bar] = {
    UP: at_most(90.0),
    AGAIN: at_most(10.0),
    IDLE: at_most(1.5),
    OVERHEAD: at_most(0.25),
    DOWN: at_most(15.0),
}


def measure_lab(arena: Arena) -> Iterator[Figure]:
    """Wall times of the verbs, memory of the lab, and what an experiment with 3 s windows spends on anything else."""
    lab = LabFolder(root=arena.root / ".lab")
    if (why := why_not(arena.root, lab)) is not None:
        arena.say(f"lab: not available: {why}")
        yield from not_available(why)
        return
    arena.say("lab: images, then up, up again, one experiment, down; about six minutes")
    _verb(arena, "images")
    try:
        took_s = _verb(arena, "up")
        yield _timed(UP, took_s, stages_text(_record(lab)["raised"]))
        again_s = _verb(arena, "up")
        yield _timed(AGAIN, again_s, stages_text(_record(lab)["stages"]))
        yield idle_figure(_summaries(arena, lab), with_grafana=_record(lab)["with_grafana"])
        yield overhead_figure(_experiment(arena))
    except BaseException:
        run([arena.loadlab, "lab", "down"], cwd=arena.root, timeout_s=VERB_S)
        raise
    yield _timed(DOWN, _verb(arena, "down"), "")


def why_not(root: Path, lab: LabFolder) -> str | None:
    """What keeps this measure from being made here; None when nothing does."""
    if "LAB_KUBECONFIG" in os.environ:
        return "LAB_KUBECONFIG names a cluster that is not the lab's own"
    docker = shutil.which("docker")
    if docker is None:
        return "there is no docker on PATH"
    if run([docker, "version"], cwd=root, timeout_s=ASK_S).returncode:
        return "the Docker engine does not answer"
    if lab.record.exists():
        return "the lab of this checkout is up and stays so; `make lab-down` makes room for the measure"
    return None


def not_available(why: str) -> Iterator[Figure]:
    """The figures with nothing in them: absent is neither met nor missed."""
    for name in BARS:
        yield Figure(name=name, value=None, unit="", how="needs a Docker engine", note=f"not available: {why}")


def stages_text(stages: Iterable[Mapping[str, Any]]) -> str:
    """Each stage with its seconds."""
    return ", ".join(f"{stage['name']} {stage['took_s']:.1f} s" for stage in stages)


def overhead_figure(events: Sequence[Mapping[str, Any]]) -> Figure:
    """The share of the blocks' time that is neither window nor warm-up. Raises MeasureError: no block was finished."""
    spent = [event for event in events if event["event"] == "block_spent"]
    if not spent:
        raise MeasureError("experiment on the lab: no block was finished")
    shares = [1 - block["useful_s"] / block["whole_s"] for block in spent]
    whole_s = sum(block["whole_s"] for block in spent)
    return Figure(
        name=OVERHEAD,
        value=1 - sum(block["useful_s"] for block in spent) / whole_s,
        lower=min(shares),
        upper=max(shares),
        unit="share",
        bar=BARS[OVERHEAD],
        how=f"of {whole_s:.0f} s in {len(spent)} blocks with windows of 3 s: what is neither window nor warm-up",
        note=f"pods of a block ready after {_ready_text(events)}",
    )


def idle_figure(summaries: Iterable[Mapping[str, Any]], *, with_grafana: bool) -> Figure:
    """Working sets of the lab's pods. summaries: what each node's kubelet tells. Raises MeasureError: of no pod."""
    pods = [pod for summary in summaries for pod in summary["pods"] if pod["podRef"]["namespace"] == NAMESPACE]
    known = [pod["memory"]["workingSetBytes"] for pod in pods if "workingSetBytes" in pod.get("memory", {})]
    if not known or len(known) < len(pods):
        raise MeasureError(f"memory of the lab: {len(known)} of {len(pods)} pods have a working set")
    return Figure(
        name=IDLE,
        value=sum(known) / 2**30,
        unit="GiB",
        bar=BARS[IDLE],
        how=f"working sets of {len(known)} pods, as the kubelets tell, once",
        note="" if with_grafana else "without Grafana, which has no image here",
    )


def _summaries(arena: Arena, lab: LabFolder) -> list[Any]:
    """Of every node's kubelet, when it has looked at the pods that are up now."""
    kubectl = Kubectl(find_tool("kubectl", arena.root / ".tools"), lab.cluster())
    time.sleep(KUBELET_LOOKS_S)
    nodes = [one["metadata"]["name"] for one in kubectl.raw("/api/v1/nodes")["items"]]
    return [kubectl.raw(f"/api/v1/nodes/{name}/proxy/stats/summary") for name in nodes]


def _ready_text(events: Iterable[Mapping[str, Any]]) -> str:
    took = [event["took_s"] for event in events if event["event"] == "pods_ready"]
    return ", ".join(f"{each:.1f} s" for each in took)


def _timed(name: str, took_s: float, note: str) -> Figure:
    return Figure(name=name, value=took_s, unit="s", bar=BARS[name], how="wall time, once", note=note)


def _verb(arena: Arena, name: str) -> float:
    began = time.perf_counter()
    done = run([arena.loadlab, "lab", name], cwd=arena.root, timeout_s=VERB_S)
    if done.returncode:
        raise MeasureError(f"loadlab lab {name}: exit code {done.returncode}: {last_line(done.stderr)}")
    return time.perf_counter() - began


def _record(lab: LabFolder) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(lab.record.read_text(encoding="utf-8"))
    return found


def _experiment(arena: Arena) -> list[dict[str, Any]]:
    """The events of one short run on the cluster."""
    runs, file = arena.folder / "runs", arena.folder / "short.toml"
    write_short(file, users="[4, 8, 12, 16]", blocks=2, measure_s=3.0)
    argv = [arena.loadlab, "run", str(file), "--target", "kubernetes", "--runs", str(runs)]
    done = run(argv, cwd=arena.root, timeout_s=RUN_S)
    if done.returncode not in VERDICT_CODES:
        raise MeasureError(f"loadlab run: exit code {done.returncode}: {last_line(done.stderr)}")
    text = (runs / "latest" / "events.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
