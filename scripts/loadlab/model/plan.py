"""What will be done, in which order: drawn from the seed before anything is measured."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from loadlab.model.experiment import RefinePlan

Role = Literal["sweep", "aa", "repeat"]
LoadKind = Literal["closed", "open"]
RefinementOutcome = Literal["refined", "extended", "narrow", "no_bracket", "no_level_left", "invalid_end"]
"""What came of the first stage's bracket: levels inside of it are measured, or beyond the tested ones where it is open
at one end; or why the run ends there: it is narrow enough, it is open, no whole number of users is left in it, an end
of it or the outermost level on its open side is invalid."""

GOES_ON: tuple[RefinementOutcome, ...] = ("refined", "extended")
"""The outcomes that a second stage follows."""


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
    """One stage of a run, its first unless ``Refinement`` holds it.

    aa_users: the level of the A/A control; aa_stack: the stack that it doubles first. refine: the rules by which a
    second stage follows, None where none does.
    """

    levels: tuple[int, ...]
    blocks: tuple[Block, ...]
    aa_users: int
    aa_stack: str
    seed: int
    refine: RefinePlan | None = None

    def is_done(self, refinement: Refinement | None, finished: Collection[int]) -> bool:
        """Whether every block of the run is finished, those of a second stage included."""
        second = refinement.plan if refinement is not None else None
        decided = refinement is not None or self.refine is None
        blocks = (*self.blocks, *(second.blocks if second else ()))
        return decided and all(block.number in finished for block in blocks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refinement:
    """What was decided once the first stage was done, by the rules of the experiment.

    lower_users, upper_users: the bracket of the first stage at its share of alpha. plan: of the second stage, whose
    blocks are numbered on; None where the run ends with the first.
    """

    outcome: RefinementOutcome
    lower_users: int | None
    upper_users: int | None
    plan: Plan | None = None
