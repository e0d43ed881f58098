"""Locust's master and workers as child processes on this machine, one worker per core."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadlab.errors import LoadError
from loadlab.execute.processes import Child, ChildProcesses, Command, free_port
from loadlab.execute.scrape_targets import ScrapeTarget, ScrapeTargets

HOST = "127.0.0.1"


class LocalLocust:
    """LocustHost on this machine. files: every locustfile to load, the lab's own hooks included.

    worker_cores: a core for each worker, the same one several times for several on it; else one on each of cpus.
    """

    def __init__(
        self,
        *,
        files: Sequence[Path],
        cpus: frozenset[int],
        env: Mapping[str, str],
        children: ChildProcesses,
        logs: Path,
        worker_cores: Sequence[int] = (),
        targets: ScrapeTargets | None = None,
    ) -> None:
        self._targets = targets
        self._files = ",".join(str(f) for f in files)
        self._cpus = sorted(cpus)
        self._env = dict(env)
        self._children = children
        self._logs = logs
        self._worker_cores = list(worker_cores) or self._cpus
        self._web_port = 0
        self._bus_port = 0
        self._master: Child | None = None
        self._workers: dict[int, Child] = {}

    @property
    def url(self) -> str:
        """The master's web interface."""
        return f"http://{HOST}:{self._web_port}"

    def start(self) -> None:
        """Start the master, then one worker per core."""
        self._web_port, self._bus_port = free_port(), free_port()
        web = ["--web-host", HOST, "--web-port", str(self._web_port), "--class-picker"]
        bus = ["--master", "--master-bind-host", HOST, "--master-bind-port", str(self._bus_port)]
        self._master = self._start("locust-master", [*bus, *web], frozenset(self._cpus))
        for number in range(len(self._worker_cores)):
            self._start_worker(number)
        self._show([ScrapeTarget(name="locust-master", url=f"{self.url}/metrics")])

    def _show(self, targets: Sequence[ScrapeTarget]) -> None:
        """To a Prometheus beside the run, where one may look."""
        if self._targets is not None:
            self._targets.show("locust", targets)

    def fallen(self) -> Sequence[str]:
        """Processes that have ended."""
        everyone = [*([self._master] if self._master else []), *self._workers.values()]
        return [line for one in everyone if (line := one.fell())]

    def replace_fallen(self) -> None:
        """Start a new worker for each that ended; without its master Locust is started anew."""
        if self._master is None or self._master.exit_code() is not None:
            self.close()
            self.start()
            return
        for number, worker in list(self._workers.items()):
            if worker.exit_code() is not None:
                self._children.end([worker], 0.0)
                self._start_worker(number)

    def workers(self) -> int:
        """One per core, where nothing else was asked for."""
        return len(self._worker_cores)

    def worker_pids(self) -> frozenset[int]:
        """The workers as they know themselves: their launcher becomes Locust without a new process."""
        return frozenset(worker.pid for worker in self._workers.values())

    def worker_names(self) -> frozenset[str] | None:
        """All on this machine."""
        return None

    def close(self) -> None:
        """End them all."""
        mine = [c for c in (*self._workers.values(), self._master) if c]
        self._master, self._workers = None, {}
        self._show([])
        self._children.end(mine, 5.0)

    def _start_worker(self, number: int) -> None:
        bus = ["--worker", "--master-host", HOST, "--master-port", str(self._bus_port)]
        core = frozenset({self._worker_cores[number]})
        self._workers[number] = self._start(f"locust-worker-{number}", bus, core)

    def _start(self, name: str, args: Sequence[str], cpus: frozenset[int]) -> Child:
        if not self._files:
            raise LoadError("load generator: no locustfile to load")
        argv = [sys.executable, "-m", "locust", "-f", self._files, "--stop-timeout", "150", "--loglevel", "INFO"]
        return self._children.start(
            Command(name=name, argv=[*argv, *args], env=self._env, cpus=cpus, log=self._logs / f"{name}.log")
        )
