"""The command behind `loadlab calibrate`."""

from __future__ import annotations

import sys
from dataclasses import asdict

import orjson
import typer
from rich.console import Console

from loadlab.analysis.calibration_use import standing
from loadlab.cli.destinations import check_state
from loadlab.errors import EXIT_CONCLUSIVE, EXIT_INVALID, PROGRAM, BundleError, Interrupted
from loadlab.execute.calibration_file import file_name, identity, read_calibration
from loadlab.execute.clock import SystemClock
from loadlab.execute.machine import Machine
from loadlab.model.calibration import Calibration
from loadlab.pipeline.calibrate import calibrate
from loadlab.pipeline.layout import Layout, checkout
from loadlab.report.calibration import print_calibration

WIDTH = 120
"""Characters that the tables need; a narrower terminal wraps them, and nothing is cut off."""
_OF_AWAKE = "with window.keep_awake = true "


def calibrate_command(*, show: bool, as_json: bool, keep_awake: bool = False) -> None:
    """Measure, or show what is there. Exit code 0: truthful, and what is shown holds; 4: not."""
    layout = checkout()
    if not show and layout.state is not None:
        check_state(layout.state)
    try:
        found = _known(layout, keep_awake) if show else calibrate(layout, _say, awake=keep_awake)
    except KeyboardInterrupt:
        raise Interrupted("calibrate: interrupted; the calibration that was there stays as it was") from None
    says = standing(found, identity(Machine(), layout.root, keep_awake=keep_awake), SystemClock().unix_s())
    is_void = show and says.truthful is None
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        if is_void and not found.failures:
            typer.echo(f"this one does not hold here and now, calibrate again ({says.text}):\n")
        print_calibration(found, Console(highlight=False, width=max(WIDTH, Console().width)))
        which, name = _OF_AWAKE if keep_awake else "", file_name(keep_awake=keep_awake)
        typer.echo(f"\nruns {which}say: {says.text}\nkept in {layout.state}/{name}")
    raise typer.Exit(EXIT_INVALID if found.failures or is_void else EXIT_CONCLUSIVE)


def _say(line: str) -> None:
    typer.echo(f"calibrate: {line}", err=True)


def _known(layout: Layout, keep_awake: bool) -> Calibration:
    found, name = read_calibration(layout.state, keep_awake=keep_awake), file_name(keep_awake=keep_awake)
    if found is None:
        is_there = layout.state is not None and (layout.state / name).exists()
        what = "got a calibration of another version, or a damaged one" if is_there else "no calibration there"
        again = f"{PROGRAM} calibrate{' --keep-awake' if keep_awake else ''}"
        raise BundleError(f"{layout.state}/{name}: {what}; make one: {again}")
    return found
