"""The adapters of the Kubernetes target: what is checked first, then what is built and ended together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from loadlab.analysis.billing import make_tariffs
from loadlab.config import NOT_KEPT
from loadlab.config.prices import load_price_list
from loadlab.config.targets import is_loopback
from loadlab.errors import ClusterError, UsageError
from loadlab.execute.clock import SystemClock
from loadlab.execute.cluster.api import ClusterApi
from loadlab.execute.cluster.applied import RunObjects
from loadlab.execute.cluster.cross_check import CrossChecker
from loadlab.execute.cluster.deployer import KubernetesDeployer
from loadlab.execute.cluster.inputs import RunInputs, read_locustfile, url_policy
from loadlab.execute.cluster.kubectl import Kubectl, find_tool
from loadlab.execute.cluster.lab import LabState, Standing, check_own, cluster_facts, lab_state, only_run, runs_on_kind
from loadlab.execute.cluster.locust_pods import LocustPods
from loadlab.execute.cluster.namespace import checkout_id, claim, let_go, whose_namespace
from loadlab.execute.cluster.replica_probe import ReplicaProbe
from loadlab.execute.cluster.rollout import Rollouts
from loadlab.execute.cluster.room import check_room, check_size
from loadlab.execute.cluster.run_manifests import (
    HEADERS,
    RunSettings,
    env_key,
    millicores,
    object_name,
    write_manifests,
)
from loadlab.execute.cluster.state import WORKERS, ClusterRef, LabFolder, check_named
from loadlab.execute.cluster.ways import Cluster, close_quietly
from loadlab.execute.images.ledger import read_ledger
from loadlab.execute.lab.record import read_record
from loadlab.execute.local import SECRETS
from loadlab.execute.locust import LocustGenerator
from loadlab.execute.ports import Isolation
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.store import BundleStore
from loadlab.model.cluster import ClusterFacts
from loadlab.model.experiment import CommandService, Experiment, ImageService, OurService, UrlService
from loadlab.pipeline.lab_versions import changed_images, changed_sources
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.local_rig import headers
from loadlab.pipeline.rig import Rig
from loadlab.report.live import Progress

MANIFESTS = "manifests"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """A lab that answers and can hold the experiment."""

    kubectl: Kubectl
    folder: LabFolder
    state: LabState
    facts: ClusterFacts


def reach(experiment: Experiment, layout: Layout) -> Reached:
    """Everything that a run on the cluster would stumble over later.

    Raises:
        UsageError: a stack that cannot run there, a header or secret that is not set, a locustfile that cannot travel,
            a cluster that is half named or not the one that this checkout raised its lab on.
        ClusterError: the lab is not up, not the lab's own, at work, does not answer, lacks an image, or is too small.
        ConfigError: a price list has no size that is large enough.
    """
    _check_stacks(experiment)
    if experiment.window.is_kept_awake:
        raise UsageError(
            f"{experiment.source}: window.keep_awake: got true, but the nodes of a cluster are not this machine, whose "
            "cores the local target keeps awake; leave it out, or use --target local"
        )
    values_of_secrets(experiment)
    lists = {ref.list_id: load_price_list(ref.list_id, layout.prices) for ref in experiment.prices}
    make_tariffs(experiment.prices, lists, experiment.resources)
    if (own_file := _own_locustfile(experiment, layout)) is not None:
        read_locustfile(own_file)
    check_named(os.environ)
    folder = LabFolder(root=layout.lab)
    cluster = folder.cluster()
    state = _at_rest(layout, folder, cluster)
    if not cluster.kubeconfig.exists():
        raise ClusterError(f"{cluster.kubeconfig}: not there, so the lab is not up; run `make lab-up`")
    kubectl = Kubectl(find_tool("kubectl", layout.tools), cluster)
    check_own(kubectl, checkout_id(folder))
    is_kind = runs_on_kind(kubectl)
    facts = cluster_facts(
        kubectl,
        is_kind=is_kind,
        millicores=millicores(experiment.resources, is_kind=is_kind),
        memory=f"{experiment.resources.memory_gib:f}Gi",
        workers=state.workers,
    )
    check_size(facts, float(experiment.resources.cpu))
    own = [stack for stack in experiment.stacks if isinstance(stack.service, OurService | ImageService)]
    check_room(kubectl.raw, facts, {stack.name: stack.replicas for stack in own})
    return Reached(kubectl=kubectl, folder=folder, state=state, facts=facts)


def _at_rest(layout: Layout, folder: LabFolder, cluster: ClusterRef) -> LabState:
    """A lab that nobody is at work on, and that has the images of this checkout. Raises as `reach` does."""
    state = lab_state(folder, cluster, os.environ.get(WORKERS) or None)
    if (record := read_record(folder.record)) is not None:
        ledger = read_ledger(folder.images)
        for problem in (*changed_images(record, ledger), *changed_sources(layout.root, record, ledger)):
            raise ClusterError(problem)
    with only_run(folder):
        return state


@contextmanager
def kubernetes_rig(
    experiment: Experiment, layout: Layout, store: BundleStore, progress: Progress, reached: Reached
) -> Iterator[Rig]:
    """Everything a run needs on a cluster; the run's own objects are gone and the lab stands when it is left."""
    run_id, workers, inputs = store.folder.name, reached.state.workers, _inputs(experiment, layout, reached)
    objects = _rendered(experiment, layout, store, reached, inputs)
    standing = Standing(reached.kubectl, reached.folder)
    with _alone(reached) as give_back, _ways(reached, store) as cluster:
        checker = CrossChecker(cluster, store.event)
        deployer = KubernetesDeployer(
            experiment,
            cluster=cluster,
            objects=objects,
            isolation=isolation_of(reached.facts),
            run_id=run_id,
            note=store.event,
            ending=lambda block: checker.finish(block, deployer.pods),
            watch=checker.watch,
        )
        locust = LocustPods(cluster=cluster, objects=objects, workers=workers, run_id=run_id, note=store.event)
        rig = Rig(
            experiment=experiment,
            load=experiment.load,
            deployer=deployer,
            generator=LocustGenerator(locust, cluster.clock),
            probe=ReplicaProbe(deployer.replicas, cluster.clock, checker.watch),
            store=store,
            clock=cluster.clock,
            progress=progress,
            prometheus=checker.prometheus_url,
        )
        try:
            progress.stage("sending the standing stacks to sleep")
            standing.sleep()
            inputs.put()
            yield rig
        finally:
            checker.close()
            rig.generator.close()
            _put_back(progress, reached.kubectl, deployer.close, inputs.remove, standing.wake, give_back)


@contextmanager
def _alone(reached: Reached) -> Iterator[Callable[[], None]]:
    """Nobody else of this checkout is at work on the lab, and no other checkout; else nothing of it is touched.

    What comes out is to be done at the end: it lets go of a lab that nobody has raised, but somebody applied.
    """
    kubectl, mine = reached.kubectl, checkout_id(reached.folder)
    with only_run(reached.folder):
        if whose_namespace(kubectl, mine) != "ours":
            claim(kubectl, mine, "run")
        yield lambda: let_go(kubectl, mine)


@contextmanager
def _ways(reached: Reached, store: BundleStore) -> Iterator[Cluster]:
    clock = SystemClock()
    with ChildProcesses() as children:
        api = ClusterApi(reached.kubectl, children, store.logs, clock)
        try:
            yield Cluster(
                kubectl=reached.kubectl,
                api=api,
                rollouts=Rollouts(api, reached.kubectl, clock),
                children=children,
                clock=clock,
                logs=store.logs,
            )
        finally:
            api.close()


def _inputs(experiment: Experiment, layout: Layout, reached: Reached) -> RunInputs:
    return RunInputs(
        kubectl=reached.kubectl,
        secrets=values_of_secrets(experiment),
        locustfile=_own_locustfile(experiment, layout),
        policies=[url_policy(s.name, s.service.url) for s in experiment.stacks if isinstance(s.service, UrlService)],
    )


def _own_locustfile(experiment: Experiment, layout: Layout) -> Path | None:
    """Somebody's own; None for one of the lab's, which is in the image."""
    locustfile = experiment.load.scenario.locustfile
    return None if locustfile.parent == layout.locustfiles else locustfile


def _rendered(
    experiment: Experiment, layout: Layout, store: BundleStore, reached: Reached, inputs: RunInputs
) -> RunObjects:
    settings = RunSettings(
        run_id=store.folder.name,
        images=reached.state.images,
        is_kind=reached.facts.kind == "kind",
        workers=reached.state.workers,
        secrets=frozenset(inputs.secrets),
        own_locustfile=inputs.locustfile.name if inputs.locustfile else None,
    )
    write_manifests(store.folder / MANIFESTS, layout.k8s / "base", experiment, settings)
    return RunObjects.render(reached.kubectl, store.folder / MANIFESTS)


def _put_back(progress: Progress, kubectl: Kubectl, *acts: Callable[[], None]) -> None:
    """Do all of it, unless the cluster is away: then nobody waits for what cannot be done."""
    left = []
    for act in acts:
        if (line := close_quietly(act)) is not None:
            left.append(line)
            if not kubectl.answers():
                break
    if left:
        progress.message(f"not everything was put back: {'; '.join(left)}; the next run or raising the lab does it")


def isolation_of(facts: ClusterFacts) -> Isolation:
    """A quota; on kind the nodes share one machine, which is said."""
    nodes = ", ".join(f"{node.name} ({node.role})" for node in facts.nodes if node.role)
    shared = "; all nodes share one machine" if facts.kind == "kind" else ""
    detail = f"each replica has a quota of {facts.cpu_limit_cores:g} of a core under CFS; nodes: {nodes}{shared}"
    return Isolation(level="quota", detail=detail, cores=facts.cpu_limit_cores)


def values_of_secrets(experiment: Experiment) -> Mapping[str, str]:
    """Headers, the services' secrets and the environment of own images. Raises UsageError for one that is absent."""
    found = {}
    if own := headers(experiment.load.scenario):
        found[HEADERS] = orjson.dumps(own).decode()
    if any(isinstance(stack.service, OurService) for stack in experiment.stacks):
        found |= {name: os.environ[name] for name in SECRETS if name in os.environ}
    for stack in experiment.stacks:
        if isinstance(stack.service, ImageService):
            found |= {env_key(stack.name, name): value for name, value in _kept(stack.name, stack.service).items()}
    return found


def _kept(stack: str, service: ImageService) -> Mapping[str, str]:
    for name, value in service.env.items():
        if value == NOT_KEPT:
            raise UsageError(
                f"stack {stack}: env {name}: its value is not kept in a bundle; "
                f"add --set stack.{stack}.env.{name}=VALUE"
            )
    return service.env


def _check_stacks(experiment: Experiment) -> None:
    names = [object_name(stack.name) for stack in experiment.stacks]
    if len(set(names)) < len(names):
        raise UsageError(f"{experiment.source}: the stacks' names are alike as names of Kubernetes; change one")
    for stack in experiment.stacks:
        match stack.service:
            case CommandService():
                raise UsageError(
                    f"stack {stack.name}: a command cannot run on Kubernetes; give the stack an image and a port, "
                    "or use --target local"
                )
            case UrlService(url=url) if is_loopback_url(url):
                raise UsageError(
                    f"stack {stack.name}: {url} would be the load generator's own pod; give the address that the "
                    "cluster reaches it by, or use --target local"
                )
            case OurService(settings=settings):
                variable = {"api_key": "SVC_API_KEY", "jwt": "SVC_JWT_SECRET"}.get(str(settings.get("auth")))
                if variable is not None and variable not in os.environ:
                    raise UsageError(f"stack {stack.name}: auth asks for {variable}, which is not set; export it")


def is_loopback_url(url: str) -> bool:
    """Whether the address means the machine that asks."""
    return is_loopback(urlsplit(url).hostname or "")
