"""Guardian of one child: starts it, and ends it with everything that came out of it, whatever becomes of the engine.

Run as a plain script: ``python -I -S guardian.py LAUNCHER CPUS -- COMMAND ...``; it starts the command through the
launcher (``child.py``), which asks to be killed when the guardian dies. It writes the child's pid to standard output,
and ends as the child ended. Standard input: TERM sends SIGTERM to the child, KILL ends everything now; its end means
that the engine is gone, and everything is asked to end, then killed.

A child subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)): a descendant that leaves its process group and session and
loses its parent (a daemon) becomes the guardian's own child, so that walking down from the guardian finds it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
TERM, KILL = b"t", b"k"
GRACE_S = 2.0
"""What everything gets to end by itself when the engine is gone."""
GIVE_UP_S = 10.0
"""How long to go on killing what does not end, such as a process that belongs to somebody else."""
DEAF = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_S = 0.02


class Guardian:
    """Watches over one started child."""

    def __init__(self, leader_pid: int, wake: int, words: int) -> None:
        self._leader_pid = leader_pid
        self._wake = wake
        self._words = words

    def watch(self) -> float:
        """Return when everything shall end, with the seconds it gets to do so by itself."""
        while not self._leader_ended():
            ready, _, _ = select.select([self._wake, self._words], [], [])
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._reap()
            if self._words in ready:
                said = os.read(self._words, 4096)
                if not said:
                    return GRACE_S
                if KILL in said:
                    return 0.0
                _send(signal.SIGTERM, [self._leader_pid])
        return 0.0

    def end_all(self, grace_s: float) -> None:
        """SIGTERM to every descendant where there is grace, then SIGKILL until none is left."""
        if grace_s:
            _send(signal.SIGTERM, left := descendants(os.getpid()))
            _send(signal.SIGCONT, left)  # one that was stopped could not go by itself
            self._until_gone(grace_s)
        self._until_gone(GIVE_UP_S, signal.SIGKILL)

    def status(self) -> int:
        """How the child ended: its exit code, or minus its signal."""
        pid, status = os.waitpid(self._leader_pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else -signal.SIGKILL

    def _until_gone(self, seconds: float, number: signal.Signals | None = None) -> None:
        deadline_s = time.monotonic() + seconds
        while (left := descendants(os.getpid())) and time.monotonic() < deadline_s:
            if number is not None:
                _send(number, left)
            time.sleep(POLL_S)
            self._reap()

    def _leader_ended(self) -> bool:
        return os.waitid(os.P_PID, self._leader_pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _reap(self) -> None:
        """Bury what ended, the child excepted: its pid stays its own until everything is over."""
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid == self._leader_pid:
                    return
                os.waitpid(ended.si_pid, 0)


def descendants(root_pid: int) -> list[int]:
    """Living processes below root_pid, parents before their children."""
    below: dict[int, list[tuple[int, str]]] = {}
    for pid, parent, state in _processes():
        below.setdefault(parent, []).append((pid, state))
    found: list[int] = []
    todo = [root_pid]
    while todo:
        for pid, state in below.get(todo.pop(0), []):
            todo.append(pid)
            if state not in "ZX":
                found.append(pid)
    return found


def _processes() -> list[tuple[int, int, str]]:
    """Pid, parent's pid and state of every process that can be seen: proc_pid_stat(5)."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        found.append((int(folder.name), int(parent), state.decode()))
    return found


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _woken_by_children() -> int:
    """A descriptor that can be read when a child has ended."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return read


def _start(launcher: str, cpus: str, command: list[str]) -> int:
    """Start the child in a session of its own, its output into the log, with the signals as the engine had them."""
    heard = {number: signal.signal(number, signal.SIG_IGN) for number in DEAF}
    argv = [sys.executable, "-I", "-S", launcher, str(os.getpid()), cpus, "--", *command]
    return os.posix_spawn(
        sys.executable,
        argv,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, 2, 1),
        ],
        setsid=True,
        setsigdef=[n for n, was in heard.items() if was != signal.SIG_IGN],
    )


def _end_as(status: int) -> None:
    """End as the child did, without a second core dump."""
    if status >= 0:
        os._exit(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
    os._exit(1)


def main(launcher: str, cpus: str, command: list[str]) -> None:
    """Guard the command to its end."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake = _woken_by_children()
    leader_pid = _start(launcher, cpus, command)
    with contextlib.suppress(BrokenPipeError):
        os.write(1, b"%d\n" % leader_pid)
    os.close(1)
    guardian = Guardian(leader_pid, wake, words=0)
    guardian.end_all(guardian.watch())
    _end_as(guardian.status())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[4:])
