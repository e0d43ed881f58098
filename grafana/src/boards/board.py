"""What every board has: its variables, its links to the others, trials, windows and alerts as annotations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from boards.panels import DATASOURCE, Panel

BOARDS = {
    "loadlab-threshold": "Threshold",
    "loadlab-memory": "Memory",
    "loadlab-cost": "Cost",
    "loadlab-generator": "Generator health",
    "loadlab-capacity": "Capacity",
}
"""uid to title, in the order of the links."""
TAG = "loadlab"
STACKS = 'label_values({__name__=~"loadlab_stack_place|http_requests_total", stack!=""}, stack)'
"""Those of the experiment, whether or not they have the lab's metrics; and those that are scraped without an engine."""

ALERTS = '{alertname=~"Loadlab.+", alertstate="firing"}'
"""Prometheus makes them itself, of the lab's alerts; those that only may come have another alertstate."""

Section = tuple[str, Sequence[Panel]]
Variable = dashboards.QueryVariable | dashboards.TextBoxVariable


def make_board(
    uid: str, description: str, sections: Sequence[Section], *, variables: Sequence[Variable] = ()
) -> dashboards.Dashboard:
    """A board of rows of panels. variables come after the ones that every board has."""
    board = (
        dashboards.Dashboard(f"loadlab / {BOARDS[uid]}")
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time("now-15m", "now")
        .refresh("5s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .with_variable(dashboards.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(several("stack", "Stack", STACKS))
    )
    for variable in variables:
        board = board.with_variable(variable)
    for other, title in BOARDS.items():
        if other != uid:
            board = board.link(_link(other, title))
    for annotation in _annotations():
        board = board.annotation(annotation)
    numbers = itertools.count(1)
    for title, panels in sections:
        board = board.with_row(dashboards.Row(title).id(next(numbers)))
        for panel in panels:
            board = board.with_panel(panel.id(next(numbers)))
    return board


def several(name: str, label: str, query: str) -> dashboards.QueryVariable:
    """A variable of which any number may be chosen; at first all are."""
    chosen = VariableOption(text="All", value="$__all", selected=True)
    return _query(name, label, query).multi(True).include_all(True).current(chosen)


def single(name: str, label: str, query: str) -> dashboards.QueryVariable:
    """A variable of which exactly one is chosen."""
    return _query(name, label, query).multi(False).include_all(False)


def typed(name: str, label: str, default: str) -> dashboards.TextBoxVariable:
    """A variable that is typed."""
    return dashboards.TextBoxVariable(name).label(label).default_value(default)


def _query(name: str, label: str, query: str) -> dashboards.QueryVariable:
    variable = dashboards.QueryVariable(name).label(label).query(query).datasource(DATASOURCE)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)


def _link(uid: str, title: str) -> dashboards.DashboardLink:
    link = dashboards.DashboardLink(title).type(DashboardLinkType.LINK).url(f"/d/{uid}")
    return link.include_vars(True).keep_time(True).icon("dashboard")


def _annotations() -> Sequence[dashboards.AnnotationQuery]:
    return [
        _annotation("Windows", "loadlab_window_open == 1", "window of {{stack}}", "rgba(120, 120, 120, 0.6)"),
        _annotation(
            "Openings of windows",
            "1000 * loadlab_window_opened_seconds",
            "{{stack}} at {{users}}: its window opens",
            "rgba(60, 60, 60, 0.9)",
            is_moment=True,
        ),
        _annotation("Trials", 'loadlab_phase_info{trial!=""}', "{{stack}} at {{users}}", "rgba(0, 120, 200, 0.6)"),
        _annotation("Alerts", ALERTS, "{{alertname}}", "rgba(200, 0, 0, 0.8)").tag_keys("severity,stack,pod"),
    ]


def _annotation(name: str, expr: str, title: str, color: str, *, is_moment: bool = False) -> dashboards.AnnotationQuery:
    """A span where the expression has values, or, is_moment, the moments that its values are: milliseconds since 1970.

    A span that no scrape falls into is not seen; a moment is, by whichever scrape comes after it.
    """
    query = dashboards.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(color)
    return query.expr(expr).title_format(title).step("1s" if is_moment else "5s").use_value_for_time(is_moment)
