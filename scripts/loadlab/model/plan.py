"""What will be done, in which order: drawn from the seed before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["sweep", "aa", "repeat"]
LoadKind = Literal["closed", "open"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One measured window to come: a stack at a level. ``id`` is unique in the run and names its files.

    users: the level, which in an open load is its rate in arrivals per second.
    """

    id: str
    block: int
    stack: str
    users: int
    role: Role = "sweep"
    repeats: str | None = None
    """The id of the trial that this one repeats."""
    kind: LoadKind = "closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Trials in the order they run; both stacks are started fresh before the first and ended after the last."""

    number: int
    trials: tuple[Trial, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The whole run. ``aa_users`` is the level of the A/A control, ``aa_stack`` the stack that it doubles."""

    levels: tuple[int, ...]
    blocks: tuple[Block, ...]
    aa_users: int
    aa_stack: str
    seed: int
