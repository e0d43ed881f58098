"""Prometheus and Grafana beside a local run: on loopback, without a password, and nothing is left of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import yaml

from loadlab.errors import DeployError
from loadlab.execute.clock import SystemClock
from loadlab.execute.grafana import find_grafana
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.execute.processes import free_port
from loadlab.execute.replay.history import History
from loadlab.execute.scrape_targets import ScrapeTarget, ScrapeTargets
from loadlab.pipeline import local_dashboards, session_dashboards
from loadlab.pipeline.layout import Layout, checkout
from loadlab.pipeline.local_dashboards import show_dashboards
from loadlab.pipeline.session_dashboards import show_session
from session_copies import copy_session

GRAFANA = """#!{python}
import http.server, json, os, sys
json.dump([sys.argv[1:], dict(os.environ)], open({seen!r}, "w"))
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
address = (os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"]))
http.server.HTTPServer(address, Healthy).serve_forever()
"""


@dataclass
class Desk:
    """A checkout of its own with the lab's files in it, and a machine with or without a Grafana."""

    folder: Path
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        source = checkout().root
        self.layout = Layout(root=self.folder / "checkout", runs=self.folder / "runs")
        for name in ("k8s", "grafana", "scripts/prices", "scripts/tools"):
            shutil.copytree(source / name, self.layout.root / name)
        toolbox = Toolbox(source, environ=os.environ, say=self.said.append)
        self.bin = self.layout.tools / "bin"
        self.bin.mkdir(parents=True)
        for tool in ("prometheus", "promtool"):
            (self.bin / tool).symlink_to(toolbox.ensure(tool))
        self.environ = {"PATH": str(self.bin), "GRAFANA_HOME": str(self.folder / "none")}

    def with_grafana(self) -> None:
        """A program that answers as Grafana's server does when it is healthy, and keeps how it was called."""
        home = self.folder / "grafana"
        (home / "bin").mkdir(parents=True)
        (home / "conf").mkdir()
        (home / "conf" / "defaults.ini").write_text("")
        program = home / "bin" / "grafana"
        program.write_text(GRAFANA.format(python=sys.executable, seen=str(self.folder / "seen.json")))
        program.chmod(0o755)
        self.environ["GRAFANA_HOME"] = str(home)

    def show(self, rounds: int = 0) -> None:
        show_dashboards(self.layout, environ=self.environ, say=self.said.append, clock=SystemClock(), rounds=rounds)

    def seen(self) -> tuple[list[str], dict[str, str]]:
        """How Grafana was called, and its environment."""
        words, environment = json.loads((self.folder / "seen.json").read_text())
        return words, environment


@pytest.fixture(autouse=True)
def _ports_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Desks of other processes of the suite look for the usual ports at the same moment."""
    for module in (local_dashboards, session_dashboards):
        monkeypatch.setattr(module, "PROMETHEUS_PORT", free_port())
    monkeypatch.setattr(local_dashboards, "GRAFANA_PORT", free_port())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_without_grafana_prometheus_runs_and_what_is_missing_is_said(desk: Desk) -> None:
    desk.show()
    assert any(line.startswith("Prometheus  http://127.0.0.1:") for line in desk.said)
    assert any("Grafana is missing: install its package" in line and "GRAFANA_HOME" in line for line in desk.said)
    assert find_grafana(desk.environ) is None


def test_prometheus_reads_the_rules_and_what_a_run_on_this_machine_shows(desk: Desk) -> None:
    ScrapeTargets(desk.layout.targets).show("locust", [ScrapeTarget(name="l", url="http://127.0.0.1:1/metrics")])
    desk.show()
    config = yaml.safe_load((desk.layout.lab / "dashboards" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert [Path(one).name for one in config["rule_files"]] == ["prices.yaml", "cost.yaml", "alerts.yaml"]
    assert all(Path(one).is_file() for one in config["rule_files"])
    assert job["file_sd_configs"][0]["files"] == [str(desk.layout.targets)]
    assert "error" not in (desk.layout.lab / "dashboards" / "prometheus.log").read_text()


def test_grafana_is_on_loopback_shows_the_boards_and_has_nobody_to_log_in_as(desk: Desk) -> None:
    desk.with_grafana()
    desk.show()
    words, environment = desk.seen()
    assert words == ["server", f"--homepath={desk.environ['GRAFANA_HOME']}"]
    assert environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert not [name for name in environment if name.startswith("GF_") and "PASSWORD" in name]
    provisioning = Path(environment["GF_PATHS_PROVISIONING"])
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"][0]
    provider = yaml.safe_load((provisioning / "dashboards" / "loadlab.yaml").read_text())["providers"][0]
    assert any(line.startswith(f"Prometheus  {source['url']} ") for line in desk.said)
    assert Path(provider["options"]["path"]) == desk.layout.root / "grafana" / "dashboards"
    assert any(line.startswith("Grafana     http://127.0.0.1:") for line in desk.said)


def test_one_that_does_not_come_up_is_told_with_its_last_words_and_both_are_ended(desk: Desk) -> None:
    desk.with_grafana()
    program = Path(desk.environ["GRAFANA_HOME"]) / "bin" / "grafana"
    program.write_text("#!/bin/sh\necho 'no database' >&2\nexit 1\n")
    with pytest.raises(DeployError, match=r"grafana ended with exit code 1.*no database"):
        desk.show()


SESSION = re.compile(r"(http://127\.0\.0\.1:\d+)/d/([\w-]+)\?from=(\d+)&to=(\d+)")
TOLD = {"users": "max(locust_users)", "price": 'max(loadlab:level_usd_per_million_good{list="aws-fargate-x86"})'}


def test_a_past_run_is_in_prometheus_with_its_rules_and_in_grafana_at_its_time(desk: Desk) -> None:
    bundle = desk.folder / "runs" / "session"
    asked: dict[str, dict[str, set[float]]] = {}
    copy_session(bundle)
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    desk.with_grafana()

    def say(line: str) -> None:
        desk.said.append(line)
        if (found := SESSION.search(line)) is not None:
            provisioning = Path(desk.seen()[1]["GF_PATHS_PROVISIONING"]) / "datasources" / "prometheus.yaml"
            history = History(yaml.safe_load(provisioning.read_text())["datasources"][0]["url"])
            start_s, end_s = (int(found.group(place)) / 1e3 for place in (3, 4))
            answers = {
                name: history.query_range(expr, start_s=start_s, end_s=end_s, step_s=5) for name, expr in TOLD.items()
            }
            asked[found.group(2)] = {
                name: {float(v) for s in got for _, v in s["values"]} for name, got in answers.items()
            }

    show_session(bundle, desk.layout, environ=desk.environ, say=say, clock=SystemClock(), rounds=0)
    assert set(asked) == {path.stem for path in (desk.layout.root / "grafana" / "dashboards").glob("*.json")}
    assert all({6.0, 12.0} <= told["users"] and min(told["price"]) > 0 for told in asked.values())
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before


def test_a_past_run_without_grafana_is_in_prometheus_and_what_is_missing_is_said(desk: Desk) -> None:
    copy_session(desk.folder / "session")
    bundle = desk.folder / "session"
    show_session(bundle, desk.layout, environ=desk.environ, say=desk.said.append, clock=SystemClock(), rounds=0)
    assert any(re.match(r"Prometheus  http://127\.0\.0\.1:\d+ .*from=\d+&to=\d+", line) for line in desk.said)
    assert any("Grafana is missing" in line for line in desk.said)


def _end(url: str) -> None:
    """The Prometheus of this test that listens there."""
    (server,) = [one for one in psutil.Process().children(recursive=True) if url.rpartition("/")[2] in _words(one)]
    server.terminate()


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) if process.name() == "prometheus" else ""
    except psutil.Error:
        return ""


def test_a_prometheus_that_ends_while_a_past_run_is_shown_is_noticed(desk: Desk) -> None:
    copy_session(desk.folder / "session")

    def say(line: str) -> None:
        desk.said.append(line)
        if line.startswith("Ctrl-C ends it"):
            _end(next(one.split()[1] for one in desk.said if one.startswith("Prometheus")))

    with pytest.raises(DeployError, match="prometheus ended"):
        show_session(
            desk.folder / "session", desk.layout, environ=desk.environ, say=say, clock=SystemClock(), rounds=60
        )
