"""Panels of a kind, alike on every board: a title that asks, a description that answers, a unit, a legend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries, xychart
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    SortOrder,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WHOLE_ROW, HALF_ROW, THIRD_ROW, QUARTER_ROW = 24, 12, 8, 6
CHART_HEIGHT, STAT_HEIGHT = 8, 4
XYCHART_VERSION = "11.1.0"
USERS_FIELD = "users\\stack"
"""What groupingToMatrix calls the field of its rows: row, backslash, column."""
REFS = "ABCDEFGH"
GREEN, ORANGE, RED = "green", "orange", "red"
OPEN_LOAD = 'locust_load_info{kind="open"}'
USERS_THERE = f"sum(locust_users) unless on () {OPEN_LOAD}"
USERS_ASKED_FOR = f"sum(locust_users_wanted) unless on () {OPEN_LOAD}"
"""Of an open load there are none: what Locust calls its users only lead the arrivals, one on each worker."""

NOTES = {
    r"\$__rate_interval|loadlab:stack_(goodput|requests)_rps|loadlab:usd_per_million": (
        "Rates are of the last 20 s: windows shorter than that show less than they were."
    ),
    r"\b(process_tree|worker|cgroup|request_queue|event_loop|upstream)_": (
        "No data for a service that exports no metrics of the lab."
    ),
    r"loadlab_level_|loadlab:level_": (
        "Of a level it holds all windows that passed their gates so far, one in each block; of a block that is not "
        "over, what will be repeated is left out until it is. In an open load, users are arrivals per second."
    ),
}
"""What is in a query to what its panel's description then says."""

Panel = Any
"""A builder of the SDK that has not been built yet."""


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and what its series are called, such as ``{{stack}} p99``."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Column:
    """PromQL with a value for each row of a table, what its column is called, and its unit."""

    expr: str
    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A value from which on a panel turns to a colour."""

    value: float
    color: str


def lines(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    width: int = HALF_ROW,
    bounds: Sequence[Bound] = (),
    least: float | None = 0.0,
    is_logarithmic: bool = False,
) -> Panel:
    """Lines over time. bounds are drawn as lines of their colours; least is where a linear axis begins."""
    legend = _legend()
    tooltip = common_builders.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    panel = timeseries.Panel().line_width(2).fill_opacity(0).legend(legend).tooltip(tooltip)
    if is_logarithmic:
        scale = common_builders.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)
        panel = panel.scale_distribution(scale)
    elif least is not None:
        panel = panel.min(least)
    if bounds:
        style = common_builders.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE)
        panel = panel.thresholds(_thresholds(bounds)).thresholds_style(style)
    return _with_targets(_dressed(panel, title, _told(description, queries), unit, width, CHART_HEIGHT), queries)


def figure(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    width: int = QUARTER_ROW,
    bounds: Sequence[Bound] = (),
    decimals: int | None = None,
) -> Panel:
    """The value of this moment, large; colours from bounds.

    It is asked for at the end of the board's time alone. The last that there was in that time would be shown for ever:
    a price of a load that is over, a green of a generator that is gone, a level that was withdrawn.
    """
    last = common_builders.ReduceDataOptions().calcs(["lastNotNull"])
    panel = stat.Panel().graph_mode(BigValueGraphMode.NONE).color_mode(BigValueColorMode.VALUE).reduce_options(last)
    panel = panel.thresholds(_thresholds(bounds))
    if decimals is not None:
        panel = panel.decimals(decimals)
    panel = _dressed(panel, title, _told(description, queries), unit, width, STAT_HEIGHT)
    for ref, query in zip(REFS, queries, strict=False):
        panel = panel.with_target(_target(ref, query).instant())
    return panel


def rows(
    title: str,
    description: str,
    labels: Sequence[str],
    columns: Sequence[Column],
    *,
    width: int = HALF_ROW,
) -> Panel:
    """Values of this moment as a table: a row for each set of these labels, a column for each query.

    Every query's series have these labels and no others, so that rows meet. Grafana calls the values of one query
    "Value", of several "Value #A" and so on.
    """
    queries = [Query(f"max by ({', '.join(labels)}) ({one.expr})", one.name) for one in columns]
    panel = table.Panel()
    if "users" in labels:
        panel = panel.sort_by([common_builders.TableSortByFieldState().display_name("users").desc(False)])
    panel = _dressed(panel, title, _told(description, queries), columns[0].unit, width, CHART_HEIGHT)
    refs = REFS[: len(columns)]
    for ref, query in zip(refs, queries, strict=True):
        panel = panel.with_target(_target(ref, query).instant().format(PromQueryFormat.TABLE))
    for ref, column in zip(refs, columns, strict=True):
        shown = [DynamicConfigValue("unit", column.unit), DynamicConfigValue("displayName", column.name)]
        panel = panel.override_by_name("Value" if len(columns) == 1 else f"Value #{ref}", shown)
    for step, options in _table_steps(labels, len(columns)):
        panel = panel.with_transformation(DataTransformerConfig(id_val=step, options=options))
    return panel


def _table_steps(labels: Sequence[str], columns: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """One row for each set of labels, users as numbers, and no column of the moment."""
    if columns > 1:
        yield "merge", {}
    if "users" in labels:
        yield "convertFieldType", {"conversions": [{"targetField": "users", "destinationType": "number"}], "fields": {}}
    order = {name: place for place, name in enumerate(labels)}
    yield "organize", {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": {}}


def against_users(title: str, description: str, unit: str, query: Query, *, width: int = HALF_ROW) -> Panel:
    """Points of this moment, one for each (stack, users): the value against the users of its label, by stack.

    One wide frame, users and a column for each stack, is what every Grafana from 10 on makes points of by itself. Both
    axes are logarithmic: Grafana draws the empty cells of levels that one stack alone was measured at as zeros, which a
    logarithmic axis has not.
    """
    axis = common_builders.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)
    panel = _XyChart().legend(_legend()).scale_distribution(axis)
    panel = _dressed(panel, title, _told(description, [query]), unit, width, CHART_HEIGHT)
    panel = panel.with_target(_target("A", query).instant().format(PromQueryFormat.TABLE))
    named = [DynamicConfigValue("unit", "short"), DynamicConfigValue("displayName", "users")]
    panel = panel.override_by_name(USERS_FIELD, named)
    matrix = {"rowField": "users", "columnField": "stack", "valueField": "Value", "emptyValue": "null"}
    numbers = {"conversions": [{"targetField": USERS_FIELD, "destinationType": "number"}], "fields": {}}
    for step, options in (("groupingToMatrix", matrix), ("convertFieldType", numbers)):
        panel = panel.with_transformation(DataTransformerConfig(id_val=step, options=options))
    return panel


class _XyChart(xychart.Panel):
    """The SDK's, with the version that its options are written for.

    Without it Grafana takes them for those of before 11.1, and migrates them to series chosen by hand, of which there
    are none: a blank panel.
    """

    def __init__(self) -> None:
        super().__init__()
        self._internal.plugin_version = XYCHART_VERSION


def _legend() -> common_builders.VizLegendOptions:
    shown = common_builders.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    return shown.placement(LegendPlacement.BOTTOM)


def _told(description: str, queries: Sequence[Query]) -> str:
    """The description, and what must be known of figures of that kind."""
    exprs = " ".join(query.expr for query in queries)
    notes = [note for kind, note in NOTES.items() if re.search(kind, exprs)]
    return " ".join((description, *notes))


def _dressed(panel: Panel, title: str, description: str, unit: str, width: int, height: int) -> Panel:
    panel = panel.title(title).description(description).unit(unit).datasource(DATASOURCE)
    return panel.span(width).height(height).no_value("no data")


def _with_targets(panel: Panel, queries: Sequence[Query]) -> Panel:
    for ref, query in zip(REFS, queries, strict=False):
        panel = panel.with_target(_target(ref, query).range())
    return panel


def _target(ref: str, query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref).expr(query.expr).legend_format(query.legend).datasource(DATASOURCE)


def _thresholds(bounds: Sequence[Bound]) -> dashboards.ThresholdsConfig:
    steps = [Threshold(value=None, color=GREEN), *(Threshold(value=one.value, color=one.color) for one in bounds)]
    return dashboards.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
