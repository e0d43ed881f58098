"""`loadlab run | report | compare | list | doctor | calibrate | dashboards | lab`."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn, Optional

import typer

from loadlab.cli.lab import lab as lab_verbs
from loadlab.cli.lasting import lasting_stderr
from loadlab.errors import EXIT_INTERRUPTED, EXIT_USAGE, LoadlabError, UsageError

app = typer.Typer(
    name="loadlab",
    help="At how many concurrent users does one Python stack start to cost more than another, by how much, "
    "and on whose price list? Exit codes: 0 conclusive, 2 usage, 3 contrary to [decision] expect, 4 invalid, "
    "5 inconclusive, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(lab_verbs)

RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder that run bundles go to.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
OutFiles = Annotated[
    Optional[list[Path]],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--out", help="Also write the result to FILE: .md, .json or .xml (JUnit). Repeatable."),
]
RUNS = Path("runs")


@app.command()
def run(
    experiment: Annotated[str, typer.Argument(help="Name (see `loadlab list`) or path of an experiment file.")] = "",
    target: Annotated[str, typer.Option(help="Where the stacks run: local or kubernetes.")] = "local",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and its duration, measure nothing.")
    ] = False,
    overrides: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", help="Change one key: path=value, such as blocks.count=12. Repeatable."),
    ] = None,
    resume: Annotated[str, typer.Option(help="Go on with an unfinished run (path or id).")] = "",
    allow_target: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Allow load on this host, for a url that is not loopback. Repeatable."),
    ] = None,
    queries: Annotated[
        bool, typer.Option(help="Keep in the bundle what the boards show of the run, where there is a Prometheus.")
    ] = True,
    as_json: AsJson = False,
    out: OutFiles = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Run an experiment and report its verdict."""
    from loadlab.cli.commands import run_command

    run_command(
        experiment=experiment or None,
        target=target,
        dry_run=dry_run,
        overrides=tuple(overrides or ()),
        resume=resume or None,
        allowed_hosts=tuple(allow_target or ()),
        keeps_queries=queries,
        as_json=as_json,
        out=tuple(out or ()),
        runs=runs,
    )


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="Path or id of a run; `runs/latest` is the newest.")],
    analyse: Annotated[bool, typer.Option("--analyse", help="Judge the windows again before rendering.")] = False,
    openmetrics: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write the session's metrics with times into FILE instead, for promtool; - is the output."),
    ] = None,
    queries: Annotated[
        bool, typer.Option("--queries", help="Replay the session in a Prometheus and keep what the boards show of it.")
    ] = False,
    as_json: AsJson = False,
    out: OutFiles = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Render a run's report again, offline and byte for byte, and print its verdict."""
    from loadlab.cli.commands import report_command, session_command

    if openmetrics is not None or queries:
        if analyse or as_json or out:
            raise UsageError("report: --openmetrics and --queries take no --analyse, --json or --out; call it twice")
        session_command(run=run, openmetrics=openmetrics, queries=queries, runs=runs)
        return
    report_command(run=run, analyse=analyse, as_json=as_json, out=tuple(out or ()), runs=runs)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A run.")],
    second: Annotated[str, typer.Argument(help="Another run.")],
    across_machines: Annotated[
        bool,
        typer.Option("--allow-different-machines", help="Compare runs of different machines; the result is marked."),
    ] = False,
    as_json: AsJson = False,
    out: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option("--out", help="Also write the comparison to FILE: .md or .json. Repeatable."),
    ] = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Put two runs side by side: brackets, ratios level by level, settings."""
    from loadlab.cli.commands import compare_command

    compare_command(
        first=first, second=second, across_machines=across_machines, as_json=as_json, out=tuple(out or ()), runs=runs
    )


@app.command(name="list")
def list_(as_json: AsJson = False, runs: RunsFolder = RUNS) -> None:
    """List the experiments there are and the runs made."""
    from loadlab.cli.commands import list_command

    list_command(as_json=as_json, runs=runs)


@app.command()
def doctor(
    lab: Annotated[
        bool, typer.Option("--lab", help="Look at what the lab on Kubernetes needs too; so it is where Docker is.")
    ] = False,
    as_json: AsJson = False,
    runs: RunsFolder = RUNS,
) -> None:
    """Say what this machine can and cannot do for a result, and what to do about it."""
    from loadlab.cli.commands import doctor_command

    doctor_command(with_lab=lab, as_json=as_json, runs=runs)


@app.command()
def calibrate(
    show: Annotated[bool, typer.Option("--show", help="Show the calibration there is, measure nothing.")] = False,
    keep_awake: Annotated[
        bool, typer.Option("--keep-awake", help="For runs with window.keep_awake: idle cores are kept awake, as there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find out how true the load generator is on this machine, in about two minutes; later runs cite it."""
    from loadlab.cli.calibrate_command import calibrate_command

    calibrate_command(show=show, as_json=as_json, keep_awake=keep_awake)


@app.command()
def dashboards(
    run: Annotated[
        str, typer.Option(metavar="RUN", help="Show this past run instead, out of its bundle: a path or an id.")
    ] = "",
    runs: RunsFolder = RUNS,
) -> None:
    """Run Prometheus and Grafana beside local runs, or over a past one, on this machine only, until Ctrl-C."""
    from loadlab.cli.commands import dashboards_command

    dashboards_command(run=run or None, runs=runs)


def _check_here() -> None:
    try:
        Path.cwd()
    except OSError:
        raise UsageError("the current folder is not there any more; change to one that is") from None


def main() -> NoReturn:
    """Run the command line; a user's mistake is one line on standard error, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may hold what the terminal's encoding lacks
    with lasting_stderr():
        _obey()


def _obey() -> NoReturn:
    try:
        _check_here()
        app(standalone_mode=True)
    except LoadlabError as error:
        print(f"loadlab: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("loadlab: interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        if error.filename is not None:  # a file, and not standard output, which has no name
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in its buffer has nowhere to go
        if error.errno != errno.EPIPE:
            print(f"loadlab: standard output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    sys.exit(0)
