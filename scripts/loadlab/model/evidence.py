"""What stands beside the figures so that a reader can judge them: whose prices they are, and what filled up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.experiment import Billing


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
