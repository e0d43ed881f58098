"""Deployer for a cluster: each stack a Deployment of fresh pods per block, asked over port-forwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import urllib3

from loadlab.errors import DeployError
from loadlab.execute.cluster.applied import RunObjects, block_annotation
from loadlab.execute.cluster.forward import PortForward
from loadlab.execute.cluster.pod import Pod, befallen, read_pod
from loadlab.execute.cluster.replica_probe import summed
from loadlab.execute.cluster.rollout import Wanted
from loadlab.execute.cluster.run_manifests import RUN, object_name
from loadlab.execute.cluster.spent import Spent
from loadlab.execute.cluster.state import NAMESPACE
from loadlab.execute.cluster.ways import Cluster, Note
from loadlab.execute.ports import Endpoint, Isolation
from loadlab.execute.prometheus import Exposition, to_sample
from loadlab.execute.upstream_schedule import begin_anew
from loadlab.model.experiment import Experiment, ImageService, OurService, Stack, UrlService
from loadlab.model.run import ResourceSample

METRICS_PORT = 9100
SERVICE_PORT = 8000
UPSTREAM = "upstream"
UPSTREAM_PORT = 8100


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    """A stack whose pods are ready. forwards: to the metrics ports, in the order of the pods."""

    endpoint: Endpoint
    pods: tuple[Pod, ...]
    forwards: tuple[PortForward, ...]


@dataclass(slots=True)
class _Upstream:
    pods: tuple[Pod, ...] = ()
    forward: PortForward | None = None
    attempt: int = field(default=0)


class KubernetesDeployer:
    """Deployer port on a cluster.

    note: writes an event into the bundle.

    ending: hears of the number of a block whose pods are about to be ended. watch: hears of what idle stacks tell.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        cluster: Cluster,
        objects: RunObjects,
        isolation: Isolation,
        run_id: str,
        note: Note,
        ending: Callable[[int], None],
        watch: Callable[[str, ResourceSample], None],
    ) -> None:
        self._experiment = experiment
        self._cluster = cluster
        self._objects = objects
        self._isolation = isolation
        self._run_id = run_id
        self._note = note
        self._ending = ending
        self._watch = watch
        self._block = 0
        self._http = urllib3.PoolManager(num_pools=64, retries=False, timeout=urllib3.Timeout(connect=2.0, read=5.0))
        self._stacks: dict[str, _Running] = {}
        self._upstream = _Upstream()
        self._spent: dict[str, Spent] = {}
        self._prepared = 0
        self._is_applied = False

    def isolation(self) -> Isolation:
        """Its processor quota."""
        return self._isolation

    def prepare(self, block: int) -> Mapping[str, Endpoint]:
        """New pods for every stack, all at once; the upstream's too when its own are not what they were.

        What pods have told that are replaced in the middle of a block is not mixed with what the new ones will tell.
        """
        if self._stacks:
            self._ending(self._block)
        self._close_forwards()
        self._prepared += 1
        self._block = block
        began_s = self._cluster.clock.monotonic_s()
        marks = block_annotation(block, self._prepared)
        upstream = self._upstream_to_start()
        if upstream:
            self._objects.apply(self._cluster.api, [UPSTREAM], annotations={RUN: f"{self._run_id}.{self._prepared}"})
        self._objects.apply(self._cluster.api, self._names(), annotations=marks)
        self._is_applied = True
        wanted = [self._wanted(name, marks) for name in self._names()]
        if upstream:
            wanted.append(self._wanted(UPSTREAM, {RUN: f"{self._run_id}.{self._prepared}"}))
        pods = self._cluster.rollouts.wait(wanted)
        self._open(pods)
        self._say_pods(block, self._cluster.clock.monotonic_s() - began_s)
        return {name: running.endpoint for name, running in self._stacks.items()}

    def activate(self, stack: Stack) -> Endpoint:
        """The stack's endpoint; the other one gets no load, which the idle gate checks in every window."""
        asked, forward = self._experiment.upstream, self._upstream.forward
        if asked and asked.is_stepped and forward is not None:
            self._mend(forward)
            begin_anew(self._http, forward.url)
        return self._stacks[stack.name].endpoint

    def fallen(self) -> Sequence[str]:
        """What has befallen pods since they were prepared."""
        watched = [(name, running.pods) for name, running in self._stacks.items()]
        watched += [(UPSTREAM, self._upstream.pods)] if self._upstream.pods else []
        if not any(pods for _, pods in watched):
            return []
        now = [read_pod(raw) for raw in self._cluster.api.pods()]
        return [line for name, pods in watched for line in befallen(pods, now, what=name)]

    def metrics_urls(self, stack: str) -> Sequence[str]:
        """Where each replica's metrics answer on this machine; forwards that ended are opened again."""
        running = self._stacks[stack]
        for forward in running.forwards:
            self._mend(forward)
        return [f"{forward.url}/metrics" for forward in running.forwards]

    def replicas(self, stack: str) -> Mapping[str, str]:
        """The stack's pods by name, and where their metrics answer."""
        names = [pod.name for pod in self._stacks[stack].pods]
        return dict(zip(names, self.metrics_urls(stack), strict=False))

    def pods(self, stack: str) -> tuple[Pod, ...]:
        """The pods of a prepared stack."""
        running = self._stacks.get(stack)
        return running.pods if running else ()

    def cpu_s(self, stack: str) -> float | None:
        """Processor seconds of the stack's process trees, as its replicas tell them, without what asking costs."""
        if stack not in self._stacks:
            return None
        first, second = self._asked(stack), self._asked(stack)
        if first is None or second is None or first.cpu_s is None or second.cpu_s is None:
            return None
        self._watch(stack, second)
        spent = self._spent.setdefault(stack, Spent())
        return spent.after(first.cpu_s, second.cpu_s)

    def upstream_arrivals(self) -> int | None:
        """The upstream's own count of arrivals."""
        forward = self._upstream.forward
        if forward is None:
            return None
        self._mend(forward)
        try:
            return int(self._http.request("GET", f"{forward.url}/counters").json()["arrivals"])
        except (urllib3.exceptions.HTTPError, ValueError, KeyError):
            return None

    def release(self) -> None:
        """End the stacks' pods without waiting for their end."""
        if self._stacks:
            self._ending(self._block)
        self._close_forwards()
        if self._is_applied and self._names():
            self._objects.apply(self._cluster.api, self._names(), replicas=0)
            self._is_applied = False

    def close(self) -> None:
        """Delete the stacks; safe to call twice, and while the API server is away."""
        self._close_forwards()
        if self._upstream.forward is not None:
            self._upstream.forward.close()
            self._upstream = _Upstream()
        if self._prepared:
            self._prepared = 0
            self._objects.delete(self._names())

    def _names(self) -> list[str]:
        own = (s for s in self._experiment.stacks if isinstance(s.service, OurService | ImageService))
        return [object_name(stack.name) for stack in own]

    def _wanted(self, deployment: str, annotations: Mapping[str, str]) -> Wanted:
        return Wanted(
            deployment=deployment,
            labels=self._objects.labels(deployment),
            replicas=self._objects.replicas(deployment),
            annotations=annotations,
            start_s=next((s.ready_timeout_s for name, s in self._images() if name == deployment), None),
        )

    def _images(self) -> Iterator[tuple[str, ImageService]]:
        for stack in self._experiment.stacks:
            if isinstance(stack.service, ImageService):
                yield object_name(stack.name), stack.service

    def _upstream_to_start(self) -> bool:
        if self._experiment.upstream is None:
            return False
        if not self._upstream.pods:
            return True
        now = [read_pod(raw) for raw in self._cluster.api.pods()]
        return bool(befallen(self._upstream.pods, now, what=UPSTREAM))

    def _open(self, pods: Mapping[str, tuple[Pod, ...]]) -> None:
        if UPSTREAM in pods:
            if self._upstream.forward is not None:
                self._upstream.forward.close()
            own = pods[UPSTREAM]
            self._upstream = _Upstream(pods=own, forward=self._cluster.forward(own[0].name, UPSTREAM_PORT))
        for stack in self._experiment.stacks:
            mine = pods.get(object_name(stack.name), ())
            forwards = [self._cluster.forward(pod.name, METRICS_PORT) for pod in mine] if _tells(stack) else []
            self._stacks[stack.name] = _Running(endpoint=endpoint_of(stack, mine), pods=mine, forwards=tuple(forwards))
        opened = [forward for running in self._stacks.values() for forward in running.forwards]
        for forward in [*opened, *([self._upstream.forward] if self._upstream.forward else [])]:
            forward.wait()

    def _say_pods(self, block: int, took_s: float) -> None:
        rows = [
            {
                "stack": name,
                "pod": pod.name,
                "node": pod.node,
                "image": pod.image,
                "image_id": pod.image_id,
                "startup_s": pod.startup_s,
            }
            for name, pods in (*((n, r.pods) for n, r in self._stacks.items()), (UPSTREAM, self._upstream.pods))
            for pod in pods
        ]
        self._note("pods_ready", {"block": block, "took_s": took_s, "pods": rows})

    def _mend(self, forward: PortForward) -> None:
        if forward.mend():
            self._note("port_forward_restarted", {"pod": forward.pod})

    def _close_forwards(self) -> None:
        children = [forward.child for running in self._stacks.values() for forward in running.forwards]
        self._stacks.clear()
        self._spent.clear()
        self._cluster.children.end(children, 1.0)

    def _asked(self, stack: str) -> ResourceSample | None:
        told = [self._sample(url) for url in self.metrics_urls(stack)]
        known = [sample for sample in told if sample is not None]
        return summed(known) if known and len(known) == len(told) else None

    def _sample(self, url: str) -> ResourceSample | None:
        try:
            answer = self._http.request("GET", url)
            metrics = Exposition.parse(answer.data.decode(errors="replace"))
        except (urllib3.exceptions.HTTPError, ValueError):
            return None
        return to_sample(metrics, self._cluster.clock.unix_s())


def endpoint_of(stack: Stack, pods: Sequence[Pod]) -> Endpoint:
    """Where the load goes: pod addresses with commas between them, or the Service."""
    match stack.service:
        case UrlService(url=url):
            return Endpoint(url=url, metrics_url=None)
        case ImageService(port=port):
            pass
        case _:
            port = SERVICE_PORT
    if stack.replicas > 1 and stack.spread == "service":
        url = f"http://{object_name(stack.name)}.{NAMESPACE}:{SERVICE_PORT}"
    else:
        url = ",".join(f"http://{_host(pod)}:{port}" for pod in pods)
    return Endpoint(url=url, metrics_url=None)


def _host(pod: Pod) -> str:
    if pod.ip is None:
        raise DeployError(
            f"pod {pod.name}: ready without an address; `loadlab lab logs` collects what the cluster says"
        )
    return f"[{pod.ip}]" if ":" in pod.ip else pod.ip


def _tells(stack: Stack) -> bool:
    """Whether the stack has a metrics port."""
    return isinstance(stack.service, OurService) and stack.service.settings.get("metrics") != "off"
