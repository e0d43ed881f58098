"""The commands behind `loadlab lab`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import orjson
import typer
from rich.console import Console

from loadlab.errors import Interrupted
from loadlab.execute.lab.file_lock import held
from loadlab.execute.lab.tool_list import read_tools
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.pipeline.lab_down import lab_down
from loadlab.pipeline.lab_images import make_images
from loadlab.pipeline.lab_rules import lab_operator_rules, lab_price_rules
from loadlab.pipeline.lab_site import Site, open_site
from loadlab.pipeline.lab_up import Raised, lab_up
from loadlab.pipeline.layout import checkout
from loadlab.report.image_table import print_images


def up_command(*, workers: int | None, registry: str | None) -> None:
    """`loadlab lab up`."""
    try:
        raised = lab_up(_site(), workers=workers, registry=registry)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; `make lab-up` goes on from here") from None
    _show_raised(raised)


def down_command(*, with_images: bool) -> None:
    """`loadlab lab down`."""
    try:
        lab_down(_site(), with_images=with_images)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; `make lab-down` goes on from here") from None


def status_command(*, as_json: bool) -> None:
    """`loadlab lab status`."""
    from loadlab.pipeline.lab_status import lab_status
    from loadlab.report.lab_table import print_status

    found = lab_status(_site())
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        print_status(found, Console(highlight=False))
    raise typer.Exit(0 if found["is_well"] else 4)


def logs_command(*, out: Path) -> None:
    """`loadlab lab logs`."""
    from loadlab.pipeline.lab_logs import lab_logs

    lab_logs(_site(), out)
    typer.echo(f"{out}: for a bug report; look through it before you send it")


def tools_command(*, names: tuple[str, ...]) -> None:
    """`loadlab lab tools`."""
    root = checkout().root
    box = Toolbox(root, environ=os.environ, say=_tell)
    for name in names or tuple(read_tools(root / "scripts" / "tools")):
        typer.echo(f"{name}: {box.ensure(name)}")


def rules_command(*, for_operator: bool) -> None:
    """`loadlab lab rules`."""
    rules = lab_operator_rules if for_operator else lab_price_rules
    typer.echo(rules(checkout()), nl=False)


def images_command(*, registry: str | None, as_json: bool) -> None:
    """`loadlab lab images`."""
    layout = checkout()
    with held(layout.lab / "lock"):
        made = make_images(
            layout,
            registry=registry,
            environ=os.environ,
            say=lambda line: typer.echo(f"images: {line}", err=True),
            monotonic_s=time.monotonic,
        )
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(made.ledger, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        print_images(made.rows, base=made.base, python=made.python, console=Console(highlight=False))


def _site() -> Site:
    return open_site(checkout(), environ=os.environ, say=_tell)


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _show_raised(raised: Raised) -> None:
    what = "the lab is up" if raised.has_changed else "the lab was up, nothing has changed"
    typer.echo(f"{what}, {raised.total_s:.1f} s")
    for part, url in raised.urls.items():
        typer.echo(f"  {part:<10} {url}")
    if not raised.urls:
        typer.echo("  nothing is open to anybody; Locust on http://127.0.0.1:8089 as long as this lasts:")
        where = '--kubeconfig "$LAB_KUBECONFIG" --context "$LAB_CONTEXT" --namespace loadlab'
        typer.echo(f"  kubectl {where} port-forward service/locust-master 8089")
    typer.echo("next: make lab-run EXP=quick")
