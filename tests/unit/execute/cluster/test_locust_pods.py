"""Locust's pods in a cluster: in which order they begin, and which of them a run counts on."""

from __future__ import annotations

from dataclasses import replace

import pytest

import fake_kubectl
from cluster_rig import FakeCluster
from loadlab.errors import LoadError
from loadlab.execute.cluster.applied import RunObjects
from loadlab.execute.cluster.locust_pods import MASTER, WORKER, LocustPods
from loadlab.execute.cluster.rollout import Rollouts


def _deployment(name: str, replicas: int) -> dict[str, object]:
    labels = {"app.kubernetes.io/name": name}
    template = {
        "metadata": {"labels": {**labels, "app.kubernetes.io/part-of": "loadlab"}, "annotations": {}},
        "spec": {"containers": [{"name": "locust", "image": "loadlab/locust:c-1"}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _pods(fake: FakeCluster) -> LocustPods:
    objects = RunObjects(fake.ways.kubectl, [_deployment(MASTER, 1), _deployment(WORKER, 2)])
    return LocustPods(
        cluster=fake.ways,
        objects=objects,
        workers=2,
        run_id="r",
        note=lambda kind, fields: fake.noted.append((kind, fields)),
    )


def test_workers_begin_after_the_new_master_is_there(fake: FakeCluster) -> None:
    pods = _pods(fake)
    pods.start()
    applied = [call.split("?")[0].rsplit("/", 1)[1] for call in fake.calls("apply")]
    assert applied == [MASTER, WORKER]
    assert [kind for kind, _ in fake.noted] == ["locust_ready"]
    assert len(pods.worker_names()) == 2
    assert pods.fallen() == []
    pods.close()


def test_no_worker_begins_beside_a_master_that_is_not_there_yet(fake: FakeCluster) -> None:
    (fake.files.folder / "unready").touch()
    hasty = Rollouts(fake.ways.api, fake.ways.kubectl, fake.ways.clock, timeout_s=0.2)
    with pytest.raises(LoadError, match=r"did not start: locust-master: .*not ready after 0\.2 s"):
        _pods(replace(fake, ways=replace(fake.ways, rollouts=hasty))).start()
    assert [call.split("?")[0].rsplit("/", 1)[1] for call in fake.calls("apply")] == [MASTER]


def test_a_master_that_went_is_replaced_with_new_workers(fake: FakeCluster) -> None:
    pods = _pods(fake)
    pods.start()
    before = pods.worker_names()
    cluster = fake.files.read("pods")
    gone = next(name for name in cluster if name.startswith(MASTER))
    del cluster[gone]
    fake.files.write("pods", cluster)
    assert pods.fallen() == [f"load generator: pod {gone} was deleted"]
    pods.replace_fallen()
    assert pods.fallen() == []
    assert not before & pods.worker_names()
    pods.close()


def test_a_worker_that_was_evicted_is_replaced_by_the_one_that_kubernetes_starts(fake: FakeCluster) -> None:
    pods = _pods(fake)
    pods.start()
    gone, kept = sorted(pods.worker_names())
    fake.files.evict(gone)
    assert pods.fallen() == [f"load generator: pod {gone} failed: Evicted"]
    template = fake.files.read("deployments")[WORKER]["spec"]["template"]
    new = fake_kubectl.new_pod(f"{WORKER}-in-its-place", WORKER, template)
    fake.files.write("pods", fake.files.read("pods") | {new["metadata"]["name"]: new})
    pods.replace_fallen()
    assert pods.worker_names() == {kept, f"{WORKER}-in-its-place"}
    assert pods.fallen() == []
    pods.close()
