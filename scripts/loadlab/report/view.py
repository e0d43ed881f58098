"""Everything a report shows, as formatted text in the order a reader needs it: answer, evidence, doubts, details."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loadlab.report.arrivals import arrival_tables, is_open
from loadlab.report.brackets import BracketLine, absent_lines, bracket_lines, bracket_table, decisive_table
from loadlab.report.cells import Table
from loadlab.report.cluster import cluster_differences, cluster_tables
from loadlab.report.curves import comparisons_of, headline_curve
from loadlab.report.doubts import DoubtGroup, doubt_groups
from loadlab.report.figures import Figures, build_figures
from loadlab.report.lists import Item, control_items, count_items, prediction_items, provenance_items, setting_items
from loadlab.report.prices import price_table
from loadlab.report.results import Results
from loadlab.report.tables import (
    bill_tables,
    comparison_table,
    demand_table,
    level_table,
    stack_table,
    window_table,
)
from loadlab.report.tallies import unheld
from loadlab.report.words import (
    ATTRIBUTIONS,
    BADGES,
    CLAIM_ANSWERS,
    CLOSED_LOOP,
    OPEN_LOOP,
    Badge,
    beyond_text,
    bracket_text,
    miss_text,
    no_number,
    plain_users,
    point_text,
    range_text,
    undecided_text,
    users_text,
    utc_text,
)
from loadlab.units import ABSENT, counted, format_count, format_percent, format_ratio


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
    answer: str
    settings_line: str
    doubts_line: str
    key_figures: tuple[KeyFigure, ...]
    stack_names: tuple[str, ...]
    stack_labels: tuple[str, ...]
    statistic: str
    """The declared one, as results.json names it."""
    calibration: str
    compared: bool
    """Whether two stacks were compared; one stack makes a capacity run."""
    bracketed: bool
    predicted: bool
    claimed: bool
    doubtful: bool
    """Whether any level is invalid and therefore drawn hollow."""
    loop_note: str
    """What a closed or open loop means for percentiles."""
    arrivals: tuple[Table, ...]
    """Of an open load; empty for a closed one."""
    figures: Figures
    decisive: Table
    brackets: Table
    lines: tuple[BracketLine, ...]
    absent_curves: tuple[str, ...]
    prices: Table
    bills: tuple[Table, ...]
    hourly: bool
    """Whether any bill has US dollars per hour."""
    explanation: tuple[str, ...]
    demands: Table
    prediction: tuple[Item, ...]
    control: tuple[Item, ...]
    counts: tuple[Item, ...]
    doubts: tuple[DoubtGroup, ...]
    stacks: Table
    settings: tuple[Item, ...]
    levels: Table
    comparisons: Table
    windows: Table
    cluster: tuple[Table, ...]
    cluster_lines: tuple[str, ...]
    """How a run on a cluster differs from one on pinned processes; empty for the latter."""
    reproduce: tuple[str, ...]
    provenance: tuple[Item, ...]
    toml: str


def build_view(results: Results) -> ReportView:
    """The report of parsed results.json; needs no clock, no locale and no randomness."""
    provenance, verdict, experiment = results["provenance"], results["verdict"], results["experiment"]
    return ReportView(
        **_head(experiment),
        run_id=results["run_id"],
        made=utc_text(provenance.get("started_unix_s")),
        badge=BADGES[verdict["kind"]],
        answer=verdict["answer"],
        settings_line="; ".join(verdict["settings"]),
        doubts_line="; ".join(verdict["doubts"]),
        key_figures=tuple(key_figures(results)),
        **_legend(results),
        **_cluster(results),
        statistic=experiment["statistic"],
        calibration=str(provenance.get("calibration") or ABSENT),
        **_loop(results),
        figures=build_figures(results),
        decisive=decisive_table(results),
        brackets=bracket_table(results),
        lines=bracket_lines(results),
        absent_curves=absent_lines(results),
        prices=price_table(results),
        bills=bill_tables(results),
        hourly=any(cost["usd_per_hour_at_users"] is not None for cost in results["cost"]),
        explanation=tuple(one["sentence"] for one in results["explanation"]),
        demands=demand_table(results),
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
        toml=experiment["toml"],
    )


def _loop(results: Results) -> dict[str, Any]:
    """What kind of load it was."""
    return {"loop_note": OPEN_LOOP if is_open(results) else CLOSED_LOOP, "arrivals": arrival_tables(results)}


def _head(experiment: Results) -> dict[str, Any]:
    return {"title": experiment["id"], "question": experiment["question"]}


def _cluster(results: Results) -> dict[str, Any]:
    """What only a run on Kubernetes has; empty for another."""
    return {"cluster": cluster_tables(results), "cluster_lines": cluster_differences(results)}


def _legend(results: Results) -> dict[str, Any]:
    """The stacks' names, and which of the charts' marks a reader will meet."""
    return {
        "stack_names": tuple(stack["name"] for stack in results["stacks"]),
        "stack_labels": tuple(stack["label"] for stack in results["stacks"]),
        "compared": len(results["stacks"]) == 2,
        "bracketed": results["bracket"]["kind"] in ("diverges", "diverged_at_first"),
        "predicted": bool(results["prediction"] and results["prediction"]["users"]),
        "claimed": results["claim"]["users"] is not None,
        "doubtful": any(not comparison["valid"] for comparison in results["comparisons"]),
    }


def key_figures(results: Results) -> Iterator[KeyFigure]:
    """The figures that a reader takes away, the claim and the doubts among them."""
    if len(results["stacks"]) == 2:
        yield _threshold(results["bracket"])
        yield from _effect(results)
        yield from _claim(results)
        yield from _prediction(results)
    else:
        yield from _capacity(results)
    yield from _stages(results["refined"])
    control = results["aa"]
    resolution = format_percent(control["resolution_ratio"])
    yield KeyFigure(term="Resolution", value=resolution, detail=_control_state(control))
    counts = results["counts"]
    yield KeyFigure(
        term="Valid windows",
        value=f"{format_count(counts['valid'])} of {format_count(counts['windows'])}",
        detail=f"{counts['repeated']} repeated, {counted(counts['missing_pairs'], 'pair')} missing, "
        f"{counted(counts['blocks'], 'block')}",
    )


def _stages(refined: Results | None) -> Iterator[KeyFigure]:
    """Of a run that may have a second stage: how many it had, its share of alpha, and why."""
    if refined is not None:
        done = "2" if refined["levels"] else "1 of at most 2"
        detail = f"{refined['reason']}; each stage at alpha {refined['stage_alpha']:g}"
        yield KeyFigure(term="Stages", value=done, detail=detail)


def _control_state(control: Results) -> str:
    if control["fired"] is None:
        return f"A/A control not judged: {control['reason'] or 'it was not measured'}"
    return f"A/A control {'fired' if control['fired'] else 'quiet'} at {control['users']} users"


def _threshold(bracket: Results) -> KeyFigure:
    detail = undecided_text(bracket) if bracket["kind"] in ("inconclusive", "invalid") else beyond_text(bracket)
    if bracket["estimate_users"] is not None:
        crossing = f"crosses near {plain_users(bracket['estimate_users'])} (approximate)"
        detail = "; ".join(part for part in (crossing, detail) if part)
    value = bracket_text(bracket) if bracket["kind"] not in ("inconclusive", "invalid") else "open"
    return KeyFigure(term="Threshold N*", value=value, detail=detail or bracket["reason"] or "")


def _capacity(results: Results) -> Iterator[KeyFigure]:
    for stack in results["stacks"]:
        held = stack["users_per_replica"]
        highest = "highest tested level that holds the objective"
        detail = unheld(results, stack["name"]) if held is None else highest
        yield KeyFigure(term=f"Users a replica holds: {stack['name']}", value=format_count(held), detail=detail)


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
        yield KeyFigure(term=f"Claim: {claim['users']} users", value=head, detail=tail or "under these settings")


def _prediction(results: Results) -> Iterator[KeyFigure]:
    prediction = results["prediction"]
    if prediction is None:
        return
    miss = miss_text(prediction)
    point = point_text(prediction)
    detail = f"measured over predicted {', '.join(filter(None, (miss, point)))}; " if miss != ABSENT else ""
    value = users_text(prediction["users"]) if prediction["users"] is not None else no_number(prediction)
    cause = f"cause: {ATTRIBUTIONS[prediction['attribution']]}"
    unknown = prediction["attribution"] == "unknown"
    yield KeyFigure(
        term="Predicted by the law", value=value, detail=prediction["reason"] if unknown else f"{detail}{cause}"
    )
