"""What every measure is given: cores, children that end with it, a folder of its own, and how thorough to be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from loadlab.execute import child
from loadlab.execute.cores import Cores, split_cores
from loadlab.execute.processes import Child, ChildProcesses, Command

HOST = "127.0.0.1"
READY_TIMEOUT_S = 40.0
CHILDREN = Path(__file__).resolve().parent / "children"


class MeasureError(Exception):
    """A measure could not be made; one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arena:
    """Where a measure is made. say: one line of progress."""

    root: Path
    folder: Path
    cores: Cores
    children: ChildProcesses
    quick: bool
    profile: bool
    awake: bool = False
    """Whether idle cores are kept awake meanwhile, which runs say of themselves too."""
    say: Callable[[str], None]

    def pick(self, full: int, short: int) -> int:
        """How many times: ``short`` with --quick."""
        return short if self.quick else full

    def span_s(self, full: float, short: float) -> float:
        """How long: ``short`` with --quick."""
        return short if self.quick else full

    @property
    def service_env(self) -> Mapping[str, str]:
        """What a service needs to be found."""
        return {"PYTHONPATH": os.pathsep.join(str(self.root / name) for name in ("services", "services/common"))}

    @property
    def loadlab(self) -> str:
        """The command as installed beside this Python."""
        return str(Path(sys.executable).with_name("loadlab"))

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str], cpus: frozenset[int]) -> Child:
        """Start a Python child with these arguments, pinned; its log is ``<name>.log`` in the folder."""
        log = self.folder / f"{name}.log"
        return self.children.start(
            Command(name=name, argv=[sys.executable, *argv], env=env, cpus=cpus, log=log, cwd=self.root)
        )

    def wait_ready(self, started: Child, url: str) -> None:
        """Wait until a URL answers 200. Raises MeasureError when it never does."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        with urllib3.PoolManager(retries=False, timeout=2.0) as http:
            while time.monotonic() < deadline:
                if fell := started.fell():
                    raise MeasureError(fell)
                try:
                    if http.request("GET", url, headers={"Connection": "close"}).status == 200:
                        return
                except urllib3.exceptions.HTTPError:
                    pass
                time.sleep(0.05)
        raise MeasureError(f"{started.name}: no answer 200 at {url} after {READY_TIMEOUT_S:g} s{started.log_tail()}")

    def ask_child(self, script: str, *args: str, timeout_s: float, cpus: frozenset[int] | None = None) -> Any:
        """Run ``children/<script>`` to its end and read the JSON of its last line."""
        argv = [sys.executable, str(CHILDREN / script), *args]
        done = run(argv, cwd=self.root, timeout_s=timeout_s, cpus=cpus)
        if done.returncode:
            raise MeasureError(f"{script}: exit code {done.returncode}: {last_line(done.stderr)}")
        return json.loads(done.stdout.splitlines()[-1])


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cpus: frozenset[int] | None = None,
    is_bare: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its exit code; it is killed when the bench is.

    is_bare: without the launcher that sees to that, which takes time of its own.

    Raises:
        MeasureError: it takes too long.
    """
    pins = ",".join(map(str, sorted(cpus or ())))
    launcher = [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), pins, "--"]
    try:
        return subprocess.run(
            [*(() if is_bare else launcher), *argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MeasureError(f"{' '.join(argv)[-80:]}: not done after {timeout_s:g} s") from None


def last_line(text: str) -> str:
    """The last line that is not blank."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "(nothing)")


def available_cores() -> Cores:
    """One core for the server, the others for the load; the same one where there is only one."""
    return split_cores(frozenset(os.sched_getaffinity(0)), 1)
