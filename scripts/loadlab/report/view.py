"""Everything a report shows, as formatted text in the order a reader needs it: answer, evidence, doubts, details."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loadlab.report.cells import Table
from loadlab.report.curves import comparisons_of, headline_curve
from loadlab.report.doubts import DoubtGroup, doubt_groups
from loadlab.report.figures import Figures, build_figures
from loadlab.report.lists import Item, control_items, count_items, prediction_items, provenance_items, setting_items
from loadlab.report.results import Results
from loadlab.report.tables import (
    bill_tables,
    bracket_table,
    comparison_table,
    level_table,
    stack_table,
    window_table,
)
from loadlab.report.words import (
    ATTRIBUTIONS,
    BADGES,
    CLAIM_ANSWERS,
    Badge,
    bracket_text,
    plain_users,
    price_text,
    range_text,
    utc_text,
)
from loadlab.units import ABSENT, format_count, format_percent, format_ratio


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFigure:
    """A tile: what it is, its value, and one line that qualifies it."""

    term: str
    value: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportView:
    """The whole report."""

    title: str
    question: str
    run_id: str
    made: str
    badge: Badge
    sentence: str
    key_figures: tuple[KeyFigure, ...]
    stack_names: tuple[str, ...]
    stack_labels: tuple[str, ...]
    headline: str
    """Statistic's price list and billing, as the charts name it."""
    calibration: str
    bracketed: bool
    predicted: bool
    claimed: bool
    figures: Figures
    brackets: Table
    bills: tuple[Table, ...]
    prediction: tuple[Item, ...]
    control: tuple[Item, ...]
    counts: tuple[Item, ...]
    doubts: tuple[DoubtGroup, ...]
    stacks: Table
    settings: tuple[Item, ...]
    levels: Table
    comparisons: Table
    windows: Table
    reproduce: tuple[str, ...]
    provenance: tuple[Item, ...]
    toml: str


def build_view(results: Results) -> ReportView:
    """The report of parsed results.json; needs no clock, no locale and no randomness."""
    provenance, verdict = results["provenance"], results["verdict"]
    return ReportView(
        title=results["experiment"]["id"],
        question=results["experiment"]["question"],
        run_id=results["run_id"],
        made=utc_text(provenance.get("started_unix_s")),
        badge=BADGES[verdict["kind"]],
        sentence=verdict["sentence"],
        key_figures=tuple(key_figures(results)),
        stack_names=tuple(stack["name"] for stack in results["stacks"]),
        stack_labels=tuple(stack["label"] for stack in results["stacks"]),
        headline=price_text(headline_curve(results)),
        calibration=str(provenance.get("calibration") or ABSENT),
        bracketed=results["bracket"]["upper_users"] is not None,
        predicted=bool(results["prediction"] and results["prediction"]["users"]),
        claimed=results["claim"]["users"] is not None,
        figures=build_figures(results),
        brackets=bracket_table(results),
        bills=bill_tables(results),
        prediction=prediction_items(results),
        control=control_items(results),
        counts=count_items(results),
        doubts=doubt_groups(results),
        stacks=stack_table(results),
        settings=setting_items(results),
        levels=level_table(results),
        comparisons=comparison_table(results),
        windows=window_table(results),
        reproduce=tuple(results["reproduce"]),
        provenance=provenance_items(results),
        toml=results["experiment"]["toml"],
    )


def key_figures(results: Results) -> Iterator[KeyFigure]:
    """The figures that a reader takes away, the claim and the doubts among them."""
    bracket = results["bracket"]
    detail = bracket["reason"] or "; ".join(_bracket_details(bracket))
    yield KeyFigure(term="Threshold N* lies in", value=bracket_text(bracket), detail=detail)
    yield from _effect(results)
    yield from _claim(results)
    yield from _prediction(results)
    control = results["aa"]
    state = {True: "A/A control fired", False: "A/A control quiet", None: "A/A control not judged"}[control["fired"]]
    resolution = format_percent(control["resolution_ratio"])
    why = f": {control['reason']}" if control["reason"] else f", at {control['users']} users"
    yield KeyFigure(term="Resolution of this run", value=resolution, detail=f"{state}{why}")
    counts = results["counts"]
    yield KeyFigure(
        term="Valid windows",
        value=f"{format_count(counts['valid'])} of {format_count(counts['windows'])}",
        detail=f"{counts['repeated']} repeated, {counts['missing_pairs']} pairs missing, {counts['blocks']} blocks",
    )


def _bracket_details(bracket: Results) -> Iterator[str]:
    if bracket["kind"] == "diverges":
        yield f"more than {plain_users(bracket['lower_users'])}, at most {plain_users(bracket['upper_users'])}"
    if bracket["estimate_users"] is not None:
        yield f"estimate {plain_users(bracket['estimate_users'])} (approximate)"


def _effect(results: Results) -> Iterator[KeyFigure]:
    wanted = results["bracket"]["upper_users"]
    if wanted is None:
        wanted = results["bracket"]["lower_users"]
    for pair in comparisons_of(results, headline_curve(results)):
        if pair["users"] == wanted:
            ends = (format_ratio(pair[end], 3) for end in ("lower_ratio", "upper_ratio"))
            detail = "no interval" if pair["lower_ratio"] is None else f"interval {range_text(*ends)}"
            yield KeyFigure(term=f"Ratio at {wanted} users", value=format_ratio(pair["ratio"], 3), detail=detail)


def _claim(results: Results) -> Iterator[KeyFigure]:
    claim = results["claim"]
    if claim["users"] is not None and claim["answer"] is not None:
        answer = CLAIM_ANSWERS[claim["answer"]]
        head, _, tail = answer.partition(": ")
        yield KeyFigure(
            term=f"Claim: {claim['users']} users", value=head, detail=tail or "under the settings of this run"
        )


def _prediction(results: Results) -> Iterator[KeyFigure]:
    prediction = results["prediction"]
    if prediction is None:
        return
    miss = prediction["miss_ratio"]
    detail = f"measured over predicted {format_ratio(miss)}; " if miss is not None else ""
    value = f"{plain_users(prediction['users'])} users" if prediction["users"] is not None else "no threshold"
    cause = ATTRIBUTIONS[prediction["attribution"]]
    yield KeyFigure(term="Predicted by the law", value=value, detail=f"{detail}cause: {cause}")
