"""The commands behind the names: call the pipeline, print, choose the exit code."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from loadlab.cli.destinations import check_file, check_out, check_runs
from loadlab.errors import EXIT_CONTRARY, EXIT_INCONCLUSIVE, EXIT_INVALID, UsageError
from loadlab.execute.doctor import Check, run_checks
from loadlab.execute.durable import write_whole
from loadlab.pipeline.bundle import find_run
from loadlab.pipeline.dry_run import DryRun, plan_text
from loadlab.pipeline.dry_run import dry_run as make_dry_run
from loadlab.pipeline.finish import Report, analyse_bundle, current_report
from loadlab.pipeline.layout import Layout, checkout
from loadlab.pipeline.run import Request, run

MEANINGS = {
    EXIT_CONTRARY: "contrary to what [decision] expect asks for",
    EXIT_INVALID: "invalid, the windows cannot be trusted",
    EXIT_INCONCLUSIVE: "inconclusive, the data decide nothing at the declared error rate",
}
"""What the exit codes of a run that was carried out say."""
COMPARISON_KINDS = (".md", ".json")
"""What `compare --out` writes: two runs make no one list of tests."""


def run_command(
    *,
    experiment: str | None,
    target: str,
    dry_run: bool,
    overrides: tuple[str, ...],
    resume: str | None,
    allowed_hosts: tuple[str, ...],
    keeps_queries: bool,
    as_json: bool,
    out: tuple[Path, ...],
    runs: Path,
) -> None:
    """`loadlab run`."""
    from loadlab.pipeline.replay import keep_replayed_queries
    from loadlab.report.live import progress_for

    layout = _layout(runs, written=not dry_run)
    check_out(out)
    request = Request(
        experiment=experiment,
        resume=Path(resume) if resume else None,
        overrides=overrides,
        target=target,
        allowed_hosts=allowed_hosts,
        keeps_queries=keeps_queries,
    )
    if dry_run:
        if out:
            raise UsageError("--out: a dry run has no result to write; remove it, or print the plan with --json")
        raise typer.Exit(_show_plan(make_dry_run(request, layout), as_json=as_json))
    progress = progress_for(Console(stderr=True), time.monotonic)
    finished = run(request, layout, progress, partial(_show, as_json=as_json))
    _write_out(finished, out)
    if keeps_queries and not finished.asked_to_stop:
        keep_replayed_queries(_from_here(finished.folder), layout, partial(typer.echo, err=True))
    raise typer.Exit(_told_exit_code(finished))


def _show_plan(plan: DryRun, *, as_json: bool) -> int:
    """The plan; what a run would stumble over is told as the run would, and gives the exit code."""
    if as_json:
        _print_json(plan)
    else:
        typer.echo(plan_text(plan))
        for obstacle in plan.obstacles:
            typer.echo(f"loadlab: {obstacle.message}", err=True)
    return plan.obstacles[0].exit_code if plan.obstacles else 0


def report_command(*, run: str, analyse: bool, as_json: bool, out: tuple[Path, ...], runs: Path) -> None:
    """`loadlab report`."""
    layout = _layout(runs)
    check_out(out)
    folder = find_run(run, layout)
    shown = analyse_bundle(folder, layout) if analyse else current_report(folder, layout)
    _write_out(shown, out)
    _show(shown, as_json=as_json)


def session_command(*, run: str, openmetrics: Path | None, queries: bool, runs: Path) -> None:
    """`loadlab report --openmetrics` and `--queries`."""
    from loadlab.pipeline.replay import write_queries
    from loadlab.pipeline.replay_text import openmetrics_of, write_openmetrics

    layout = _layout(runs)
    folder = find_run(run, layout)
    if openmetrics is not None and str(openmetrics) == "-":
        sys.stdout.writelines(openmetrics_of(folder, layout))
    elif openmetrics is not None:
        check_file("--openmetrics", openmetrics)
        typer.echo(f"metrics: {write_openmetrics(folder, layout, openmetrics.absolute())}")
    if queries:
        typer.echo(f"queries: {write_queries(folder, layout)}")


def compare_command(
    *, first: str, second: str, across_machines: bool, as_json: bool, out: tuple[Path, ...], runs: Path
) -> None:
    """`loadlab compare`."""
    from loadlab.report.comparison import compare_runs
    from loadlab.report.comparison_text import comparison_markdown, print_comparison

    layout = _layout(runs)
    check_out(out, COMPARISON_KINDS)
    a, b = (current_report(find_run(name, layout), layout).results for name in (first, second))
    comparison = compare_runs(a, b, allow_different_machines=across_machines)
    for path in out:
        content = comparison_markdown(comparison).encode() if path.suffix == ".md" else _json(comparison)
        write_whole(path.absolute(), content)
    if as_json:
        _print_json(comparison)
    else:
        print_comparison(comparison, Console())


def list_command(*, as_json: bool, runs: Path) -> None:
    """`loadlab list`."""
    from loadlab.pipeline.listing import listing, show_listing

    found = listing(_layout(runs))
    if as_json:
        _print_json(found)
    else:
        show_listing(found, Console())


def doctor_command(*, with_lab: bool, as_json: bool, runs: Path) -> None:
    """`loadlab doctor`. What the lab needs is looked at where Docker is; it fails a machine only when asked for."""
    from loadlab.pipeline.lab_doctor import lab_doctor

    layout = _layout(runs)
    checks = run_checks(layout.root, state=layout.state)
    of_lab = lab_doctor(layout, os.environ) if with_lab or shutil.which("docker") else []
    if as_json:
        _print_json([*checks, *of_lab])
    else:
        _show_checks(checks)
        if of_lab:
            typer.echo("for the lab on Kubernetes:")
            _show_checks(of_lab)
    judged = [*checks, *(of_lab if with_lab else ())]
    raise typer.Exit(2 if any(check.status == "fail" for check in judged) else 0)


def dashboards_command(*, run: str | None, runs: Path) -> None:
    """`loadlab dashboards`. Ctrl-C or SIGTERM ends it, in the background of a shell too."""
    from loadlab.execute.clock import SystemClock
    from loadlab.pipeline.local_dashboards import show_dashboards
    from loadlab.pipeline.session_dashboards import show_session

    layout = _layout(runs)
    say = partial(typer.echo, err=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        if run is None:
            show_dashboards(layout, environ=os.environ, say=say, clock=SystemClock())
        else:
            show_session(find_run(run, layout), layout, environ=os.environ, say=say, clock=SystemClock())


def _show_checks(checks: Sequence[Check]) -> None:
    """One line for a check that is fine, its expectation and next step under one that is not."""
    console = Console(highlight=False)
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for check in checks:
        head = f"[{colours[check.status]}]{check.status:<4}[/] {escape(check.name)}: {escape(check.got)}"
        console.print(head, soft_wrap=True)
        if check.status != "ok":
            console.print(f"       expected {escape(check.expected)}", soft_wrap=True)
        if check.status != "ok" and check.next_step:
            console.print(f"       next: {escape(check.next_step)}", soft_wrap=True)


def _layout(runs: Path, *, written: bool = False) -> Layout:
    check_runs(runs, written=written)
    return checkout(runs.absolute())


def _told_exit_code(finished: Report) -> int:
    """The exit code; one that make would call an error is explained where it happens."""
    code = int(finished.results["verdict"]["exit_code"])
    if code in MEANINGS:
        told = f'{MEANINGS[code]}; the run is complete, nothing broke (make says "Error {code}")'
        typer.echo(f"loadlab: exit code {code}: {told}", err=True)
    return code


def _write_out(report: Report, out: Sequence[Path]) -> None:
    for path in out:
        write_whole(path.absolute(), _rendered(report.results, path.suffix))


def _show(report: Report, *, as_json: bool) -> None:
    from loadlab.report.terminal import print_summary

    if as_json:
        typer.echo((report.folder / "results.json").read_bytes(), nl=False)
    else:
        print_summary(report.results, Console())
        typer.echo(f"report: {_from_here(report.html)}")


def _from_here(path: Path) -> Path:
    """As it is typed in the current folder, where it lies under it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _rendered(results: Mapping[str, Any], suffix: str) -> bytes:
    from loadlab.report.junit import render_junit
    from loadlab.report.markdown import render_markdown

    match suffix:
        case ".md":
            return render_markdown(results).encode()
        case ".xml":
            return render_junit(results).encode()
        case _:
            return orjson.dumps(results, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _print_json(record: object) -> None:
    typer.echo(_json(record), nl=False)


def _json(record: object) -> bytes:
    return orjson.dumps(record, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
