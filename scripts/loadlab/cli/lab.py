"""`loadlab lab ...`: the lab on Kubernetes and what it is made of."""

from __future__ import annotations

from typing import Annotated

import typer

lab = typer.Typer(
    name="lab",
    help="The lab on Kubernetes: its images.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@lab.command()
def images(
    push: Annotated[
        str, typer.Option("--push", metavar="HOST/PATH", help="Push the images to this registry too.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print images.json on standard output.")] = False,
) -> None:
    """Build the container images whose content changed, and say how large they are."""
    from loadlab.cli.lab_commands import images_command

    images_command(registry=push or None, as_json=as_json)
