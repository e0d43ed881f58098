"""Child processes of the engine: pinned, logged, ended with all that came out of them, never outliving the engine."""

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
from typing import IO

import psutil

from loadlab.errors import DeployError
from loadlab.execute import child, guardian

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
    """One running child, leader of its own session and process group, below a guardian of its own."""

    def __init__(self, command: Command, pid: int, guard: subprocess.Popen[bytes]) -> None:
        self.name = command.name
        self.pid = pid
        self._log = command.log
        self._guardian = guard

    def exit_code(self) -> int | None:
        """None while it runs or something of it is still being ended; negative for a signal."""
        return self._guardian.poll()

    def fell(self) -> str | None:
        """One line when it has ended, with its last log lines; None while it runs."""
        code = self.exit_code()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}{self.log_tail()}"

    def log_tail(self) -> str:
        """The last lines of its log in one line, or nothing when it wrote none."""
        return _log_tail(self._log)

    def ask_to_end(self) -> None:
        """SIGTERM to the child itself."""
        self._say(guardian.TERM)

    def end(self, grace_s: float) -> None:
        """Wait for grace_s, then SIGKILL to everything that came out of it and is left."""
        try:
            self._guardian.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            self._say(guardian.KILL)
        if self._guardian.wait() == -signal.SIGKILL:  # a guardian that was killed itself has ended nothing
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            assert self._guardian.stdin is not None
            self._guardian.stdin.close()

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            assert self._guardian.stdin is not None
            self._guardian.stdin.write(word)


class ChildProcesses:
    """Starts children and remembers them until they are ended. A context manager: leaving it ends them all."""

    def __init__(self) -> None:
        self._children: dict[int, Child] = {}

    def __enter__(self) -> ChildProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, command: Command) -> Child:
        """Start one child.

        Raises:
            DeployError: its log cannot be written, its folder is not there, or no process can be made.
        """
        if command.cwd is not None and not command.cwd.is_dir():
            raise DeployError(f"{command.name}: cwd: {command.cwd} is no folder; name one that is there")
        try:
            log = command.log.open("ab")
        except OSError as error:
            raise DeployError(f"{command.name}: log {command.log} cannot be written: {error.strerror}") from None
        with log:
            guard = _guardian_of(command, log)
        assert guard.stdout is not None
        with guard.stdout as told:
            pid = told.readline().strip()
        if not pid:
            guard.wait()
            raise DeployError(f"{command.name}: could not be started{_log_tail(command.log)}; run again")
        started = Child(command, int(pid), guard)
        self._children[started.pid] = started
        return started

    def end(self, children: Iterable[Child], grace_s: float = 10.0) -> None:
        """End these, all at once; each gets grace_s to go by itself."""
        mine = [c for c in children if c.pid in self._children]
        for one in mine:
            one.ask_to_end()
        deadline = time.monotonic() + grace_s
        for one in mine:
            one.end(max(0.0, deadline - time.monotonic()))
            del self._children[one.pid]

    def close(self) -> None:
        """End everything that is left."""
        self.end(tuple(self._children.values()), grace_s=5.0)


def _guardian_of(command: Command, log: IO[bytes]) -> subprocess.Popen[bytes]:
    cpus = ",".join(str(c) for c in sorted(command.cpus))
    return subprocess.Popen(
        [sys.executable, "-I", "-S", guardian.__file__, child.__file__, cpus, "--", *command.argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        bufsize=0,
        env={k: v for k, v in os.environ.items() if k not in command.withheld} | dict(command.env),
        cwd=command.cwd,
        start_new_session=True,
    )


def _log_tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    last = [line.strip() for line in lines[-LOG_TAIL_LINES:] if line.strip()]
    return f"{LOG_TAIL}{' | '.join(last)}" if last else "; its log is empty"


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
