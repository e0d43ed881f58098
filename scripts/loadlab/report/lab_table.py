"""What `loadlab lab status` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape


def print_status(found: Mapping[str, Any], console: Console) -> None:
    """Versions, nodes, pods, addresses; what is amiss last, or that nothing is."""
    if "context" in found:
        console.print(_headline(found), soft_wrap=True)
        _print_rows(console, found.get("nodes", ()), ("name", "role", "is_ready", "version"))
        _print_rows(console, found.get("pods", ()), ("name", "is_ready", "restarts", "node", "image"))
        for part, url in found.get("urls", {}).items():
            console.print(f"  {part:<10} {url}")
        if not found["with_grafana"]:
            left_out = "  Grafana is left out: its image was not to be had; LAB_GRAFANA_IMAGE names another"
            console.print(left_out, soft_wrap=True)
    run = found.get("run")
    if run and run["is_on"]:
        console.print(
            f"a run is on ({', '.join(run['stacks']) or 'starting'}); the standing stacks sleep until its end"
        )
    for change in found.get("changes", ()):
        console.print(escape(f"changed: {change}"), soft_wrap=True)
    for problem in found["problems"]:
        console.print(f"[yellow]![/] {escape(problem)}", soft_wrap=True)
    if not found["problems"]:
        is_on = run and run["is_on"]
        console.print(
            "nothing is amiss; drift is looked for after the run" if is_on else "[green]all is as it was applied[/]"
        )


def _headline(found: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name} {version}" for name, version in found["versions"].items()) or "versions not told"
    policies = found["policies"] or "not tried"
    return escape(f"{found['context']}: {told}; {found['workers']} Locust workers; network policies {policies}")


def _print_rows(console: Console, rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> None:
    if not rows:
        return
    cells = [[key.removeprefix("is_") for key in keys], *([_cell(row[key]) for key in keys] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(keys))]
    for line in cells:
        padded = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        console.print(escape(padded.rstrip()), soft_wrap=True)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
