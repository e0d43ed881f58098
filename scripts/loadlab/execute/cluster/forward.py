"""``kubectl port-forward`` to one pod: a loopback port that leads into the pod's own network namespace."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.ports import Clock
from loadlab.execute.processes import Child, ChildProcesses, Command, free_port

HOST = "127.0.0.1"
OPEN_TIMEOUT_S = 20.0
REOPEN_TIMEOUT_S = 3.0
POLL_S = 0.02


class PortForward:
    """One forward. It keeps its local port when it has to be started again."""

    def __init__(
        self, kubectl: Kubectl, children: ChildProcesses, clock: Clock, *, pod: str, port: int, log: Path
    ) -> None:
        self.pod = pod
        self._kubectl = kubectl
        self._children = children
        self._clock = clock
        self._remote = port
        self._log = log
        self._local = free_port(HOST)
        self._child = self._start()

    @property
    def url(self) -> str:
        """Where the pod's port answers on this machine."""
        return f"http://{HOST}:{self._local}"

    def wait(self, timeout_s: float = OPEN_TIMEOUT_S) -> None:
        """Until it takes connections.

        Raises:
            ClusterError: it ended, or takes none in time.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        while not _listens(self._local):
            if fell := self._child.fell():
                raise ClusterError(f"port-forward to pod {self.pod}: {fell}; `loadlab lab status` looks")
            if self._clock.monotonic_s() > deadline_s:
                raise ClusterError(
                    f"port-forward to pod {self.pod}: not open after {timeout_s:g} s{self._child.log_tail()}; "
                    "`loadlab lab status` looks"
                )
            self._clock.sleep(POLL_S)

    def mend(self) -> bool:
        """Start it again if it has ended; whether it had to be. One that does not open is left for the next call."""
        if self._child.exit_code() is None:
            return False
        self._children.end([self._child], 0.0)
        self._child = self._start()
        with contextlib.suppress(ClusterError):
            self.wait(REOPEN_TIMEOUT_S)
        return True

    def close(self) -> None:
        """End it; safe to call twice."""
        self._children.end([self._child], 1.0)

    @property
    def child(self) -> Child:
        """The process, for whoever ends several at once."""
        return self._child

    def _start(self) -> Child:
        words = ("port-forward", f"pod/{self.pod}", f"--address={HOST}", f"{self._local}:{self._remote}")
        argv = self._kubectl.argv(*words)
        name = f"port-forward {self.pod}"
        return self._children.start(Command(name=name, argv=argv, env={}, cpus=frozenset(), log=self._log))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0
