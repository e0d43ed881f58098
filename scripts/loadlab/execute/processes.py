"""Child processes of the engine: pinned, logged, ended with their whole group, never outliving the engine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadlab.errors import DeployError
from loadlab.execute import child, warden

LOG_TAIL_LINES = 8
LOG_TAIL = "; last log lines: "


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What to start. cpus empty: wherever the engine may run.

    env is added to the engine's own environment, from which withheld names are left out first.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cpus: frozenset[int]
    log: Path
    cwd: Path | None = None
    withheld: frozenset[str] = frozenset()


class Child:
    """One running child, leader of its own session and process group."""

    def __init__(self, command: Command, process: subprocess.Popen[bytes]) -> None:
        self.name = command.name
        self.pid = process.pid
        self._log = command.log
        self._process = process

    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.poll()

    def fell(self) -> str | None:
        """One line when it has ended, with its last log lines; None while it runs."""
        code = self.exit_code()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}{self.log_tail()}"

    def log_tail(self) -> str:
        """The last lines of its log in one line, or nothing when it wrote none."""
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        last = [line.strip() for line in lines[-LOG_TAIL_LINES:] if line.strip()]
        return f"{LOG_TAIL}{' | '.join(last)}" if last else "; its log is empty"

    def end(self, grace_s: float) -> None:
        """SIGTERM to the leader, SIGKILL to the whole group when it has not ended after grace_s."""
        if self.exit_code() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=grace_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


class ChildProcesses:
    """Starts children and remembers them until they are ended. A context manager: leaving it ends them all."""

    def __init__(self) -> None:
        self._children: dict[int, Child] = {}
        self._warden = subprocess.Popen(
            [sys.executable, "-I", warden.__file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def __enter__(self) -> ChildProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, command: Command) -> Child:
        """Start one child.

        Raises:
            DeployError: its log cannot be written, or its folder is not there.
        """
        cpus = ",".join(str(c) for c in sorted(command.cpus))
        launcher = [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), cpus, "--"]
        if command.cwd is not None and not command.cwd.is_dir():
            raise DeployError(f"{command.name}: cwd: {command.cwd} is no folder; name one that is there")
        try:
            log = command.log.open("ab")
        except OSError as error:
            raise DeployError(f"{command.name}: log {command.log} cannot be written: {error.strerror}") from None
        with log:
            process = subprocess.Popen(
                [*launcher, *command.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={k: v for k, v in os.environ.items() if k not in command.withheld} | dict(command.env),
                cwd=command.cwd,
                start_new_session=True,
            )
        started = Child(command, process)
        self._children[process.pid] = started
        self._tell(f"+{process.pid}")
        return started

    def end(self, children: Iterable[Child], grace_s: float = 10.0) -> None:
        """End these, all at once; each gets grace_s to go by itself."""
        mine = [c for c in children if c.pid in self._children]
        for one in mine:
            if one.exit_code() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        for one in mine:
            one.end(max(0.0, deadline - time.monotonic()))
            del self._children[one.pid]
            self._tell(f"-{one.pid}")

    def close(self) -> None:
        """End everything that is left, then the warden."""
        self.end(tuple(self._children.values()), grace_s=5.0)
        if self._warden.stdin and not self._warden.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._warden.stdin.close()
        self._warden.wait()

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            assert self._warden.stdin is not None
            self._warden.stdin.write(line + "\n")
            self._warden.stdin.flush()


def without_log_tail(line: str) -> str:
    """A message about a child, up to where the last lines of its log begin."""
    told, tail, _ = line.partition(LOG_TAIL)
    return f"{told}; see its log" if tail else told


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now, found by binding."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def process_tree(root_pid: int) -> tuple[int, ...]:
    """The process and its living descendants; empty when the root is gone."""
    try:
        root = psutil.Process(root_pid)
        return (root_pid, *(p.pid for p in root.children(recursive=True)))
    except psutil.NoSuchProcess:
        return ()


def process_cpu_s(pid: int) -> float | None:
    """Processor seconds of one process, its ended threads included; None when it is gone.

    Source: the process's CPU clock, clock_getcpuclockid(3); nanoseconds where /proc/PID/stat has ticks of 10 ms.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None
