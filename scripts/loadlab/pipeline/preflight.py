"""What can be found wrong before a bundle is made and anything is started on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from loadlab.analysis.billing import make_tariffs
from loadlab.config import NOT_KEPT
from loadlab.config.prices import load_price_list
from loadlab.errors import LoadlabError, UsageError
from loadlab.model.experiment import CommandService, Experiment, ImageService, OurService, Stack
from loadlab.pipeline.local_rig import cores_for, headers
from loadlab.pipeline.shell import check_shell

SECRET_OF = {"api_key": "SVC_API_KEY", "jwt": "SVC_JWT_SECRET"}
"""Which variable the lab's own services take their secret from, by their setting ``auth``."""


def check_local(experiment: Experiment, prices: Path) -> None:
    """Everything that a run on this machine would stumble over later.

    Raises:
        UsageError: settings of Locust that lie about, a fraction of a core, a header or secret that is not set, a
            stack that cannot be started here.
        DeployError: more cores are asked for than there are.
        ConfigError: a price list has no size that is large enough.
    """
    for check in _checks(experiment, prices):
        check()


def local_findings(experiment: Experiment, prices: Path) -> list[LoadlabError]:
    """All that check_local would stumble over, not the first alone."""
    found = []
    for check in _checks(experiment, prices):
        try:
            check()
        except LoadlabError as error:
            found.append(error)
    return found


def _checks(experiment: Experiment, prices: Path) -> Iterator[Callable[[], object]]:
    yield lambda: check_shell(os.environ, Path.cwd())
    yield lambda: headers(experiment.load.scenario)
    yield lambda: cores_for(experiment)
    for stack in experiment.stacks:
        yield partial(_check_stack, stack)
    yield lambda: _check_sizes(experiment, prices)


def _check_sizes(experiment: Experiment, prices: Path) -> None:
    lists = {ref.list_id: load_price_list(ref.list_id, prices) for ref in experiment.prices}
    make_tariffs(experiment.prices, lists, experiment.resources)


def _check_stack(stack: Stack) -> None:
    match stack.service:
        case ImageService():
            raise UsageError(
                f"stack {stack.name}: a container image cannot run on the local target; "
                "use --target kubernetes, or give the stack a command"
            )
        case CommandService():
            _check_kept(stack.name, stack.service)
            _check_command(stack.name, stack.service)
        case OurService(settings=settings):
            variable = SECRET_OF.get(str(settings.get("auth")))
            if variable is not None and variable not in os.environ:
                raise UsageError(f"stack {stack.name}: auth asks for {variable}, which is not set; export it")


def _check_kept(name: str, service: CommandService) -> None:
    """An experiment out of a bundle lacks what may be secret."""
    for key, value in service.env.items():
        if value == NOT_KEPT:
            raise UsageError(
                f"stack {name}: env {key}: its value is not kept in a bundle; add --set stack.{name}.env.{key}=VALUE"
            )
    if any(NOT_KEPT in word for word in service.command):
        raise UsageError(
            f"stack {name}: command: a part is not kept in a bundle because it looked secret; "
            "run your own experiment file, and give secrets in env"
        )


def _check_command(name: str, service: CommandService) -> None:
    if service.cwd is not None and not service.cwd.is_dir():
        raise UsageError(f"stack {name}: cwd: {service.cwd} is no folder; name one that is there")
    if not _can_be_started(service.command, service.cwd, service.env.get("PATH", os.environ.get("PATH"))):
        where = "in PATH" if os.sep not in service.command[0] else f"from {service.cwd or Path.cwd()}"
        raise UsageError(f"stack {name}: command: there is no program {service.command[0]} {where}; mend its name")


def _can_be_started(command: Sequence[str], cwd: Path | None, path: str | None) -> bool:
    program = command[0]
    if os.sep not in program:
        return shutil.which(program, path=path) is not None
    file = (cwd or Path.cwd()) / program
    return file.is_file() and os.access(file, os.X_OK)
