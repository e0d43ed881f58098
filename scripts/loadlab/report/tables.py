"""The tables of a report, formatted from results.json."""

from __future__ import annotations

from collections.abc import Iterator

from loadlab.report.brackets import answer_text, ratio_cell
from loadlab.report.cells import Cell, Table, columns, estimate, figure, words
from loadlab.report.prices import price_line
from loadlab.report.results import Results
from loadlab.report.tallies import absence, tallied_users, tally_rows, unheld, users_cell, windows_cell
from loadlab.report.words import (
    NO_CPU,
    NO_P99,
    NO_POOLED_P99,
    NO_PSS,
    STATISTICS,
    no_slots,
    price_text,
    range_text,
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

_LEVEL_FIGURES = 9
"""Columns of the table of levels that hold a measured figure."""
_BILL_COLUMNS = ("US$ per million good", "users per replica", "replicas", "US$ per hour")


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
            "'Against the margin",
        ),
        rows=tuple(_comparison_row(comparison) for comparison in results["comparisons"]),
    )


def _comparison_row(comparison: Results) -> tuple[Cell, ...]:
    ends = (format_ratio(comparison[f"decision_{end}_ratio"], 3) for end in ("lower", "upper"))
    return (
        words(STATISTICS[comparison["statistic"]]),
        words(price_text(comparison)),
        Cell(text=str(comparison["users"]), detail="stage 2" if comparison["stage"] == 2 else None),
        ratio_cell(comparison),
        figure(range_text(*ends), "too few pairs for bounds"),
        figure(format_count(comparison["blocks"])),
        figure(format_count(comparison["repeats"])),
        figure(format_count(comparison["missing"])),
        words(answer_text(comparison)),
    )


def bill_tables(results: Results) -> tuple[Table, ...]:
    """For each price list and billing model: cost per million good requests and US dollars per hour, by users."""
    prices = dict.fromkeys((cost["list"], cost["billing"]) for cost in results["cost"])
    return tuple(_bill_table(results, *price) for price in prices)


def _bill_table(results: Results, price: str, billing: str) -> Table:
    costs = [cost for cost in results["cost"] if (cost["list"], cost["billing"]) == (price, billing)]
    names = [stack["name"] for stack in results["stacks"]]
    hourly = any(cost["usd_per_hour_at_users"] is not None for cost in costs)
    shown = _BILL_COLUMNS if hourly else _BILL_COLUMNS[:1]
    titles = [f"{name}: {what}" for name in names for what in shown]
    by_key = {(cost["stack"], cost["users"]): cost for cost in costs}
    rows = []
    tested = tally_rows(results)
    for users in sorted({cost["users"] for cost in costs} | set(tallied_users(results))):
        row = [users_cell(users, tested)]
        for name in names:
            row.extend(_bill_cells(by_key.get((name, users)))[: len(shown)])
        rows.append(tuple(row))
    caption = f"{price_line(results, costs[0])}: the bill at N users"
    return Table(caption=caption, columns=columns("Users", *titles), rows=tuple(rows))


def _bill_cells(cost: Results | None) -> tuple[Cell, ...]:
    if cost is None:
        return (figure(ABSENT, "no used window at this level"),) * len(_BILL_COLUMNS)
    alone = "there are no replicas: one environment for each request"
    otherwise = alone if cost["billing"] == "per_request_memory" else "not determined by this run"
    reason = next((note for note in cost["notes"] if note.startswith("no cost")), otherwise)
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
        caption="What was measured at each level (closed loop): estimate over blocks, its interval below",
        columns=columns(
            "Users",
            "'Stack",
            "Good/s",
            "Answered/s",
            "p50",
            "p95",
            "p99",
            "p99, all windows pooled",
            "CPU per request",
            "CPU",
            "PSS",
            "Windows that count",
            "'Objective",
        ),
        rows=tuple(_level_rows(results)),
    )


def _level_rows(results: Results) -> Iterator[tuple[Cell, ...]]:
    """Every tested level; one of which nothing counts says why instead of its figures."""
    by_key = {(level["stack"], level["users"]): level for level in results["levels"]}
    tested = tally_rows(results)
    for row in tested:
        level = by_key.get((row["stack"], row["users"]))
        users = users_cell(row["users"], tested)
        if level is None:
            nothing = (figure(ABSENT, absence(row)),) * _LEVEL_FIGURES
            yield (users, words(row["stack"]), *nothing, windows_cell(row), words(ABSENT))
        else:
            yield _level_row(level, users, windows_cell(row))


def _level_row(level: Results, users: Cell, windows: Cell) -> tuple[Cell, ...]:
    return (
        users,
        words(level["stack"]),
        estimate(level["goodput_rps"], format_rps),
        estimate(level["throughput_rps"], format_rps),
        estimate(level["p50_s"], format_s),
        estimate(level["p95_s"], format_s),
        estimate(level["p99_s"], format_s, NO_P99),
        figure(format_s(level["p99_pooled_s"]), NO_POOLED_P99),
        estimate(level["cpu_s_per_request"], format_s, NO_CPU),
        estimate(level["cpu_cores"], format_cores, NO_CPU),
        estimate(level["pss_bytes"], format_bytes, NO_PSS),
        windows,
        words("holds" if level["objective_held"] else "broken"),
    )


def window_table(results: Results) -> Table:
    """Every window with what it measured and what its gates said."""
    return Table(
        caption="All windows (closed loop), in the order of the file",
        columns=columns(
            *(
                "'Window",
                "Block",
                "'Stack",
                "Users",
                "'Role",
                "'Gates",
                "'Used",
                "Sent in it",
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
    """How each stack was run."""
    titles = ("'Stack", "'Run as", "'Settings", "Slots", "Users per replica")
    return Table(
        caption="The stacks: framework, server and settings together, which cannot be told apart",
        columns=columns(*titles),
        rows=tuple(_stack_row(results, stack) for stack in results["stacks"]),
    )


def _stack_row(results: Results, stack: Results) -> tuple[Cell, ...]:
    settings = ", ".join(f"{key} = {value}" for key, value in sorted(stack["settings"].items()))
    return (
        words(stack["name"]),
        words(stack["label"]),
        words(settings),
        figure(format_count(stack["slots"]), no_slots(stack)),
        figure(format_count(stack["users_per_replica"]), unheld(results, stack["name"])),
    )


def demand_table(results: Results) -> Table:
    """What one request asks of each stack: the measured inputs of the law."""
    shown = ("Time of a request, S", "Processor time of a request", "Think time, Z", "Slots", "Slots per worker")
    return Table(
        caption="What the law was told: measured before the sweep",
        columns=columns("'Stack", *shown),
        rows=tuple(_demand_row(stack) for stack in results["stacks"]),
    )


def _demand_row(stack: Results) -> tuple[Cell, ...]:
    return (
        words(stack["name"]),
        figure(format_s(stack["demand_service_s"]), "demands were not measured"),
        figure(format_s(stack["demand_cpu_s_per_request"]), NO_CPU),
        figure(format_s(stack["demand_think_s"]), "it is not known"),
        figure(format_count(stack["slots"]), no_slots(stack)),
        figure(format_count(stack["slots_per_worker"]), no_slots(stack)),
    )
