"""What stands beside the figures so that a reader can judge them: whose prices, what filled up, which stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.experiment import Billing
from loadlab.model.plan import RefinementOutcome


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceListDescription:
    """One price list as it was applied under one billing model.

    unit_prices: such as "0.04048 USD per vCPU-h". billed_size: of one replica, such as "1 vCPU + 2 GiB".
    """

    id: str
    title: str
    region: str
    as_of: str
    source: str
    confidence: Literal["high", "medium", "low"]
    billing: Billing
    billed_size: str
    unit_prices: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StackExplanation:
    """What one stack filled up on its way through the levels, as a sentence and as figures.

    slots_peak and slots_full_from_users are of the worker with the most busy slots; cores_peak is of the whole
    process tree. A resource is full from the lowest level on from which it stays full at every higher one; None
    where it never is, and where it was not measured (then its peak is None too).
    """

    stack: str
    sentence: str
    slots_limit: int | None
    slots_peak: float | None
    slots_full_from_users: int | None
    cores_limit: float
    cores_peak: float | None
    cores_full_from_users: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refined:
    """The second stage of a run whose experiment asks for one: what was fixed beforehand, and what came of it.

    levels_asked, beyond_asked, blocks_asked, width_ratio, stage_alpha: of the plan; stage_alpha is the one-sided error
    of each stage; files of before have no beyond_asked.
    lower_users, upper_users: the first stage's bracket. levels, blocks: that the second stage has, none where the run
    ended with the first. outcome None: it is not decided yet. aa_users: where its A/A control stands.
    """

    levels_asked: int
    blocks_asked: int
    width_ratio: float
    stage_alpha: float
    outcome: RefinementOutcome | None
    reason: str
    lower_users: int | None
    upper_users: int | None
    levels: tuple[int, ...]
    blocks: tuple[int, ...]
    aa_users: int | None
    beyond_asked: int | None = None
