"""The deployer of a cluster, over a proxy socket and port-forwards of a kubectl that keeps a cluster in a folder."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from builders import make_experiment
from cluster_rig import FakeCluster
from loadlab.errors import ClusterError, DeployError, LoadError
from loadlab.execute.cluster.applied import RunObjects
from loadlab.execute.cluster.deployer import KubernetesDeployer
from loadlab.execute.cluster.replica_probe import ReplicaProbe
from loadlab.execute.cluster.rollout import Rollouts, Wanted
from loadlab.execute.cluster.spent import Spent
from loadlab.execute.ports import Isolation
from loadlab.model.experiment import Experiment, Upstream

QUOTA = Isolation(level="quota", detail="0.8 of a core", cores=0.8)


def _experiment() -> Experiment:
    return replace(make_experiment(), upstream=Upstream())


def _objects(fake: FakeCluster, experiment: Experiment) -> RunObjects:
    names = [*(f"stack-{stack.name}" for stack in experiment.stacks), "upstream"]
    replicas = {f"stack-{stack.name}": stack.replicas for stack in experiment.stacks}
    return RunObjects(fake.ways.kubectl, [_deployment(name, replicas.get(name, 1)) for name in names])


def _deployment(name: str, replicas: int) -> dict[str, object]:
    labels = {"app.kubernetes.io/name": name}
    template = {
        "metadata": {"labels": {**labels, "app.kubernetes.io/part-of": "loadlab"}, "annotations": {}},
        "spec": {"containers": [{"name": "service", "image": "loadlab/x:c-1"}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _deployer(fake: FakeCluster, experiment: Experiment) -> KubernetesDeployer:
    return KubernetesDeployer(
        experiment,
        cluster=fake.ways,
        objects=_objects(fake, experiment),
        isolation=QUOTA,
        run_id="r",
        note=lambda kind, fields: fake.noted.append((kind, fields)),
        ending=lambda block: fake.noted.append(("ending", block)),
        watch=lambda _stack, _sample: None,
    )


def test_every_block_gets_pods_of_its_own(fake: FakeCluster) -> None:
    experiment = _experiment()
    deployer = _deployer(fake, experiment)
    first = deployer.prepare(1)
    before = {stack.name: deployer.pods(stack.name)[0].name for stack in experiment.stacks}
    deployer.release()
    deployer.prepare(2)
    after = {stack.name: deployer.pods(stack.name)[0].name for stack in experiment.stacks}
    assert set(first) == {stack.name for stack in experiment.stacks}
    assert not set(before.values()) & set(after.values())
    assert [note for note in fake.noted if note[0] == "ending"] == [("ending", 1)]
    stacks = len(experiment.stacks)
    assert len(fake.calls("apply")) == 1 + 3 * stacks, "upstream once, stacks twice, release once"
    deployer.close()


def test_pods_that_are_replaced_in_a_block_are_compared_with_the_cluster_by_themselves(fake: FakeCluster) -> None:
    """Their counters begin anew: one comparison over both would be of neither."""
    experiment = _experiment()
    seen: list[tuple[int, str]] = []
    deployer = _deployer(fake, experiment)
    deployer._ending = lambda block: seen.append((block, deployer.pods(experiment.stacks[0].name)[0].name))
    deployer.prepare(1)
    first = deployer.pods(experiment.stacks[0].name)[0].name
    deployer.prepare(1)
    second = deployer.pods(experiment.stacks[0].name)[0].name
    deployer.release()
    deployer.release()
    assert seen == [(1, first), (1, second)]
    deployer.close()


def test_pods_are_named_with_image_and_start_up_time(fake: FakeCluster) -> None:
    deployer = _deployer(fake, _experiment())
    deployer.prepare(1)
    (kind, fields), *_ = fake.noted
    assert kind == "pods_ready"
    assert isinstance(fields, dict)
    assert {pod["startup_s"] for pod in fields["pods"]} == {3.0}
    assert {pod["image_id"] for pod in fields["pods"]} == {"sha256:1"}
    deployer.close()


def test_replicas_are_summed_and_their_addresses_all_given_to_the_load(fake: FakeCluster) -> None:
    experiment = _experiment()
    twice = replace(experiment, stacks=(replace(experiment.stacks[0], replicas=2), *experiment.stacks[1:]))
    deployer, name = _deployer(fake, twice), twice.stacks[0].name
    deployer.prepare(1)
    probe = ReplicaProbe(deployer.replicas, fake.ways.clock)
    sample = probe.sample(name)
    stamps = [line.split() for line in probe.take_scrapes(name).splitlines() if line.startswith("# scraped ")]
    assert [stamp[-1] for stamp in stamps] == [pod.name for pod in deployer.pods(name)], "each under its pod's name"
    assert len({stamp[2] for stamp in stamps}) == 1, "read at one moment"
    assert deployer.activate(twice.stacks[0]).url == "http://10.0.0.1:8000,http://10.0.0.1:8000"
    assert (sample.cpu_s, sample.served, sample.throttled_periods) == (3.0, 20, 4)
    assert sample.served_by_replica == (10, 10)
    assert len({worker.pid for worker in sample.workers}) == 2
    assert deployer.cpu_s(name) == 3.0, "the stand-in's answers cost nothing"
    assert deployer.upstream_arrivals() == 42
    deployer.close()


def test_the_steps_of_the_upstream_are_to_begin_with_each_trial(fake: FakeCluster) -> None:
    """The stand-in has no schedule, which is told; with a constant latency nobody asks for one."""
    experiment = replace(make_experiment(), upstream=Upstream(latency="steps(50ms@0s, 2s@30s)"))
    deployer = _deployer(fake, experiment)
    deployer.prepare(1)
    with pytest.raises(LoadError, match=r"upstream: http\S+/schedule/reset: got status 404, expected 200"):
        deployer.activate(experiment.stacks[0])
    deployer.close()


def test_a_pod_that_is_gone_or_restarted_has_fallen(fake: FakeCluster) -> None:
    experiment = _experiment()
    deployer = _deployer(fake, experiment)
    deployer.prepare(1)
    assert deployer.fallen() == []
    pods = fake.files.read("pods")
    one, other = (deployer.pods(stack.name)[0].name for stack in experiment.stacks)
    del pods[one]
    pods[other]["status"]["containerStatuses"][0] |= {
        "restartCount": 1,
        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
    }
    fake.files.write("pods", pods)
    gone, killed = deployer.fallen()
    assert gone.endswith(f"pod {one} was deleted")
    assert killed.endswith(f"pod {other} restarted (OOMKilled, exit code 137)")
    deployer.close()


def test_an_evicted_pod_is_told_and_the_next_pods_do_not_wait_for_its_record_to_go(fake: FakeCluster) -> None:
    """Kubernetes keeps the record for hours; the pod itself is over and uses nothing."""
    experiment = _experiment()
    deployer, name = _deployer(fake, experiment), experiment.stacks[0].name
    deployer.prepare(1)
    (before,) = deployer.pods(name)
    fake.files.evict(before.name)
    assert deployer.fallen() == [f"{name}: pod {before.name} failed: Evicted"]
    deployer.prepare(1)
    (after,) = deployer.pods(name)
    assert after.name != before.name
    assert before.name in fake.files.read("pods")
    assert deployer.fallen() == []
    deployer.close()


def test_a_new_pod_that_is_evicted_and_not_replaced_ends_the_wait_with_its_reason(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadlab.execute.cluster.rollout.REPLACED_S", 0.2)
    experiment = _experiment()
    deployer, name = _deployer(fake, experiment), f"stack-{experiment.stacks[0].name}"
    deployer.prepare(1)
    fake.files.evict(deployer.pods(experiment.stacks[0].name)[0].name)
    with pytest.raises(DeployError, match=rf"^{name}: pod \S+: Evicted; events: "):
        fake.ways.rollouts.wait([deployer._wanted(name, {})])
    deployer.close()


def test_a_port_forward_that_ends_is_opened_again(fake: FakeCluster) -> None:
    experiment = _experiment()
    deployer, name = _deployer(fake, experiment), experiment.stacks[0].name
    deployer.prepare(1)
    before = deployer.metrics_urls(name)
    os.kill(_forward_pid(deployer, name), signal.SIGKILL)
    while deployer._stacks[name].forwards[0].child.exit_code() is None:
        fake.ways.clock.sleep(0.01)
    assert deployer.cpu_s(name) == 1.5
    assert deployer.metrics_urls(name) == before
    assert "port_forward_restarted" in [kind for kind, _ in fake.noted]
    deployer.close()


def _forward_pid(deployer: KubernetesDeployer, stack: str) -> int:
    return deployer._stacks[stack].forwards[0].child.pid


def test_an_image_that_cannot_be_pulled_is_told_with_events_and_log(fake: FakeCluster) -> None:
    experiment = _experiment()
    deployer, broken = _deployer(fake, experiment), f"stack-{experiment.stacks[0].name}"
    deployer.prepare(1)
    pods = fake.files.read("pods")
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}
    for pod in pods.values():
        if pod["owner"] == broken:
            pod["status"]["conditions"][1]["status"] = "False"
            pod["status"]["containerStatuses"][0]["state"] = waiting
    fake.files.write("pods", pods)
    wanted = [deployer._wanted(broken, {})]
    expected = (
        rf"{broken}: pod \S+: ErrImagePull: no such host; events: Failed: no such image; "
        r"last log lines: SVC_THREADS=0: expected 1 to 10000; mend its image"
    )
    with pytest.raises(DeployError, match=expected):
        fake.ways.rollouts.wait(wanted)
    deployer.close()


@pytest.mark.parametrize("status", [503, 429])
def test_an_api_server_that_stays_away_is_one_line_and_one_that_comes_back_is_waited_for(
    fake: FakeCluster, status: int
) -> None:
    """429 is what one says that was just started, or has too much to do."""
    deployer = _deployer(fake, _experiment())
    deployer.prepare(1)
    away = fake.files.folder / "away"
    away.write_text(str(status))
    with pytest.raises(
        ClusterError, match=rf"API server of kind-loadlab: no answer for 1 s \(status {status}\); bring"
    ):
        deployer.fallen()
    away.unlink()
    assert deployer.fallen() == []
    deployer.close()


def test_what_is_applied_says_whose_it_is_and_an_api_server_that_is_away_is_waited_for(fake: FakeCluster) -> None:
    one = _deployment("stack-pool", 1)
    fake.ways.api.apply(one)
    (call,) = fake.calls("apply")
    assert call == (
        "apply /apis/apps/v1/namespaces/loadlab/deployments/stack-pool"
        "?fieldManager=loadlab&force=true&fieldValidation=Strict"
    )
    away = fake.files.folder / "away"
    away.touch()
    with pytest.raises(ClusterError, match="no answer for 1 s"):
        fake.ways.api.apply(one)
    away.unlink()
    fake.ways.api.apply(one)
    assert len(fake.calls("apply")) == 2


def test_an_image_that_asks_for_longer_is_waited_for_as_long_and_half_a_minute_more(fake: FakeCluster) -> None:
    rollouts = Rollouts(fake.ways.api, fake.ways.kubectl, fake.ways.clock)
    usual = Wanted(deployment="stack-app", labels={}, replicas=1, annotations={})
    for wanted, least_s in (
        (usual, 90.0),
        (replace(usual, start_s=10.0), 90.0),
        (replace(usual, start_s=200.0), 230.0),
    ):
        rollouts._check(wanted, [], least_s)
        with pytest.raises(DeployError, match=rf"not ready after {least_s:g} s"):
            rollouts._check(wanted, [], least_s + 0.1)


def test_a_proxy_that_was_killed_is_started_again(fake: FakeCluster) -> None:
    assert fake.ways.api.pods() == []
    child = fake.ways.api._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    assert fake.ways.api.pods() == []
    assert len(fake.calls("proxy")) == 2


def test_idle_processor_time_is_without_what_asking_for_it_costs() -> None:
    spent = Spent()
    before = spent.after(10.0, 10.1)
    assert spent.after(10.5, 10.6) - before == pytest.approx(0.3), "0.4 s from answer to answer, 0.1 s of it one answer"
    assert spent.after(10.6, 10.8) == spent.after(10.9, 11.1), "never falls by a costly answer"
    assert spent.after(1.0, 1.1) < before, "falls when a process ended"
