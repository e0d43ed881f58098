"""The tables of a report, formatted from results.json."""

from __future__ import annotations

from collections.abc import Iterable

from loadlab.report.cells import Cell, Table, columns, estimate, figure, words
from loadlab.report.results import Results
from loadlab.report.words import (
    BADGES,
    NO_CPU,
    NO_INTERVAL,
    NO_P99,
    NO_PSS,
    STATISTICS,
    bracket_text,
    price_text,
    range_text,
    users_text,
)
from loadlab.units import (
    ABSENT,
    format_bytes,
    format_cores,
    format_count,
    format_percent,
    format_ratio,
    format_rps,
    format_s,
    format_usd,
)

NOT_PREDICTED = "the law predicts no threshold"


def bracket_table(results: Results) -> Table:
    """Every (statistic, list, billing) with its verdict and bracket, out of the same windows."""
    return Table(
        caption="The same windows on every bill: where each curve crosses the margin",
        columns=columns(
            "'Statistic", "'Price list, billing", "'Answer", "N* lies in", "Estimate (approximate)", "'Remarks"
        ),
        rows=tuple(_bracket_row(curve) for curve in results["brackets"]),
    )


def _bracket_row(curve: Results) -> tuple[Cell, ...]:
    bracket = curve["bracket"]
    badge = BADGES[bracket["kind"]]
    return (
        words(STATISTICS[curve["statistic"]]),
        words(price_text(curve)),
        words(f"{badge.sign} {badge.word}"),
        figure(bracket_text(bracket), bracket["reason"] or "no bracket was found"),
        figure(users_text(bracket["estimate_users"]), "no crossing between the tested levels"),
        words(" ".join(_remarks(curve))),
    )


def _remarks(curve: Results) -> Iterable[str]:
    bracket = curve["bracket"]
    if curve["is_inverse_throughput"]:
        yield "Inverse ratio of good requests per second."
    if bracket["straddling"]:
        yield f"Undecided at {', '.join(map(str, bracket['straddling']))} users."
    if bracket["blocks_needed"] is not None:
        yield f"About {bracket['blocks_needed']} blocks would settle it."
    yield from (text for text in (bracket["reason"], curve["note"]) if text)


def comparison_table(results: Results) -> Table:
    """Every ratio with its intervals and the pairs behind it."""
    return Table(
        caption="Ratio of the first stack over the second at every level",
        columns=columns(
            "'Statistic",
            "'Price list, billing",
            "Users",
            "Ratio",
            "Decision bounds",
            "Blocks",
            "Repeats",
            "Missing",
            "'Valid",
        ),
        rows=tuple(_comparison_row(comparison) for comparison in results["comparisons"]),
    )


def _comparison_row(comparison: Results) -> tuple[Cell, ...]:
    lower, upper = comparison["lower_ratio"], comparison["upper_ratio"]
    interval = range_text(format_ratio(lower, 3), format_ratio(upper, 3)) if lower is not None else None
    ends = (format_ratio(comparison[f"decision_{end}_ratio"], 3) for end in ("lower", "upper"))
    return (
        words(STATISTICS[comparison["statistic"]]),
        words(price_text(comparison)),
        figure(str(comparison["users"])),
        Cell(text=format_ratio(comparison["ratio"], 3), reason=None if interval else NO_INTERVAL, detail=interval),
        figure(range_text(*ends), NO_INTERVAL),
        figure(format_count(comparison["blocks"])),
        figure(format_count(comparison["repeats"])),
        figure(format_count(comparison["missing"])),
        words("yes" if comparison["valid"] else "no: too many pairs missing"),
    )


def bill_tables(results: Results) -> tuple[Table, ...]:
    """For each price list and billing model: cost per million good requests and US dollars per hour, by users."""
    prices = dict.fromkeys((cost["list"], cost["billing"]) for cost in results["cost"])
    return tuple(_bill_table(results, *price) for price in prices)


def _bill_table(results: Results, price: str, billing: str) -> Table:
    costs = [cost for cost in results["cost"] if (cost["list"], cost["billing"]) == (price, billing)]
    names = [stack["name"] for stack in results["stacks"]]
    titles = [
        f"{name}: {what}"
        for name in names
        for what in ("US$ per million good", "users per replica", "replicas", "US$ per hour")
    ]
    by_key = {(cost["stack"], cost["users"]): cost for cost in costs}
    rows = []
    for users in sorted({cost["users"] for cost in costs}):
        row = [figure(str(users))]
        for name in names:
            row.extend(_bill_cells(by_key.get((name, users))))
        rows.append(tuple(row))
    sizes = ", ".join(dict.fromkeys(cost["billed_size"] for cost in costs))
    caption = f"{price_text(costs[0])}: the bill at N users, {sizes} a replica"
    return Table(caption=caption, columns=columns("Users", *titles), rows=tuple(rows))


def _bill_cells(cost: Results | None) -> tuple[Cell, ...]:
    if cost is None:
        return (figure(ABSENT, "no used window at this level"),) * 4
    reason = "; ".join(cost["notes"]) or "not determined by this run"
    lower, upper = cost["usd_per_million_good_lower"], cost["usd_per_million_good_upper"]
    interval = None if lower is None else range_text(format_usd(lower), format_usd(upper))
    return (
        figure(format_usd(cost["usd_per_million_good"]), reason, detail=interval),
        figure(format_count(cost["users_per_replica"]), reason),
        figure(format_count(cost["replicas_at_users"]), reason),
        figure(format_usd(cost["usd_per_hour_at_users"]), reason),
    )


def level_table(results: Results) -> Table:
    """Each stack at each level: load, latency and resources with their intervals."""
    return Table(
        caption="What was measured at each level: estimate over blocks, its interval below",
        columns=columns(
            "Users",
            "'Stack",
            "Good/s",
            "Answered/s",
            "p50",
            "p95",
            "p99",
            "CPU per request",
            "CPU",
            "PSS",
            "Blocks",
            "'Objective",
        ),
        rows=tuple(_level_row(level) for level in results["levels"]),
    )


def _level_row(level: Results) -> tuple[Cell, ...]:
    return (
        figure(str(level["users"])),
        words(level["stack"]),
        estimate(level["goodput_rps"], format_rps),
        estimate(level["throughput_rps"], format_rps),
        estimate(level["p50_s"], format_s),
        estimate(level["p95_s"], format_s),
        estimate(level["p99_s"], format_s, NO_P99),
        estimate(level["cpu_s_per_request"], format_s, NO_CPU),
        estimate(level["cpu_cores"], format_cores, NO_CPU),
        estimate(level["pss_bytes"], format_bytes, NO_PSS),
        figure(format_count(level["blocks"])),
        words("holds" if level["objective_held"] else "broken"),
    )


def window_table(results: Results) -> Table:
    """Every window with what it measured and what its gates said."""
    return Table(
        caption="All windows, in the order of the file",
        columns=columns(
            *(
                "'Window",
                "Block",
                "'Stack",
                "Users",
                "'Role",
                "'Gates",
                "'Used",
                "Sent",
                "Failed",
                "Good/s",
                "p50",
                "p95",
            ),
            *("p99", "CPU per request", "PSS", "RSS", "Generator lag p99", "Generator CPU", "Steal", "Idle stack"),
        ),
        rows=tuple(_window_row(window) for window in results["windows"]),
    )


def _window_row(window: Results) -> tuple[Cell, ...]:
    gates = "valid" if window["valid"] else f"invalid: {', '.join(window['reasons'])}"
    return (
        words(window["id"]),
        figure(str(window["block"])),
        words(window["stack"]),
        figure(str(window["users"])),
        words(window["role"]),
        words(gates),
        words("yes" if window["used"] else "no"),
        figure(format_count(window["sent"])),
        figure(format_count(window["failed"])),
        figure(format_rps(window["goodput_rps"])),
        *(figure(format_s(window[f"{name}_s"]), NO_P99) for name in ("p50", "p95", "p99")),
        figure(format_s(window["cpu_s_per_request"]), NO_CPU),
        figure(format_bytes(window["pss_bytes"]), NO_PSS),
        figure(format_bytes(window["rss_bytes"]), NO_PSS.replace("PSS", "RSS")),
        figure(format_s(window["generator_lag_p99_s"])),
        figure(format_percent(window["generator_cpu_ratio"])),
        figure(format_percent(window["steal_ratio"]), "no steal counter here"),
        figure(format_cores(window["idle_cpu_cores"]), NO_CPU),
    )


def stack_table(results: Results) -> Table:
    """How each stack was run, and what it asks of the machine."""
    rows = tuple(_stack_row(stack) for stack in results["stacks"])
    titles = ("'Stack", "'Run as", "'Settings", "Slots", "Time of a request", "CPU per request", "Users per replica")
    return Table(
        caption="The stacks: framework, server and settings together, which cannot be told apart",
        columns=columns(*titles),
        rows=rows,
    )


def _stack_row(stack: Results) -> tuple[Cell, ...]:
    settings = ", ".join(f"{key} = {value}" for key, value in sorted(stack["settings"].items()))
    return (
        words(stack["name"]),
        words(stack["label"]),
        words(settings),
        figure(format_count(stack["slots"]), "this stack has no pool of slots"),
        figure(format_s(stack["demand_service_s"]), "demands were not measured"),
        figure(format_s(stack["demand_cpu_s_per_request"]), NO_CPU),
        figure(format_count(stack["users_per_replica"]), "no tested level breaks the objective"),
    )
