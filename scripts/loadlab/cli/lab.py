"""`loadlab lab ...`: the lab on Kubernetes and what it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

lab = typer.Typer(
    name="lab",
    help="The lab on Kubernetes: raise it, look at it, take it down; its images and tools.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Registry = Annotated[str, typer.Option("--push", metavar="HOST/PATH", help="Push the images to this registry too.")]


@lab.command()
def up(
    workers: Annotated[
        Optional[int],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="Locust workers, one per core; as before, or 1, when not given."),
    ] = None,
    push: Registry = "",
) -> None:
    """Raise the lab, or finish and mend what is there; changes nothing when all is as it should be."""
    from loadlab.cli.lab_commands import up_command

    up_command(workers=workers, registry=push or None)


@lab.command()
def down(
    images: Annotated[bool, typer.Option("--images", help="Remove the images that the lab built too.")] = False,
) -> None:
    """Take away all that the lab made, and nothing else."""
    from loadlab.cli.lab_commands import down_command

    down_command(with_images=images)


@lab.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Say what runs, in which versions, where, and what is not as it was applied."""
    from loadlab.cli.lab_commands import status_command

    status_command(as_json=as_json)


@lab.command()
def logs(
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("lab-logs.tar.gz"),
) -> None:
    """Collect logs, events and states into one file for a bug report; no secrets are in it."""
    from loadlab.cli.lab_commands import logs_command

    logs_command(out=out)


@lab.command()
def tools(names: Annotated[Optional[list[str]], typer.Argument(help="Which; all when none is named.")] = None) -> None:  # noqa: UP045
    """Bring kubectl, kind, promtool and prometheus into .tools/bin where PATH has none that is good enough."""
    from loadlab.cli.lab_commands import tools_command

    tools_command(names=tuple(names or ()))


@lab.command()
def rules(
    operator: Annotated[bool, typer.Option("--operator", help="All rules, as PrometheusRule objects.")] = False,
) -> None:
    """Print the price lists as recording rules for Prometheus."""
    from loadlab.cli.lab_commands import rules_command

    rules_command(for_operator=operator)


@lab.command()
def images(
    push: Registry = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print images.json on standard output.")] = False,
) -> None:
    """Build the container images whose content changed, and say how large they are."""
    from loadlab.cli.lab_commands import images_command

    images_command(registry=push or None, as_json=as_json)
