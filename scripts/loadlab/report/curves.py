"""What the charts share: which curve decides, its comparisons, its marks, and a series for each stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from loadlab.report.charts import Marks, Point, Series, Tone
from loadlab.report.results import Results
from loadlab.report.words import bracket_text, plain_users, range_text

Show = Callable[[float | None], str]
TONES: tuple[Tone, Tone] = ("one", "two")


def headline_curve(results: Results) -> Results:
    """The curve that decides: the declared statistic under the first price list."""
    declared = results["experiment"]["statistic"]
    matching = [curve for curve in results["brackets"] if curve["statistic"] == declared]
    if matching:
        return dict(matching[0], bracket=results["bracket"])
    return {
        "statistic": declared,
        "list": None,
        "billing": None,
        "bracket": results["bracket"],
        "is_inverse_throughput": False,
        "note": None,
        "constant_ratio": None,
    }


def comparisons_of(results: Results, curve: Results) -> list[Results]:
    """The comparisons that make one curve, by users."""
    same = [
        comparison
        for comparison in results["comparisons"]
        if all(comparison[key] == curve[key] for key in ("statistic", "list", "billing"))
    ]
    return sorted(same, key=lambda comparison: comparison["users"])


def marks_of(results: Results, bracket: Results) -> Marks:
    """Bracket, prediction and claim as marks on the axis of users."""
    prediction, claim = results["prediction"], results["claim"]
    predicted = prediction["users"] if prediction else None
    found = bracket["kind"] in ("diverges", "diverged_at_first")
    return Marks(
        lower_users=bracket["lower_users"] if found else None,
        upper_users=bracket["upper_users"] if found else None,
        bracket_label=f"N* in {bracket_text(bracket)}" if bracket["kind"] == "diverges" else bracket_text(bracket),
        predicted_users=predicted,
        predicted_label=f"predicted {plain_users(predicted)}",
        claimed_users=claim["users"],
        claimed_label=f"claimed {plain_users(claim['users'])}",
    )


def tested_users(results: Results) -> tuple[float, ...]:
    """Every level that was asked for or measured, ascending: the ticks of all charts."""
    tested = {level["users"] for level in results["levels"]} | {pair["users"] for pair in results["comparisons"]}
    return tuple(sorted(tested | set(results["experiment"]["levels"]))) or (1,)


def point_at(record: Results, value: float, lower: float | None, upper: float | None, show: Show) -> Point:
    """A stack's figure at a level, with the words for it."""
    interval = f" ({range_text(show(lower), show(upper))})" if lower is not None else ""
    return Point(
        users=record["users"],
        value=value,
        lower=lower,
        upper=upper,
        text=f"{record['stack']} at {record['users']} users: {show(value)}{interval}",
    )


def by_stack(results: Results, rows: Iterable[Results], make: Callable[[Results], Point | None]) -> tuple[Series, ...]:
    """One series for each stack that has points; ``make`` gives None for a row without the figure."""
    rows = sorted(rows, key=lambda row: row["users"])
    found = []
    for stack, tone in zip(results["stacks"], TONES, strict=False):
        points = tuple(point for row in rows if row["stack"] == stack["name"] for point in [make(row)] if point)
        if points:
            found.append(Series(label=stack["name"], tone=tone, points=points))
    return tuple(found)


def spoken(series: Iterable[Series]) -> str:
    """All points in words, for readers who cannot see the picture."""
    return "; ".join(point.text for line in series for point in line.points)
