"""`loadlab` as a process of its own, with its bundle: for tests that break it or what it starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import psutil

from loadlab.execute.clock import SystemClock
from loadlab.execute.store import BundleStore
from loadlab.model.run import RunData

WAIT_S = 150.0
MARK = "LOADLAB_TEST_MARK"
BRIEF = """
from loadlab.analysis.gate_bounds import GateBounds
BEARS = dict(lag_p99_s=0.1, lag_p50_s=0.02, steal_ratio=0.5, generator_cpu_ratio=0.95)
GateBounds.__init__.__kwdefaults__.update(BEARS, dispatch_lag_s=0.1, dispatch_lag_p50_s=0.02)
import loadlab.design.replication as replication
import loadlab.pipeline.demand as demand
demand.PEEK_S = 0.5
demand.LEAST_S = demand.CPU_WINDOW_S = 0.3
demand.ONE_USER_WARMUP_S = demand.CPU_WARMUP_S = demand.IDLE_S = 0.1
demand.SCRAPES = 2
replication._WARMUP_LEAST_S = 0.3
"""
"""What a test does not look at is measured briefly.

Gates bear the noise of several runs on one machine, so that it costs no repeats, and still refuse what a stop of 3 s
does to a window.
"""


def bundle_in(runs: Path) -> Path:
    """The one bundle there. A run that was killed before its first file was whole has left a folder that is none.

    Raises FileNotFoundError where there is no folder yet.
    """
    folders = sorted(path for path in runs.iterdir() if not path.is_symlink())
    bundles = [path for path in folders if (path / "experiment.toml").exists()]
    if not folders:
        raise FileNotFoundError(f"no run in {runs}")
    return (bundles or folders)[-1]


class Engine:
    """One `loadlab` process. prelude: Python that runs in it before the command line does."""

    def __init__(self, folder: Path, *words: str, prelude: str = "", env: Mapping[str, str] | None = None) -> None:
        self.runs = folder / "runs"
        self._mark = uuid.uuid4().hex
        self._lines: list[str] = []
        # A shell starts its background jobs with SIGINT ignored, which children inherit: here Ctrl-C is always heard.
        heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
        script = f"{heard}\n{prelude}\nfrom loadlab.cli import main\nmain()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *words, "--runs", str(self.runs)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), MARK: self._mark, **(env or {})},
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            self._lines.extend(stream)

    @property
    def bundle(self) -> Path:
        return bundle_in(self.runs)

    @property
    def output(self) -> str:
        return "".join(self._lines)

    @property
    def last_line(self) -> str:
        return self.output.rstrip().rsplit("\n", 1)[-1]

    def events(self) -> list[dict[str, Any]]:
        try:
            lines = (self.bundle / "events.jsonl").read_bytes().split(b"\n")[:-1]
        except OSError:
            return []
        return [orjson.loads(line) for line in lines]

    def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not done():
            assert self.process.poll() is None, f"ended before {what}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {what} in {WAIT_S} s:\n{self.output}"
            time.sleep(0.02)

    def until_event(self, kind: str, count: int = 1) -> None:
        self.until(lambda: sum(e["event"] == kind for e in self.events()) >= count, f"event {kind}")

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ended(self) -> int:
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code

    def measured(self) -> RunData:
        return BundleStore(self.bundle, SystemClock()).load()

    def results(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads((self.bundle / "results.json").read_bytes())
        return found

    def orphans(self) -> list[str]:
        """Command lines of what it started and left behind, after some time to go."""
        deadline = time.monotonic() + 20.0
        while (left := [*self._left()]) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def _left(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found


@contextmanager
def running_engines(
    folder: Path, *, prelude: str = "", env: Mapping[str, str] | None = None
) -> Iterator[Callable[..., Engine]]:
    """Start `loadlab run ...`; whatever still runs at the end is killed, and nothing may be left behind.

    prelude, env: of every engine, unless a call says otherwise. keeps_queries: what the boards show of it is kept.
    """
    engines: list[Engine] = []
    usual_prelude, usual_env = prelude, env

    def run(
        *words: str,
        prelude: str = usual_prelude,
        env: Mapping[str, str] | None = usual_env,
        keeps_queries: bool = False,
    ) -> Engine:
        asked = words if keeps_queries else (*words, "--no-queries")
        engines.append(Engine(folder, "run", *asked, prelude=prelude, env=env))
        return engines[-1]

    yield run
    for engine in engines:
        if engine.process.poll() is None:
            engine.process.kill()
            engine.ended()
    assert [line for engine in engines for line in engine.orphans()] == []


def none_left(processes: list[psutil.Process]) -> None:
    """Fail unless all of these have ended."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
