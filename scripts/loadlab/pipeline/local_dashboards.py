"""`loadlab dashboards`: Prometheus and Grafana beside a local run, on loopback, until they are told to end."""

from __future__ import annotations

import os
import urllib.error
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from loadlab.errors import DeployError
from loadlab.execute import grafana
from loadlab.execute.cores import split_cores
from loadlab.execute.direct import open_direct
from loadlab.execute.lab.listeners import is_free
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.execute.ports import Clock, nothing
from loadlab.execute.processes import Child, ChildProcesses, Command, free_port
from loadlab.execute.scrape_targets import drop_dead
from loadlab.pipeline.lab_rules import lab_price_rules
from loadlab.pipeline.layout import Layout

HOST = "127.0.0.1"
PROMETHEUS_PORT, GRAFANA_PORT = 9090, 3000
READY_S = 60.0
POLL_S = 0.2
WATCH_S = 1.0
ANSWER_S = 5.0
RETENTION = "6h"

Say = Callable[[str], None]


def show_dashboards(
    layout: Layout, *, environ: Mapping[str, str], say: Say, clock: Clock, rounds: int | None = None
) -> None:
    """Start both, say where they are, and stay until Ctrl-C. rounds: seconds to stay, for ever when None.

    Raises:
        ClusterError: Prometheus is not on this machine and cannot be brought.
        DeployError: one of them did not get ready, or ended by itself.
    """
    program = Toolbox(layout.root, environ=environ, say=say).ensure("prometheus")
    found = grafana.find_grafana(environ)
    folder = layout.lab / "dashboards"
    with ChildProcesses() as children:
        desk = Desk(layout, folder, children, clock)
        running = [desk.prometheus(program)]
        say(f"Prometheus  {desk.prometheus_url}  (what it scrapes: {desk.prometheus_url}/targets)")
        if found is None:
            say(without_grafana(layout))
        else:
            running.append(desk.grafana(found))
            say(f"Grafana     {desk.grafana_url}/dashboards")
        say("scraped: whatever `loadlab run` starts on this machine, from now on. Ctrl-C ends both.")
        watch(running, clock, rounds, lambda: drop_dead(layout.targets))


def without_grafana(layout: Layout) -> str:
    """What to do where there is no Grafana."""
    return f"{grafana.HOW_TO_GET}; boards to import by hand: {layout.root / 'grafana' / 'dashboards'}"


def watch(running: list[Child], clock: Clock, rounds: int | None, tidy: Callable[[], None] = nothing) -> None:
    """Stay for so many rounds, for ever when None, tidying in each. Raises DeployError when one ends by itself."""
    while rounds is None or rounds > 0:
        for child in running:
            if (line := child.fell()) is not None:
                raise DeployError(line)
        tidy()
        clock.sleep(WATCH_S)
        rounds = None if rounds is None else rounds - 1


class Desk:
    """Both servers, kept off the core that the stacks are given first."""

    def __init__(
        self, layout: Layout, folder: Path, children: ChildProcesses, clock: Clock, prometheus_url: str | None = None
    ) -> None:
        """prometheus_url: one that runs already; None: one is to be started here."""
        self._layout = layout
        self._folder = folder
        self._children = children
        self._clock = clock
        self._cpus = split_cores(frozenset(os.sched_getaffinity(0)), 1).rest
        self._folder.mkdir(parents=True, exist_ok=True)
        self.prometheus_url = prometheus_url or f"http://{HOST}:{port_near(PROMETHEUS_PORT)}"
        self.grafana_url = f"http://{HOST}:{port_near(GRAFANA_PORT)}"

    def prometheus(self, program: Path) -> Child:
        """Start it and wait for it."""
        config = self._folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config(), sort_keys=False), encoding="utf-8")
        argv = [
            str(program),
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'tsdb'}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address={self.prometheus_url.removeprefix('http://')}",
        ]
        return self._started("prometheus", argv, {}, f"{self.prometheus_url}/-/ready")

    def grafana(self, found: grafana.Grafana) -> Child:
        """Start it over the Prometheus at `prometheus_url`, and wait for it."""
        folder = self._folder / "grafana"
        sources = self._layout.root / "grafana"
        grafana.write_provisioning(folder, sources=sources, prometheus_url=self.prometheus_url)
        env = grafana.settings(folder, int(self.grafana_url.rpartition(":")[2]))
        return self._started("grafana", list(found.argv), env, f"{self.grafana_url}/api/health")

    def _config(self) -> Mapping[str, object]:
        rules = self._layout.k8s / "base" / "prometheus" / "rules"
        prices = self._folder / "prices.yaml"
        prices.write_text(lab_price_rules(self._layout), encoding="utf-8")
        targets = self._layout.targets
        drop_dead(targets)
        return {
            "global": {"scrape_interval": "5s", "scrape_timeout": "4s", "evaluation_interval": "5s"},
            "rule_files": [str(prices), str(rules / "cost.yaml"), str(rules / "alerts.yaml")],
            "scrape_configs": [
                {"job_name": "local", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "5s"}]}
            ],
        }

    def _started(self, name: str, argv: list[str], env: Mapping[str, str], ready_url: str) -> Child:
        log = self._folder / f"{name}.log"
        log.write_bytes(b"")
        child = self._children.start(Command(name=name, argv=argv, env=env, cpus=self._cpus, log=log))
        deadline_s = self._clock.monotonic_s() + READY_S
        while not _answers(ready_url):
            fell = child.fell()
            if fell or self._clock.monotonic_s() > deadline_s:
                raise DeployError(fell or f"{name}: not ready after {READY_S:g} s: {ready_url}{child.log_tail()}")
            self._clock.sleep(POLL_S)
        return child


def port_near(usual: int) -> int:
    """The usual port when it is free, else another one."""
    return usual if is_free(usual) else free_port(HOST)


def _answers(url: str) -> bool:
    try:
        with open_direct(url, timeout=ANSWER_S):
            return True
    except urllib.error.URLError:
        return False
