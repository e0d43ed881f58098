"""`loadlab dashboards --run RUN`: a past session in Prometheus and Grafana, on loopback, until they are told to end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from loadlab.execute import grafana
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.execute.ports import Clock
from loadlab.execute.processes import Child, ChildProcesses
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.local_dashboards import PROMETHEUS_PORT, Desk, Say, port_near, watch, without_grafana
from loadlab.pipeline.replay import board_files, replayed
from loadlab.pipeline.span import Span

FOLDER = "dashboards-of-a-session"


def show_session(
    folder: Path, layout: Layout, *, environ: Mapping[str, str], say: Say, clock: Clock, rounds: int | None = None
) -> None:
    """Replay a bundle, rules included, say where it is shown, and stay until Ctrl-C. rounds: as in `show_dashboards`.

    Raises:
        BundleError: the bundle is not a run, or nothing was measured in it.
        ClusterError: prometheus or promtool is not on this machine and cannot be brought.
        DeployError: one of the programs refuses, did not get ready, or ended by itself.
    """
    toolbox = Toolbox(layout.root, environ=environ, say=say)
    for tool in ("prometheus", "promtool"):
        toolbox.ensure(tool)
    found = grafana.find_grafana(environ)
    say(f"replaying {folder.name} and its rules")
    with replayed(folder, layout, port_near(PROMETHEUS_PORT)) as (prometheus, span), ChildProcesses() as children:
        say(f"Prometheus  {prometheus.url}  (the session: {_range(span)} in milliseconds)")
        running: list[Child] = [prometheus.child]
        if found is None:
            say(without_grafana(layout))
        else:
            desk = Desk(layout, layout.lab / FOLDER, children, clock, prometheus_url=prometheus.url)
            running.append(desk.grafana(found))
            for path in board_files(layout):
                say(f"Grafana     {desk.grafana_url}/d/{path.stem}?{_range(span)}")
        say("Ctrl-C ends it; the bundle stays as it is.")
        watch(running, clock, rounds)


def _range(span: Span) -> str:
    """As Grafana's addresses have it."""
    return f"from={int(span.start_s * 1e3)}&to={int(span.end_s * 1e3)}"
