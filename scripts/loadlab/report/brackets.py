"""Where each curve crosses the margin: the declared one level by level, the others in one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from loadlab.report.arrivals import latency_field
from loadlab.report.cells import Cell, Table, columns, estimate, figure, words
from loadlab.report.curves import comparisons_of, headline_curve
from loadlab.report.prices import price_line
from loadlab.report.results import Results
from loadlab.report.tallies import absence, tallied_users, tally_rows, users_cell
from loadlab.report.words import (
    ANSWERS,
    BADGES,
    NO_INTERVAL,
    STATISTICS,
    beyond_text,
    bracket_text,
    margin_text,
    price_text,
    range_text,
    undecided_text,
    users_text,
)
from loadlab.units import ABSENT, format_bytes, format_count, format_ratio, format_rps, format_s, format_usd

_OF_LEVEL = {
    "goodput": ("goodput_rps", format_rps),
    "p95": ("p95_s", format_s),
    "memory": ("pss_bytes", format_bytes),
    "cpu_per_request": ("cpu_s_per_request", format_s),
}
_OF_COST = {"cost_per_million_good": "usd_per_million_good", "usd_per_hour_at_users": "usd_per_hour_at_users"}


@dataclass(frozen=True, kw_only=True, slots=True)
class BracketLine:
    """One curve in one line: what it is of, and where N* lies or why that is open."""

    curve: Results
    name: str
    answer: str


def decisive_table(results: Results) -> Table:
    """The declared curve level by level: both stacks, their ratio, and what the level says of the margin.

    In a run of one stack: what it carried at each level and whether the objective held.
    """
    if len(results["stacks"]) != 2:
        return _capacity_table(results)
    curve = headline_curve(results)
    names = [stack["name"] for stack in results["stacks"]]
    margin = margin_text(results["experiment"]["margin_ratio"])
    priced = "" if curve["list"] is None else f", {price_line(results, curve)}"
    return Table(
        caption=f"{_upper(STATISTICS[curve['statistic']])} at each level{priced}",
        columns=columns("Users", *names, " / ".join(names), f"'Against {margin}", "Pairs"),
        rows=tuple(_decisive_rows(results, curve)),
    )


def _decisive_rows(results: Results, curve: Results) -> Iterator[tuple[Cell, ...]]:
    """Every tested level; one without a pair says why. None where no number of users can change the ratio."""
    if curve["constant_ratio"] is not None:
        return
    tallies = tally_rows(results)
    pairs = {pair["users"]: pair for pair in comparisons_of(results, curve)}
    for users in sorted({*pairs, *tallied_users(results)}):
        here = [row for row in tallies if row["users"] == users]
        marked = users_cell(users, here)
        if users in pairs:
            yield _decisive_row(results, curve, pairs[users], marked)
        else:
            reason = "; ".join(f"{row['stack']}: {absence(row)}" for row in here if not row["used"])
            nothing = figure(ABSENT, reason or "no pair of windows counts under this statistic")
            yield (marked, *[nothing] * (len(results["stacks"]) + 1), words(ABSENT), figure("0"))


def _capacity_table(results: Results) -> Table:
    return Table(
        caption="What it carried at each level",
        columns=columns("Users", "Good/s", "p50 (closed loop)", "p95 (closed loop)", "'Objective", "Blocks"),
        rows=tuple(_capacity_rows(results)),
    )


def _capacity_rows(results: Results) -> Iterator[tuple[Cell, ...]]:
    measured = {level["users"]: level for level in results["levels"]}
    for row in tally_rows(results):
        if row["users"] in measured:
            yield _capacity_row(results, measured[row["users"]])
        else:
            nothing = (figure(ABSENT, absence(row)),) * 3
            yield (figure(str(row["users"])), *nothing, words(ABSENT), figure("0"))


def _capacity_row(results: Results, level: Results) -> tuple[Cell, ...]:
    return (
        figure(str(level["users"])),
        estimate(level["goodput_rps"], format_rps),
        estimate(level[latency_field(results, "p50_s")], format_s),
        estimate(level[latency_field(results, "p95_s")], format_s),
        words("holds" if level["objective_held"] else "broken"),
        figure(format_count(level["blocks"])),
    )


def _decisive_row(results: Results, curve: Results, pair: Results, users: Cell) -> tuple[Cell, ...]:
    sides = [stack_figure(results, curve, stack["name"], pair["users"]) for stack in results["stacks"]]
    pairs = figure(format_count(pair["blocks"]))
    return (users, *sides, ratio_cell(pair), words(answer_text(pair)), pairs)


def answer_text(pair: Results) -> str:
    """What a level says of the margin, and whether too many of its pairs are missing to trust it."""
    doubt = "" if pair["valid"] or pair["answer"] == "unknown" else ", invalid"
    return f"{ANSWERS[pair['answer']]}{doubt}"


def ratio_cell(pair: Results) -> Cell:
    """A ratio with its interval."""
    if pair["lower_ratio"] is None:
        return Cell(text=format_ratio(pair["ratio"], 3), detail=NO_INTERVAL)
    ends = (format_ratio(pair[end], 3) for end in ("lower_ratio", "upper_ratio"))
    return Cell(text=format_ratio(pair["ratio"], 3), detail=range_text(*ends))


def stack_figure(results: Results, curve: Results, stack: str, users: int) -> Cell:
    """What one stack came to at one level under the statistic and list of ``curve``."""
    here = {"stack": stack, "users": users}
    if curve["statistic"] in _OF_COST:
        cost = _find(results["cost"], here | {"list": curve["list"], "billing": curve["billing"]})
        amount = cost[_OF_COST[curve["statistic"]]] if cost else None
        return figure(format_usd(amount), "not determined by this run")
    field, show = _OF_LEVEL[curve["statistic"]]
    field = latency_field(results, field) if field == "p95_s" else field
    level = _find(results["levels"], here)
    found = level[field] if level else None
    return figure(show(found["value"] if found else None), "not measured at this level")


def _find(rows: Iterable[Results], wanted: Results) -> Results | None:
    return next((row for row in rows if all(row[key] == value for key, value in wanted.items())), None)


def bracket_table(results: Results) -> Table:
    """The declared statistic on every price list, one line each."""
    declared = headline_curve(results)["statistic"]
    curves = [curve for curve in results["brackets"] if curve["statistic"] == declared]
    return Table(
        caption=f"{_upper(STATISTICS[declared])}: the same windows under every price list",
        columns=columns("'Price list", "'Answer", "'N* lies in", "Estimate (approximate)", "'Remark"),
        rows=tuple(_bracket_row(results, curve) for curve in curves),
    )


def _bracket_row(results: Results, curve: Results) -> tuple[Cell, ...]:
    bracket = curve["bracket"]
    badge = BADGES[bracket["kind"]]
    return (
        words(price_line(results, curve)),
        words(f"{badge.sign} {badge.word}"),
        words(bracket_text(bracket)),
        figure(users_text(bracket["estimate_users"]), "no crossing between the tested levels"),
        words("; ".join(_remarks(results, curve))),
    )


def _remarks(results: Results, curve: Results) -> Iterator[str]:
    bracket = curve["bracket"]
    if curve["constant_ratio"] is not None:
        yield bracket["reason"]
        return
    if curve["is_inverse_throughput"]:
        yield "prices cancel: inverse ratio of good requests"
    if beyond := beyond_text(bracket):
        yield beyond
    if bracket["kind"] == "invalid" and bracket["reason"]:
        yield bracket["reason"]
    elif bracket["kind"] == "inconclusive":
        yield _why_absent(results, curve) or undecided_text(bracket) or bracket["reason"] or "undecided"
        if bracket["blocks_needed"] is not None:
            yield f"about {bracket['blocks_needed']} blocks would settle it"


def bracket_lines(results: Results) -> tuple[BracketLine, ...]:
    """Every curve but the decisive one that has points, or says why the declared statistic has none on its list."""
    headline = headline_curve(results)
    return tuple(
        BracketLine(curve=curve, name=curve_name(curve), answer=_answer(results, curve))
        for curve in results["brackets"]
        if not same_curve(curve, headline)
        and (
            _has_points(results, curve) or (curve["statistic"] == headline["statistic"] and _why_absent(results, curve))
        )
    )


def _has_points(results: Results, curve: Results) -> bool:
    return bool(curve["constant_ratio"] or comparisons_of(results, curve))


def _why_absent(results: Results, curve: Results) -> str | None:
    """What kept a curve without any point from having one, where the analysis knows: no level is to blame then."""
    note: str | None = curve["note"]
    return None if curve["is_inverse_throughput"] or _has_points(results, curve) else note


def curve_name(curve: Results) -> str:
    """Statistic with its price list, if it has one."""
    priced = "" if curve["list"] is None else f", {price_text(curve)}"
    return f"{_upper(STATISTICS[curve['statistic']])}{priced}"


def same_curve(one: Results, other: Results) -> bool:
    """Whether two records belong to the same statistic, list and billing model."""
    return all(one[key] == other[key] for key in ("statistic", "list", "billing"))


def _answer(results: Results, curve: Results) -> str:
    bracket = curve["bracket"]
    badge = BADGES[bracket["kind"]]
    if bracket["kind"] in ("diverges", "diverged_at_first", "no_divergence"):
        constant = curve["constant_ratio"]
        ratio = f" ({format_ratio(constant['value'], 3)} at any)" if constant else ""
        return f"{badge.sign} {bracket_text(bracket)}{ratio}"
    open_text = _why_absent(results, curve) or undecided_text(bracket) or bracket["reason"] or "undecided"
    return f"{badge.sign} {open_text}"


def absent_lines(results: Results) -> tuple[str, ...]:
    """One line for each other statistic that has no curve at all, with the lists and the reason."""
    lists: dict[tuple[str, str], list[str]] = {}
    declared = results["experiment"]["statistic"]
    for curve in results["brackets"]:
        if curve["statistic"] != declared and not _has_points(results, curve):
            reason = curve["note"] or curve["bracket"]["reason"] or "no used pair of windows has a figure"
            lists.setdefault((STATISTICS[curve["statistic"]], reason), []).append(curve["list"] or "")
    return tuple(_absent(name, reason, found) for (name, reason), found in lists.items())


def _absent(name: str, reason: str, lists: Sequence[str]) -> str:
    priced = ", ".join(one for one in dict.fromkeys(lists) if one)
    return f"{_upper(name)}{f' ({priced})' if priced else ''}: absent, because {reason}."


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
