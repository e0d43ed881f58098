"""Mending what broke, and trying again what it broke."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from loadlab.errors import LoadError
from loadlab.execute.ports import nothing
from loadlab.pipeline.rig import Rig

ATTEMPTS = 3

Result = TypeVar("Result")


def insist(
    rig: Rig, trial: str, block: int, act: Callable[[], Result], restarted: Callable[[], None] = nothing
) -> Result:
    """Do something with the load generator; when that breaks, mend it and try again.

    restarted is called when the stacks had to be started again on the way.

    Raises:
        LoadError: it broke ATTEMPTS times in a row.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            return act()
        except LoadError as error:
            rig.store.event("trial_lost", {"trial": trial, "reason": str(error)})
            rig.progress.message(f"{trial}: {error}")
            if left == 0:
                raise
            heal(rig, block, restarted)
    raise AssertionError("unreachable: the last attempt returns or raises")


def heal(rig: Rig, block: int, restarted: Callable[[], None] = nothing) -> None:
    """Start again what has ended by itself, so that the next trial finds everything in place.

    restarted is called when the stacks were: all of them are fresh then, and cold.
    """
    for line in rig.generator.heal():
        rig.store.event("generator_healed", {"reason": line})
        rig.progress.message(f"load generator restarted: {line}")
    if fallen := rig.deployer.fallen():
        rig.store.event("stacks_restarted", {"reason": list(fallen)})
        rig.progress.message(f"started again: {'; '.join(fallen)}")
        rig.deployer.prepare(block)
        restarted()
