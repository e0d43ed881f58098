"""A started stack or upstream: whether it is ready, whether it fell, and whether somebody else has its port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil
import urllib3

from loadlab.errors import DeployError
from loadlab.execute.ports import Clock, Endpoint
from loadlab.execute.processes import Child, process_tree

READY_POLL_S = 0.03


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A stack or the upstream. ports: what it was told to listen on, found free a moment before."""

    child: Child | None
    endpoint: Endpoint
    ready_url: str
    ready_below: int = 400
    """Statuses below this one say that it is ready."""
    ready_timeout_s: float | None = None
    """None: what everything here is given."""
    ports: tuple[int, ...] = ()
    listens_itself: bool = False
    """Whether its own processes are known to open the ports, which a command may leave to others."""

    def fell(self) -> str | None:
        """One line when it has ended by itself."""
        return self.child.fell() if self.child else None


class PortTaken(DeployError):
    """Somebody else listens where a stack was told to."""


class Readiness:
    """Waits until something that was started answers."""

    def __init__(self, clock: Clock, timeout_s: float) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=2.0, read=5.0))

    def wait(self, name: str, running: Running) -> None:
        """Return when it is ready.

        Raises:
            PortTaken: another process has its port; a new one may be tried.
            DeployError: it ended, or did not get ready in time; the message has its last log lines.
        """
        timeout_s = self._timeout_s if running.ready_timeout_s is None else running.ready_timeout_s
        deadline_s = self._clock.monotonic_s() + timeout_s
        last = "no answer"
        while self._clock.monotonic_s() < deadline_s:
            if fell := running.fell():
                taken = next((port for port in running.ports if is_taken(port)), None)
                if taken is not None:
                    raise PortTaken(f"{fell}; port {taken} is taken by another process. End that, or run again")
                raise DeployError(f"{fell}; it never got ready. Mend its settings or command and run again")
            status = self._status(running.ready_url)
            if isinstance(status, int) and status < running.ready_below:
                _refuse_a_stranger(name, running)
                return
            last = f"status {status}" if isinstance(status, int) else status
            self._clock.sleep(READY_POLL_S)
        tail = running.child.log_tail() if running.child else ""
        raise DeployError(
            f"{name}: not ready at {running.ready_url} after {timeout_s:g} s (last: {last}){tail}. "
            f"Start it by hand with the same settings to see why{_longer(running)}"
        )

    def _status(self, url: str) -> int | str:
        try:
            return self._http.request("GET", url, headers={"Connection": "close"}).status
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__


def _longer(running: Running) -> str:
    is_command = running.child is not None and not running.listens_itself
    return ", or give it longer: ready_timeout_s of its [[stack]]" if is_command else ""


def is_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens on a port; connections that are only just closed do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _refuse_a_stranger(name: str, running: Running) -> None:
    """An answer may come from another process, while the one that was started still asks for its port.

    A command may leave its port to a process outside its tree (a container's proxy): then only one that was there
    before it is a stranger.
    """
    port = urlsplit(running.endpoint.url).port
    if running.child is None or _listeners(process_tree(running.child.pid), port):
        return
    if not running.listens_itself and not _was_there_before(running.child.pid, port):
        return
    raise PortTaken(f"{name}: another process answers on its port {port}; end that, or run again")


def _listeners(pids: Iterable[int], port: int | None) -> list[int]:
    return [pid for pid in pids if port in _listened_on(pid)]


def _listened_on(pid: int) -> set[int]:
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return set()
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


def _was_there_before(child_pid: int, port: int | None) -> bool:
    """Whether every process that can be seen to listen there is older than the child."""
    try:
        born_s = psutil.Process(child_pid).create_time()
        strangers = [psutil.Process(pid).create_time() for pid in _listeners(psutil.pids(), port)]
    except psutil.Error:
        return False
    return bool(strangers) and all(other_s < born_s for other_s in strangers)
