"""The golden server as a child process, and the two logs of a step: its own and the load generator's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadlab.errors import LoadError
from loadlab.execute.ports import Clock, Endpoint
from loadlab.execute.processes import Child, ChildProcesses, Command, free_port
from loadlab.execute.readiness import Readiness, Running

HOST = "127.0.0.1"
FORMAT = b'"loadlab-golden-1"'
GOLDEN_COLUMNS = 5
REQUEST_COLUMNS = 5
READY_TIMEOUT_S = 10.0
STOP_GRACE_S = 10.0


class Golden:
    """One golden server at a time, on the cores of the service under test."""

    def __init__(
        self, *, children: ChildProcesses, services: Path, folder: Path, cpus: frozenset[int], clock: Clock
    ) -> None:
        self._children = children
        self._folder = folder
        self._cpus = cpus
        self._readiness = Readiness(clock, READY_TIMEOUT_S)
        self._path = os.pathsep.join([str(services), str(services / "common")])
        self._running: Running | None = None

    def start(self, program: Mapping[str, str]) -> str:
        """Start it with these settings, without their prefix, and return its address once it is ready.

        Raises:
            DeployError: it did not get ready.
        """
        port = free_port()
        env = {f"GOLDEN_{name.upper()}": value for name, value in program.items()}
        env |= {"GOLDEN_HOST": HOST, "GOLDEN_PORT": str(port), "GOLDEN_LOG": str(self._log)}
        withheld = frozenset(name for name in os.environ if name.startswith("GOLDEN_"))
        command = Command(
            name="golden",
            argv=[sys.executable, "-m", "golden"],
            env={**env, "PYTHONPATH": self._path},
            cpus=self._cpus,
            log=self._folder / "golden.out",
            withheld=withheld,
        )
        url = f"http://{HOST}:{port}"
        self._running = Running(
            child=self._children.start(command),
            endpoint=Endpoint(url=url, metrics_url=f"{url}/metrics"),
            ready_url=f"{url}/readyz",
            ports=(port,),
            listens_itself=True,
        )
        self._readiness.wait("golden", self._running)
        return url

    def stop(self) -> NDArray[np.int64]:
        """End it and return its log: id, arrival_ns, due_ns, departure_ns, status of every request."""
        child = self._child()
        fell = child.fell()
        self._children.end([child], STOP_GRACE_S)
        self._running = None
        if fell:
            raise LoadError(f"the golden server ended by itself: {fell}")
        return read_golden_log(self._log)

    def close(self) -> None:
        """End it if it runs; safe to call twice."""
        if self._running is not None:
            self._children.end([self._child()], STOP_GRACE_S)
            self._running = None

    @property
    def _log(self) -> Path:
        return self._folder / "golden.log"

    def _child(self) -> Child:
        assert self._running is not None
        assert self._running.child is not None
        return self._running.child


def read_golden_log(path: Path) -> NDArray[np.int64]:
    """The rows of a golden log. Raises LoadError for anything else."""
    head, _, body = path.read_bytes().partition(b"\n")
    if FORMAT not in head or len(body) % (8 * GOLDEN_COLUMNS):
        raise LoadError(f"{path}: got no whole log of the golden server; was it killed?")
    return np.frombuffer(body, dtype="<i8").reshape(-1, GOLDEN_COLUMNS).astype(np.int64)


def take_request_logs(folder: Path) -> NDArray[np.float64]:
    """What all Locust workers have written since the last call: id, intended_s, send_s, end_s, code; n x 5."""
    parts = []
    for path in sorted(folder.glob("requests-*.f8")):
        parts.append(np.frombuffer(path.read_bytes(), dtype="<f8").reshape(-1, REQUEST_COLUMNS))
        path.unlink()
    return np.concatenate(parts) if parts else np.empty((0, REQUEST_COLUMNS))
