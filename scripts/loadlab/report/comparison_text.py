"""A comparison of two runs for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from loadlab.report.arrivals import is_open
from loadlab.report.cells import Cell, Table, columns, figure, words
from loadlab.report.cluster import cluster_differences
from loadlab.report.comparison import RatioPair, RunComparison
from loadlab.report.lists import CONTROL_STATES
from loadlab.report.markdown import escape, table
from loadlab.report.rates import said_in_rates
from loadlab.report.results import Results
from loadlab.report.terminal import rich_table
from loadlab.report.words import (
    BADGES,
    CLAIM_ANSWERS,
    NO_INTERVAL,
    STATISTICS,
    bracket_text,
    price_text,
    range_text,
    users_text,
)
from loadlab.units import ABSENT, format_percent, format_ratio

DIFFERENT_MACHINES = "The runs come from different machines: what differs may be the machines and nothing else."
_NOT_MEASURED = "this run has no comparison at this level"
_MEET = {True: "yes", False: "no"}


def comparison_markdown(comparison: RunComparison) -> str:
    """The comparison as Markdown; the same runs give the same bytes."""
    lines = [f"# {escape(_title(comparison))}", ""]
    for sentence in comparison_sentences(comparison):
        lines += [escape(sentence), ""]
    for part in _tables(comparison):
        lines += table(part)
    return "\n".join(lines)


def print_comparison(comparison: RunComparison, console: Console) -> None:
    """Write the comparison to ``console``."""
    console.print(Text(_title(comparison), style="bold"))
    for sentence in comparison_sentences(comparison):
        console.print(Text(sentence))
    for part in _tables(comparison):
        console.print(rich_table(part))


def comparison_sentences(comparison: RunComparison) -> Iterator[str]:
    """What the two runs have in common, one sentence each; the mark of different machines comes first."""
    if not comparison.same_machine:
        yield DIFFERENT_MACHINES
    targets = {run["provenance"].get("target") for run in (comparison.first, comparison.second)}
    if len(targets) > 1:
        for run in (comparison.first, comparison.second):
            for line in cluster_differences(run):
                yield f"{run['run_id']}: {line}."
    meet = {
        True: "The brackets overlap.",
        False: "The brackets do not overlap: the runs contradict each other, or their settings differ.",
        None: "At least one run has no bracket with two ends, so overlap cannot be judged.",
    }
    yield meet[comparison.brackets_overlap]
    judged = [pair for pair in comparison.pairs if pair.overlap is not None]
    met = sum(bool(pair.overlap) for pair in judged)
    yield f"Intervals overlap in {met} of {len(judged)} ratios that both measured (all statistics, lists and levels)."
    if not comparison.differences:
        yield "No declared setting differs."


def _title(comparison: RunComparison) -> str:
    return f"{comparison.first['run_id']} and {comparison.second['run_id']}"


def _tables(comparison: RunComparison) -> Iterator[Table]:
    """What they measured, in users or in rates; then what was declared, as it was."""
    measured = _measured(comparison)
    yield from (said_in_rates(part) for part in measured) if is_open(comparison.first) else measured
    if comparison.differences:
        yield Table(
            caption="Settings that differ",
            columns=columns("'Setting", *_heads(comparison)),
            rows=tuple((words(one.name), words(one.first), words(one.second)) for one in comparison.differences),
        )


def _heads(comparison: RunComparison) -> tuple[str, str]:
    return (f"'{comparison.first['run_id']}", f"'{comparison.second['run_id']}")


def _measured(comparison: RunComparison) -> Iterator[Table]:
    first, second = comparison.first, comparison.second
    sides = list(zip(_facts(first), _facts(second), strict=True))
    yield Table(
        caption="What both say",
        columns=columns("'", *_heads(comparison)),
        rows=tuple((words(one[0]), one[1], other[1]) for one, other in sides),
    )
    titles = ("'Statistic", "'Price list, billing", "Users", first["run_id"], second["run_id"], "'Intervals meet")
    yield Table(
        caption="Ratio of the first stack over the second at every level",
        columns=columns(*titles),
        rows=tuple(_pair_row(pair) for pair in comparison.pairs),
    )


def _facts(run: Results) -> Iterator[tuple[str, Cell]]:
    bracket, claim, control = run["bracket"], run["claim"], run["aa"]
    reason = bracket["reason"] or "no bracket was found"
    badge = BADGES[run["verdict"]["kind"]]
    answer = CLAIM_ANSWERS[claim["answer"]] if claim["answer"] else None
    yield "Verdict", words(f"{badge.sign} {badge.word}")
    yield "N* lies in", _left(bracket_text(bracket), reason)
    yield "Estimate (approximate)", _left(users_text(bracket["estimate_users"]), reason)
    yield "Claim", _left(f"{claim['users']} users: {answer}" if answer else ABSENT, "nothing was claimed")
    yield "A/A control", _left(CONTROL_STATES[control["fired"]], control["reason"])
    yield "Resolution", _left(format_percent(control["resolution_ratio"]), control["reason"])
    yield "Calibration", words(str(run["provenance"].get("calibration")))


def _left(text: str, reason: str | None) -> Cell:
    return Cell(text=text, reason=reason if text == ABSENT else None, figure=False)


def _pair_row(pair: RatioPair) -> tuple[Cell, ...]:
    price = price_text({"list": pair.list, "billing": pair.billing})
    meet = ABSENT if pair.overlap is None else _MEET[pair.overlap]
    return (
        words(STATISTICS[pair.statistic]),
        words(price),
        figure(str(pair.users)),
        _ratio(pair.first),
        _ratio(pair.second),
        _left(meet, "one of the intervals is absent"),
    )


def _ratio(side: Results | None) -> Cell:
    if side is None:
        return figure(ABSENT, _NOT_MEASURED)
    if side["lower_ratio"] is None:
        return Cell(text=format_ratio(side["ratio"], 3), reason=NO_INTERVAL)
    ends = (format_ratio(side[end], 3) for end in ("lower_ratio", "upper_ratio"))
    return figure(format_ratio(side["ratio"], 3), detail=range_text(*ends))
