"""A Prometheus on loopback over the blocks of a past session, with its recording rules filled in."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadlab.errors import DeployError
from loadlab.execute.ports import Clock
from loadlab.execute.processes import Child, ChildProcesses, Command, free_port
from loadlab.execute.replay.history import History
from loadlab.execute.replay.rule_stages import recording_rules, rule_file, stages

EVERY_S = 5.0
"""How often rules are evaluated in the lab."""
LOOKBACK_S = 6.0
"""A sample counts for so long after it: one of a rule until the next. A past session has no marks of what ended."""
READY_S = 30.0
IMPORT_S = 600.0
POLL_S = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """The two programs."""

    prometheus: Path
    promtool: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A Prometheus that runs: where it answers, and its process."""

    url: str
    child: Child


class Replay:
    """A past session's data in a folder of its own, served again and again. port 0: any that is free."""

    def __init__(self, tools: Tools, folder: Path, children: ChildProcesses, clock: Clock, port: int = 0) -> None:
        self._tools = tools
        self._folder = folder
        self._children = children
        self._clock = clock
        self._port = port
        self._data = folder / "data"
        self._data.mkdir(parents=True, exist_ok=True)

    def load(self, openmetrics: Path) -> None:
        """Make blocks of the text. Raises DeployError with what promtool says."""
        self._promtool("create-blocks-from", "openmetrics", str(openmetrics), str(self._data))

    def fill_rules(self, files: Sequence[Path], *, start_s: float, end_s: float) -> None:
        """Evaluate recording rules over the session, stage by stage. Raises DeployError.

        All stages go by one name, because promtool draws the moments of evaluation from it: what rests on another
        rule then sees its value of the same moment.
        """
        path = self._folder / "rules.yaml"
        for rules in stages(recording_rules(files)):
            path.write_text(rule_file(rules, EVERY_S), encoding="utf-8")
            with self.served() as prometheus:
                self._promtool(
                    "create-blocks-from",
                    "rules",
                    f"--start={int(start_s)}",
                    f"--end={int(end_s) + 1}",
                    f"--eval-interval={EVERY_S:g}s",
                    f"--url={prometheus.url}",
                    f"--output-dir={self._data}",
                    str(path),
                )

    @contextmanager
    def served(self) -> Iterator[Served]:
        """It runs on this machine alone; whoever leaves ends it.

        Raises:
            DeployError: it does not start.
        """
        port = self._port or free_port()
        config = self._folder / "prometheus.yaml"
        config.write_text("global: {}\n", encoding="utf-8")
        argv = [
            str(self._tools.prometheus),
            f"--config.file={config}",
            f"--storage.tsdb.path={self._data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--query.lookback-delta={LOOKBACK_S:g}s",
        ]
        log = self._folder / "prometheus.log"
        child = self._children.start(Command(name="prometheus", argv=argv, env={}, cpus=frozenset(), log=log))
        try:
            url = f"http://127.0.0.1:{port}"
            self._wait(child, History(url))
            yield Served(url=url, child=child)
        finally:
            self._children.end([child], 5.0)

    def _wait(self, child: Child, history: History) -> None:
        deadline_s = self._clock.monotonic_s() + READY_S
        while not history.answers():
            if fell := child.fell():
                raise DeployError(fell)
            if self._clock.monotonic_s() > deadline_s:
                raise DeployError(f"prometheus: not ready after {READY_S:g} s{child.log_tail()}")
            self._clock.sleep(POLL_S)

    def _promtool(self, *words: str) -> None:
        argv = [str(self._tools.promtool), "tsdb", *words]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=IMPORT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeployError(f"promtool: tsdb {words[0]} {words[1]}: {type(error).__name__}") from None
        if done.returncode:
            said = "; ".join(line for line in done.stderr.splitlines() if line.strip())
            raise DeployError(f"promtool: tsdb {words[0]} {words[1]}: {said[-400:] or done.stdout[-400:]}")
