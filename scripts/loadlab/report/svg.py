"""Charts as inline SVG: no script, no font, no colour of its own (the page's style sheet gives them)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from loadlab.report.charts import Chart, Marks, Point, Series, axis_unit
from loadlab.report.scale import Scale, nice_ticks, spread, thin_labels, tick_decimals, users_scale

CHAR_WIDTH = 6.4
"""Mean width of a character of an 11.5 px label, in the units of the picture."""
BOLD_WIDTH = 7.2
LABEL_CHARS = 15
LINE_HEIGHT = 13.0
_UNIT_ROW = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Size of a picture; ``mark_rows`` keeps room above the plot for the labels of bracket, prediction and claim."""

    name: str
    width: float
    height: float
    mark_rows: bool = False

    @property
    def top(self) -> float:
        """Where the plot begins."""
        return 62.0 if self.mark_rows else 20.0

    @property
    def bottom(self) -> float:
        """Where the plot ends."""
        return self.height - 38.0


PANEL = Frame(name="panel", width=360, height=236)
WIDE = Frame(name="wide", width=600, height=370, mark_rows=True)
NARROW = Frame(name="narrow", width=360, height=310, mark_rows=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plot:
    chart: Chart
    frame: Frame
    x: Scale
    y: Scale
    ticks: tuple[float, ...]
    factor: float
    unit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _MarkLabel:
    """A label above the plot: its middle, half its width, its base line, and its row from the top."""

    text: str
    css: str
    x: float
    y: float
    half: float
    row: int

    def covers(self, position: float) -> bool:
        """Whether a line at ``position`` would run through it."""
        return abs(position - self.x) <= self.half + 3


def draw(chart: Chart, frame: Frame) -> str:
    """The picture of ``chart`` as one ``<svg>`` element; the same bytes for the same chart."""
    plot = _plot(chart, frame)
    name = f"{chart.key}-{frame.name}"
    body = [
        *_grid(plot),
        *_bracket(plot),
        *_level_lines(plot),
        *_mark_lines(plot),
        *(part for series in chart.series for part in _series(plot, series)),
        *_mark_labels(plot),
        *_end_labels(plot),
        *_axes(plot),
    ]
    return (
        f'<svg class="chart {frame.name}" viewBox="0 0 {frame.width:g} {frame.height:g}" role="img" '
        f'aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{escape(chart.title)}</title>'
        f'<desc id="{name}-d">{escape(chart.description)}</desc>{"".join(body)}</svg>'
    )


def _plot(chart: Chart, frame: Frame) -> _Plot:
    low, high = _extent(chart)
    factor, unit = axis_unit(chart.quantity, high)
    ticks = nice_ticks(low * factor, high * factor)
    right = frame.width - max(18.0, _label_room(chart))
    left = 16.0 + CHAR_WIDTH * max(min(3, len(unit)), *(len(_tick_text(tick, ticks)) for tick in ticks))
    return _Plot(
        chart=chart,
        frame=frame,
        x=users_scale(chart.users, left, right),
        y=Scale(low=ticks[0] / factor, high=ticks[-1] / factor, start=frame.bottom, end=frame.top),
        ticks=ticks,
        factor=factor,
        unit=unit,
    )


def _extent(chart: Chart) -> tuple[float, float]:
    points = [point for series in chart.series for point in series.points]
    values = [value for point in points for value in (point.value, point.lower, point.upper) if value is not None]
    values += [level.value for level in chart.levels]
    return (0.0 if chart.from_zero else min(values)), max(values)


def _label_room(chart: Chart) -> float:
    labels = [series.label for series in chart.series] + [level.label for level in chart.levels]
    return 14.0 + BOLD_WIDTH * max((len(_short(label)) for label in labels), default=0)


def _short(label: str) -> str:
    return label if len(label) <= LABEL_CHARS else label[: LABEL_CHARS - 1] + "…"


def _tick_text(tick: float, ticks: tuple[float, ...]) -> str:
    return f"{tick:,.{tick_decimals(ticks)}f}".replace(",", "\u202f")


def _text(x: float, y: float, text: str, css: str, anchor: str = "start") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _grid(plot: _Plot) -> Iterator[str]:
    for tick in plot.ticks:
        height = plot.y.at(tick / plot.factor)
        yield _line(plot.x.start, height, plot.x.end, height, "grid")
        yield _text(plot.x.start - 6, height + 4, _tick_text(tick, plot.ticks), "tick", "end")
    if plot.unit:
        yield _text(plot.x.start - 6, plot.frame.top - 9, plot.unit, "unit", "end" if len(plot.unit) < 4 else "middle")


def _axes(plot: _Plot) -> Iterator[str]:
    users = plot.chart.users
    positions = [plot.x.at(count) for count in users]
    texts = [f"{count:g}" for count in users]
    yield _line(plot.x.start, plot.frame.bottom, plot.x.end, plot.frame.bottom, "axis")
    for position in positions:
        yield _line(position, plot.frame.bottom, position, plot.frame.bottom + 4, "axis")
    for index in thin_labels(positions, [CHAR_WIDTH * len(text) for text in texts]):
        yield _text(positions[index], plot.frame.bottom + 16, texts[index], "tick", "middle")
    kind = f"{plot.chart.axis} (logarithmic)" if plot.x.is_log else plot.chart.axis
    yield _text((plot.x.start + plot.x.end) / 2, plot.frame.bottom + 32, kind, "unit", "middle")


def _bracket(plot: _Plot) -> Iterator[str]:
    marks = plot.chart.marks
    if marks.upper_users is None:
        return
    left = plot.x.start if marks.lower_users is None else plot.x.at(marks.lower_users)
    right = plot.x.at(marks.upper_users)
    top, bottom = plot.frame.top, plot.frame.bottom
    yield f'<rect class="bracket" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"/>'


def _mark_lines(plot: _Plot) -> Iterator[str]:
    """Each mark from under its label to the axis, broken where it would cross the label of another row."""
    labels = _labels(plot)
    for row, (users, _, css) in enumerate(_mark_rows(plot.chart.marks)):
        if users is None or not plot.x.holds(users):
            continue
        position, top = plot.x.at(users), plot.frame.top
        for label in labels:
            if label.row > row and not label.covers(position):
                yield _line(position, label.y - LINE_HEIGHT + 4, position, label.y + 4, css)
        yield _line(position, top - (1 if labels else 0), position, plot.frame.bottom, css)


def _mark_labels(plot: _Plot) -> Iterator[str]:
    for label in _labels(plot):
        yield _text(label.x, label.y, label.text, label.css, "middle")


def _labels(plot: _Plot) -> tuple[_MarkLabel, ...]:
    """The labels above the plot: claim, prediction and bracket, a row each; none in frames without room for them."""
    marks = plot.chart.marks
    if not plot.frame.mark_rows:
        return ()
    found = [
        _placed(plot, plot.x.at(users), text, f"{css}-text", row)
        for row, (users, text, css) in enumerate(_mark_rows(marks))
        if users is not None and plot.x.holds(users)
    ]
    if marks.upper_users is not None:
        left = plot.x.start if marks.lower_users is None else plot.x.at(marks.lower_users)
        found.append(_placed(plot, (left + plot.x.at(marks.upper_users)) / 2, marks.bracket_label, "mark-bracket", 2))
    return tuple(found)


def _mark_rows(marks: Marks) -> tuple[tuple[float | None, str, str], ...]:
    return (
        (marks.claimed_users, marks.claimed_label, "mark-claim"),
        (marks.predicted_users, marks.predicted_label, "mark-predicted"),
    )


def _placed(plot: _Plot, position: float, label: str, css: str, row: int) -> _MarkLabel:
    half = BOLD_WIDTH * len(label) / 2
    least = _unit_end(plot) + 4 if row == _UNIT_ROW else 2.0
    centre = max(least + half, min(position, plot.frame.width - half - 2))
    return _MarkLabel(text=label, css=css, x=centre, y=plot.frame.top - 6 - LINE_HEIGHT * (2 - row), half=half, row=row)


def _unit_end(plot: _Plot) -> float:
    """Where the name of the vertical axis ends, which stands in the lowest row above the plot."""
    return plot.x.start - 6 + (0 if len(plot.unit) < 4 else CHAR_WIDTH * len(plot.unit) / 2)


def _level_lines(plot: _Plot) -> Iterator[str]:
    for level in plot.chart.levels:
        height = plot.y.at(level.value)
        yield _line(plot.x.start, height, plot.x.end, height, "level strong" if level.strong else "level")


def _series(plot: _Plot, series: Series) -> Iterator[str]:
    dodge = {"one": -2.5, "two": 2.5}.get(series.tone, 0.0)
    places = [(plot.x.at(point.users), plot.y.at(point.value)) for point in series.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashed = " dashed" if series.dashed else ""
    yield f'<g class="series {series.tone}{dashed}"><polyline points="{path}"/>'
    if series.markers:
        for point, (x, y) in zip(series.points, places, strict=True):
            yield f"<g><title>{escape(point.text)}</title>{_whisker(plot, point, x + dodge)}"
            css = "dot hollow" if point.doubtful else "dot"
            yield f"{_marker(x, y, css, square=series.tone == 'two')}</g>"
    yield "</g>"


def _whisker(plot: _Plot, point: Point, x: float) -> str:
    if point.lower is None or point.upper is None:
        return ""
    low, high = plot.y.at(point.lower), plot.y.at(point.upper)
    return f'<path class="whisker" d="M{x - 3:.1f} {low:.1f}h6M{x:.1f} {low:.1f}V{high:.1f}M{x - 3:.1f} {high:.1f}h6"/>'


def _marker(x: float, y: float, css: str, *, square: bool) -> str:
    if square:
        return f'<rect class="{css}" x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4"/>'
    return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="3.6"/>'


def _end_labels(plot: _Plot) -> Iterator[str]:
    ends = [
        (series.label, f"end {series.tone}", plot.y.at(series.points[-1].value))
        for series in plot.chart.series
        if series.label and series.points
    ]
    ends += [(level.label, "end level-text", plot.y.at(level.value)) for level in plot.chart.levels]
    heights = spread([height for _, _, height in ends], LINE_HEIGHT, plot.frame.top, plot.frame.bottom)
    for (label, css, _), height in zip(ends, heights, strict=True):
        yield _text(plot.x.end + 8, height + 4, _short(label), css)
