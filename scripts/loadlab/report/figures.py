"""The charts of a report, picked out of results.json. Nothing is computed here: figures are placed and named."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.report.charts import Chart, Level, Point, Series
from loadlab.report.curves import by_stack, comparisons_of, headline_curve, marks_of, point_at, spoken, tested_users
from loadlab.report.level_figures import cause_charts, load_charts
from loadlab.report.results import Results
from loadlab.report.words import INVERSE_THROUGHPUT, STATISTICS, margin_text, price_text, range_text
from loadlab.units import format_ratio, format_usd


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """All charts of a report, by the section they belong to."""

    heroes: tuple[Chart, ...]
    """The curve that decides: its cost where it has one, then its ratio."""
    costs: tuple[Chart, ...]
    """Cost on the other price lists."""
    ratios: tuple[Chart, ...]
    """Ratio of the other curves."""
    load: tuple[Chart, ...]
    causes: tuple[Chart, ...]


def build_figures(results: Results) -> Figures:
    """Every chart of the report; one without data says why in ``absent``."""
    decisive = headline_curve(results)
    billed = _billed(results)
    first = [curve for curve in billed if _same(curve, decisive, "list", "billing")]
    rest = [curve for curve in billed if curve not in first]
    others = [curve for curve in results["brackets"] if not _same(curve, decisive, "statistic", "list", "billing")]
    return Figures(
        heroes=(*(_cost_chart(results, curve, "cost") for curve in first), *_hero_ratio(results, decisive)),
        costs=tuple(_cost_chart(results, curve, f"cost-{index}") for index, curve in enumerate(rest)),
        ratios=tuple(ratio_chart(results, curve, f"ratio-{index}") for index, curve in enumerate(others)),
        load=tuple(load_charts(results)),
        causes=cause_charts(results),
    )


def _same(one: Results, other: Results, *keys: str) -> bool:
    return all(one[key] == other[key] for key in keys)


def _hero_ratio(results: Results, curve: Results) -> tuple[Chart, ...]:
    if len(results["stacks"]) < 2:
        return ()
    return (ratio_chart(results, curve, "ratio", predicted=_predicted(results)),)


def ratio_chart(results: Results, curve: Results, key: str, predicted: tuple[Series, ...] = ()) -> Chart:
    """The ratio of the two stacks against users, with the margin and, where given, what the law predicted."""
    points = tuple(_ratio_point(comparison) for comparison in comparisons_of(results, curve))
    margin = results["experiment"]["margin_ratio"]
    statistic, pair = STATISTICS[curve["statistic"]], " over ".join(stack["name"] for stack in results["stacks"])
    measured = Series(label="measured", tone="measured", points=points)
    return Chart(
        key=key,
        title=f"Ratio {pair}: {statistic}, {price_text(curve)}",
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
        note=curve_note(curve),
        absent=None if points else "no comparison has a used pair of windows",
    )


def curve_note(curve: Results) -> str | None:
    """What a reader must know beside a curve: that prices cancel, and what the analysis remarks."""
    inverse = INVERSE_THROUGHPUT if curve["is_inverse_throughput"] else None
    note: str | None = curve["note"]
    remark = f"{note[:1].upper()}{note[1:].rstrip('.')}." if note else None
    return " ".join(text for text in (inverse, remark) if text) or None


def _ratio_point(comparison: Results) -> Point:
    lower, upper = comparison["lower_ratio"], comparison["upper_ratio"]
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


def _predicted(results: Results) -> tuple[Series, ...]:
    prediction = results["prediction"]
    if not prediction or not prediction["curve_users"]:
        return ()
    users = tested_users(results)
    pairs = zip(prediction["curve_users"], prediction["curve_ratio"], strict=False)
    points = tuple(Point(users=count, value=ratio) for count, ratio in pairs if users[0] <= count <= users[-1])
    return (Series(label="law", tone="predicted", points=points, dashed=True, markers=False),) if points else ()


def _billed(results: Results) -> list[Results]:
    """One record for each (price list, billing model), with the bracket of its cost per million good requests."""
    curves: dict[tuple[str, str], Results] = {}
    for cost in results["cost"]:
        curves.setdefault((cost["list"], cost["billing"]), _billed_curve(results, cost))
    return list(curves.values())


def _billed_curve(results: Results, cost: Results) -> Results:
    curves: list[Results] = results["brackets"]
    same = [curve for curve in curves if _same(curve, cost, "list", "billing")]
    unknown = {"lower_users": None, "upper_users": None, "kind": "capacity"}
    fallback: Results = {**cost, "bracket": unknown, "note": None}
    return next((curve for curve in same if curve["statistic"] == "cost_per_million_good"), fallback)


def _cost_chart(results: Results, curve: Results, key: str) -> Chart:
    rows = [cost for cost in results["cost"] if (cost["list"], cost["billing"]) == (curve["list"], curve["billing"])]
    series = by_stack(results, rows, _cost_point)
    return Chart(
        key=key,
        title=f"US dollars per million good requests: {price_text(curve)}",
        description=f"US dollars per million good requests on {price_text(curve)}, against concurrent users. "
        + spoken(series),
        quantity="usd",
        users=tested_users(results),
        series=series,
        marks=marks_of(results, curve["bracket"]),
        note=curve_note(curve),
        absent=None if series else "no level has a cost per million good requests on this list",
    )


def _cost_point(cost: Results) -> Point | None:
    value, lower, upper = (cost[f"usd_per_million_good{end}"] for end in ("", "_lower", "_upper"))
    return None if value is None else point_at(cost, value, lower, upper, format_usd)
