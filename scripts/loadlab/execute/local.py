"""Deployer for one machine: gunicorn, uvicorn and the upstream as child processes on cores of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import urllib3

from loadlab.errors import DeployError
from loadlab.execute.cores import Cores
from loadlab.execute.ports import Clock, Endpoint, Isolation
from loadlab.execute.processes import Child, ChildProcesses, Command, free_port, process_cpu_s, process_tree
from loadlab.execute.readiness import PortTaken, Readiness, Running
from loadlab.execute.scrape_targets import ScrapeTarget, ScrapeTargets
from loadlab.execute.upstream_schedule import begin_anew
from loadlab.execute.wakefulness import AWAKE, KeptAwake
from loadlab.model.experiment import (
    CommandService,
    Experiment,
    ImageService,
    OurService,
    SettingValue,
    Stack,
    Upstream,
    UrlService,
)

HOST = "127.0.0.1"
SETTING_PREFIXES = ("SVC_", "UPSTREAM_")
"""Variables of the user's shell that must not change what a run measures."""
SECRETS = frozenset({"SVC_API_KEY", "SVC_JWT_SECRET"})
"""The settings that come from the user's shell, because no experiment file may hold them."""
READY_TIMEOUT_S = 30.0
STOP_GRACE_S = 5.0
PORT_ATTEMPTS = 3
"""How often something is started on other ports, when another process takes one before it does."""


class LocalDeployer:
    """Deployer port on this machine."""

    def __init__(
        self,
        experiment: Experiment,
        *,
        cores: Cores,
        children: ChildProcesses,
        services: Path,
        logs: Path,
        clock: Clock,
        targets: ScrapeTargets,
        awake: KeptAwake | None = None,
        ready_timeout_s: float = READY_TIMEOUT_S,
    ) -> None:
        """awake: what keeps the cores from falling asleep, where that is asked for."""
        self._targets = targets
        self._awake = awake
        self._experiment = experiment
        self._cores = cores
        self._children = children
        self._services = services
        self._logs = logs
        self._readiness = Readiness(clock, ready_timeout_s)
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=2.0, read=5.0))
        self._stacks: dict[str, Running] = {}
        self._upstream: Running | None = None

    def isolation(self) -> Isolation:
        """Pinned cores, or shared on a machine that has none to spare."""
        known = self._placement()
        return replace(known, detail=f"{known.detail}; {AWAKE}") if self._awake else known

    def _placement(self) -> Isolation:
        sut, rest = _cpu_list(self._cores.sut), _cpu_list(self._cores.rest)
        if any(isinstance(s.service, UrlService) for s in self._experiment.stacks):
            return Isolation(level="shared", detail="a stack runs elsewhere: its isolation is not known")
        if self._cores.shared:
            return Isolation(level="shared", detail=f"stack, load generator and upstream share core(s) {sut}")
        return Isolation(
            level="pinned", detail=f"the stack alone on core(s) {sut}; load generator, upstream and engine on {rest}"
        )

    def prepare(self, block: int) -> Mapping[str, Endpoint]:
        """Start the upstream and what keeps cores awake where they are down, every stack fresh; wait for all."""
        self.release()
        if self._awake:
            self._awake.start()
        if self._experiment.upstream and (self._upstream is None or self._upstream.fell()):
            start = partial(self._start_upstream, self._experiment.upstream)
            self._upstream = start()
            self._upstream = self._ready("upstream", self._upstream, start)
            url = f"{self._upstream.endpoint.url}/metrics"
            self._targets.show("upstream", [ScrapeTarget(name="upstream", url=url)])
        starts = {stack.name: partial(self._start_stack, stack, block) for stack in self._experiment.stacks}
        self._stacks.update({name: start() for name, start in starts.items()})
        for name, start in starts.items():
            self._stacks[name] = self._ready(name, self._stacks[name], start)
        self._targets.show("stacks", [one for name, running in self._stacks.items() for one in _target(name, running)])
        return {name: running.endpoint for name, running in self._stacks.items()}

    def activate(self, stack: Stack) -> Endpoint:
        """The stack's endpoint; the other one gets no load, which the idle gate checks in every window."""
        asked = self._experiment.upstream
        if asked and asked.is_stepped and self._upstream:
            begin_anew(self._http, self._upstream.endpoint.url)
        return self._stacks[stack.name].endpoint

    def fallen(self) -> Sequence[str]:
        """What has ended by itself."""
        watched = [*self._stacks.values(), *([self._upstream] if self._upstream else [])]
        awake = self._awake.fallen() if self._awake else ()
        return [*(line for running in watched if (line := running.fell())), *awake]

    def endpoint(self, stack: str) -> Endpoint:
        """Where a prepared stack answers."""
        return self._stacks[stack].endpoint

    def root_pid(self, stack: str) -> int | None:
        """The process that leads a stack; None where it runs elsewhere."""
        running = self._stacks.get(stack)
        return running.child.pid if running and running.child else None

    def cpu_s(self, stack: str) -> float | None:
        """Processor seconds of the stack's living processes."""
        root = self.root_pid(stack)
        known = [s for pid in process_tree(root) if (s := process_cpu_s(pid)) is not None] if root else []
        return sum(known) if known else None

    def upstream_arrivals(self) -> int | None:
        """The upstream's own count of arrivals."""
        if self._upstream is None:
            return None
        try:
            answer = self._http.request("GET", f"{self._upstream.endpoint.url}/counters")
            return int(answer.json()["arrivals"])
        except (urllib3.exceptions.HTTPError, ValueError, KeyError):
            return None

    def release(self) -> None:
        """End the stacks."""
        children = [r.child for r in self._stacks.values() if r.child]
        self._stacks.clear()
        self._targets.show("stacks", ())
        self._children.end(children, STOP_GRACE_S)

    def close(self) -> None:
        """End the stacks and the upstream."""
        self.release()
        if self._upstream and self._upstream.child:
            self._children.end([self._upstream.child], STOP_GRACE_S)
            self._targets.show("upstream", ())
        self._upstream = None

    def _ready(self, name: str, running: Running, start: Callable[[], Running]) -> Running:
        """Wait until it is ready; started again on new ports when another process was quicker."""
        for left in reversed(range(PORT_ATTEMPTS)):
            try:
                self._readiness.wait(name, running)
                break
            except PortTaken:
                if not left:
                    raise
                self._children.end([running.child] if running.child else [], STOP_GRACE_S)
                running = start()
        return running

    def _start_upstream(self, upstream: Upstream) -> Running:
        port = free_port()
        env = {
            "UPSTREAM_HOST": HOST,
            "UPSTREAM_PORT": str(port),
            "UPSTREAM_LATENCY": upstream.latency,
            "UPSTREAM_ERROR_RATIO": str(upstream.error_ratio),
            "UPSTREAM_SEED": str(self._experiment.blocks.seed),
        }
        if upstream.quota_rps is not None:
            env["UPSTREAM_QUOTA_RPS"] = str(upstream.quota_rps)
        if upstream.quota_burst is not None:
            env["UPSTREAM_QUOTA_BURST"] = str(upstream.quota_burst)
        child = self._start(
            "upstream", [sys.executable, "-m", "upstream"], {**self._python_path(), **env}, self._cores.rest
        )
        url = f"http://{HOST}:{port}"
        return Running(
            child=child,
            endpoint=Endpoint(url=url, metrics_url=f"{url}/metrics"),
            ready_url=f"{url}/readyz",
            ports=(port,),
            listens_itself=True,
        )

    def _start_stack(self, stack: Stack, block: int) -> Running:
        match stack.service:
            case OurService(service=service, settings=settings):
                return self._start_ours(stack.name, service, settings, block)
            case CommandService():
                return self._start_command(stack.name, stack.service, block)
            case UrlService(url=url, metrics_url=metrics_url):
                endpoint = Endpoint(url=url.rstrip("/"), metrics_url=metrics_url)
                return Running(child=None, endpoint=endpoint, ready_url=url, ready_below=500)
            case ImageService():
                raise DeployError(
                    f"stack {stack.name}: a container image cannot run on the local target; "
                    "use --target kubernetes, or give the stack a command"
                )

    def _start_ours(self, name: str, service: str, settings: Mapping[str, SettingValue], block: int) -> Running:
        port, metrics_port = free_port(), free_port()
        env = {f"SVC_{key.upper()}": _env_text(value) for key, value in settings.items()}
        env |= {"SVC_HOST": HOST, "SVC_PORT": str(port), "SVC_METRICS_PORT": str(metrics_port)}
        if self._upstream:
            env["SVC_UPSTREAM_URL"] = self._upstream.endpoint.url
        argv = [sys.executable, "-m", service]
        child = self._start(name, argv, {**self._python_path(), **env}, self._cores.sut, block)
        url = f"http://{HOST}:{port}"
        metrics = None if settings.get("metrics") == "off" else f"http://{HOST}:{metrics_port}/metrics"
        return Running(
            child=child,
            endpoint=Endpoint(url=url, metrics_url=metrics),
            ready_url=f"{url}/readyz",
            ports=(port, metrics_port),
            listens_itself=True,
        )

    def _start_command(self, name: str, service: CommandService, block: int) -> Running:
        port = free_port()
        argv = [word.replace("{port}", str(port)) for word in service.command]
        env = {**service.env, "PORT": str(port)}
        if self._upstream:
            env["UPSTREAM_URL"] = self._upstream.endpoint.url
        child = self._start(name, argv, env, self._cores.sut, block, service.cwd)
        url = f"http://{HOST}:{port}"
        metrics = service.metrics_url.replace("{port}", str(port)) if service.metrics_url else None
        return Running(
            child=child,
            endpoint=Endpoint(url=url, metrics_url=metrics),
            ready_url=url + service.ready_path,
            ready_timeout_s=service.ready_timeout_s,
            ports=(port,),
        )

    def _start(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        cpus: frozenset[int],
        block: int | None = None,
        cwd: Path | None = None,
    ) -> Child:
        log = self._logs / (f"{name}.log" if block is None else f"{name}-b{block:02d}.log")
        withheld = frozenset(k for k in os.environ if k.startswith(SETTING_PREFIXES) and k not in SECRETS)
        return self._children.start(
            Command(name=name, argv=argv, env=env, cpus=cpus, log=log, cwd=cwd, withheld=withheld)
        )

    def _python_path(self) -> Mapping[str, str]:
        path = os.pathsep.join([str(self._services), str(self._services / "common")])
        return {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}


def _target(name: str, running: Running) -> Iterator[ScrapeTarget]:
    if running.endpoint.metrics_url is not None:
        yield ScrapeTarget(name=name, url=running.endpoint.metrics_url, stack=name)


def _env_text(value: SettingValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cpu_list(cpus: frozenset[int]) -> str:
    return ",".join(str(c) for c in sorted(cpus))
