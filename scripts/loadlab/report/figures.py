"""The charts of a report, picked out of results.json. Nothing is computed here: figures are placed and named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from loadlab.report.brackets import BracketLine, bracket_lines, same_curve
from loadlab.report.charts import Chart, Level, Point, Series
from loadlab.report.curves import by_stack, comparisons_of, headline_curve, marks_of, point_at, spoken, tested_users
from loadlab.report.level_figures import cause_charts, load_charts
from loadlab.report.prices import price_line
from loadlab.report.results import Results
from loadlab.report.words import INVERSE_THROUGHPUT, SAME_AS_THROUGHPUT, STATISTICS, margin_text, range_text
from loadlab.units import format_ratio, format_usd

_COSTS = {
    "cost_per_million_good": ("usd_per_million_good", "US dollars per million good requests"),
    "usd_per_hour_at_users": ("usd_per_hour_at_users", "US dollars per hour to carry N users"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveFigures:
    """One curve beside the decisive one: its name, its answer in one line, its charts and what to know of it.

    The name says whose prices they are, so that its charts do not.
    """

    name: str
    answer: str
    charts: tuple[Chart, ...]
    note: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """All charts of a report, by the section they belong to."""

    heroes: tuple[Chart, ...]
    """The curve that decides: its cost where it has one, then its ratio."""
    hero_note: str | None
    lists: tuple[CurveFigures, ...]
    """The declared statistic on the other price lists."""
    others: tuple[CurveFigures, ...]
    """The other statistics."""
    load: tuple[Chart, ...]
    causes: tuple[Chart, ...]


def build_figures(results: Results) -> Figures:
    """Every chart of the report; one without data says why in ``absent``."""
    decisive = _decisive(results)
    lines = bracket_lines(results) if results["brackets"] else _unbracketed(results, decisive)
    made = [(line.curve, _curve_figures(results, line, index)) for index, line in enumerate(lines)]
    same = [figures for curve, figures in made if curve["statistic"] == decisive["statistic"]]
    return Figures(
        heroes=tuple(_hero_charts(results, decisive)),
        hero_note=_hero_note(results, decisive),
        lists=tuple(same),
        others=tuple(figures for _, figures in made if figures not in same),
        load=tuple(load_charts(results)),
        causes=cause_charts(results),
    )


def drawn(charts: Iterable[Chart]) -> tuple[Chart, ...]:
    """The charts that have something to draw."""
    return tuple(chart for chart in charts if chart.absent is None)


def undrawn_lines(charts: Iterable[Chart]) -> tuple[str, ...]:
    """One line for each reason why charts have nothing to draw, with the names of those charts."""
    titles: dict[str, list[str]] = {}
    for chart in charts:
        if chart.absent is not None:
            titles.setdefault(chart.absent, []).append(chart.title)
    return tuple(f"No chart of {', '.join(found)}: {reason}." for reason, found in titles.items())


def curve_note(curve: Results, inverse: str = SAME_AS_THROUGHPUT) -> str | None:
    """What a reader must know beside a curve: that prices cancel, or else what the analysis remarks."""
    if curve["is_inverse_throughput"]:
        return inverse
    note: str | None = curve["note"]
    return f"{note[:1].upper()}{note[1:].rstrip('.')}." if note else None


def _hero_note(results: Results, decisive: Results) -> str | None:
    shown = decisive["constant_ratio"] or comparisons_of(results, decisive)
    return curve_note(decisive, INVERSE_THROUGHPUT) if shown else None


def _decisive(results: Results) -> Results:
    """The curve that decides; in a run of one stack, which compares nothing, the first bill."""
    headline = headline_curve(results)
    if len(results["stacks"]) == 2 or not results["cost"]:
        return headline
    return _bill(results["cost"][0])


def _bill(cost: Results) -> Results:
    unknown = {"lower_users": None, "upper_users": None, "kind": "capacity"}
    return {**cost, "statistic": "cost_per_million_good", "bracket": unknown, "note": None, "constant_ratio": None}


def _unbracketed(results: Results, decisive: Results) -> tuple[BracketLine, ...]:
    bills = {(cost["list"], cost["billing"]): _bill(cost) for cost in results["cost"]}
    return tuple(
        BracketLine(curve=curve, name=price_line(results, curve), answer="")
        for curve in bills.values()
        if not same_curve(curve, decisive)
    )


def _curve_figures(results: Results, line: BracketLine, index: int) -> CurveFigures:
    same_statistic = line.curve["statistic"] == _decisive(results)["statistic"] and line.curve["list"] is not None
    name = price_line(results, line.curve) if same_statistic else line.name
    charts = tuple(replace(chart, subtitle="") for chart in _charts(results, line.curve, f"curve-{index}"))
    return CurveFigures(name=name, answer=line.answer, charts=charts, note=curve_note(line.curve))


def _charts(results: Results, curve: Results, key: str) -> Iterator[Chart]:
    if curve["statistic"] in _COSTS:
        yield _cost_chart(results, curve, f"{key}-cost")
    if len(results["stacks"]) == 2:
        yield ratio_chart(results, curve, f"{key}-ratio")


def _hero_charts(results: Results, curve: Results) -> Iterator[Chart]:
    if curve["statistic"] in _COSTS and curve["list"] is not None:
        yield _cost_chart(results, curve, "cost")
    if len(results["stacks"]) == 2:
        yield ratio_chart(results, curve, "ratio", predicted=_predicted(results, curve))


def ratio_chart(results: Results, curve: Results, key: str, predicted: tuple[Series, ...] = ()) -> Chart:
    """The ratio of the two stacks against users, with the margin and, where given, what the law predicted."""
    points = tuple(_ratio_point(pair) for pair in comparisons_of(results, curve) if pair["ratio"] is not None)
    margin = results["experiment"]["margin_ratio"]
    statistic, pair = STATISTICS[curve["statistic"]], " over ".join(stack["name"] for stack in results["stacks"])
    measured = Series(label="measured", tone="measured", points=points)
    return Chart(
        key=key,
        title=f"Ratio {pair}",
        subtitle=statistic,
        description=f"Ratio of {statistic}, {pair}, against concurrent users. {spoken((measured,))}",
        quantity="ratio",
        users=tested_users(results),
        series=(*predicted, measured) if points else (),
        marks=marks_of(results, curve["bracket"]),
        levels=(
            Level(value=1.0, label="equal"),
            Level(value=1 + margin, label=f"{margin_text(margin)} margin", strong=True),
        ),
        from_zero=False,
        absent=None if points else _no_ratio(curve),
    )


def _no_ratio(curve: Results) -> str:
    return curve["bracket"]["reason"] if curve["constant_ratio"] else "no comparison has a used pair of windows"


def _ratio_point(comparison: Results) -> Point:
    lower, upper = comparison["lower_ratio"], comparison["upper_ratio"]
    if lower is None or upper is None:
        lower = upper = None
    invalid = "" if comparison["valid"] else ", level invalid"
    interval = range_text(format_ratio(lower, 3), format_ratio(upper, 3))
    return Point(
        users=comparison["users"],
        value=comparison["ratio"],
        lower=lower,
        upper=upper,
        doubtful=not comparison["valid"],
        text=f"{comparison['users']} users: {format_ratio(comparison['ratio'], 3)} "
        f"(interval {interval}), {comparison['blocks']} blocks{invalid}",
    )


def _predicted(results: Results, curve: Results) -> tuple[Series, ...]:
    """The law's curve where it speaks of this ratio: at one fixed price, which is the inverse ratio of goodput."""
    prediction = results["prediction"]
    fits = curve["is_inverse_throughput"] or curve["statistic"] == "goodput"
    if not fits or not prediction or not prediction["curve_users"]:
        return ()
    users = tested_users(results)
    pairs = zip(prediction["curve_users"], prediction["curve_ratio"], strict=False)
    inside = ((count, ratio) for count, ratio in pairs if ratio is not None and users[0] <= count <= users[-1])
    points = tuple(Point(users=count, value=ratio) for count, ratio in inside)
    return (Series(label="law", tone="predicted", points=points, dashed=True, markers=False),) if points else ()


def _cost_chart(results: Results, curve: Results, key: str) -> Chart:
    rows = [cost for cost in results["cost"] if (cost["list"], cost["billing"]) == (curve["list"], curve["billing"])]
    field, title = _COSTS[curve["statistic"]]
    series = by_stack(results, rows, lambda cost: _cost_point(cost, field))
    return Chart(
        key=key,
        title=title,
        subtitle=price_line(results, curve),
        description=f"{title} on {price_line(results, curve)}, against concurrent users. {spoken(series)}",
        quantity="usd",
        users=tested_users(results),
        series=series,
        marks=marks_of(results, curve["bracket"]),
        absent=None if series else "no level has this cost on this list",
    )


def _cost_point(cost: Results, field: str) -> Point | None:
    value, lower, upper = (cost.get(f"{field}{end}") for end in ("", "_lower", "_upper"))
    return None if value is None else point_at(cost, value, lower, upper, format_usd)
