"""The commands behind `loadlab lab`."""

from __future__ import annotations

import os
import sys
import time

import orjson
import typer
from rich.console import Console

from loadlab.pipeline.lab_images import make_images
from loadlab.pipeline.layout import checkout
from loadlab.report.image_table import print_images


def images_command(*, registry: str | None, as_json: bool) -> None:
    """`loadlab lab images`."""
    made = make_images(
        checkout(),
        registry=registry,
        environ=os.environ,
        say=lambda line: typer.echo(f"images: {line}", err=True),
        monotonic_s=time.monotonic,
    )
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(made.ledger, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        print_images(made.rows, base=made.base, python=made.python, console=Console(highlight=False))
