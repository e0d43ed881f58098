"""Price lists. Money is Decimal from the file to the last rounding (six digits, on output)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from loadlab.model.experiment import Billing


@dataclass(frozen=True, kw_only=True, slots=True)
class Provisioned:
    """Pod-hours, whatever they do. min_s is the shortest time billed for a start."""

    usd_per_vcpu_hour: Decimal
    usd_per_gib_hour: Decimal
    usd_per_cluster_hour: Decimal | None = None
    """Shown beside a bill, never spread over replicas."""
    min_s: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestBilled:
    """Instance time with at least one request in flight, rounded up to rounding_s, plus a fee per request.

    rounding_s 0: the platform's rounding is not known. usd_per_idle_*: of an instance kept without requests,
    shown beside a bill that has none; None where not known.
    """

    usd_per_vcpu_s: Decimal
    usd_per_gib_s: Decimal
    usd_per_million_requests: Decimal
    rounding_s: Decimal
    usd_per_idle_vcpu_s: Decimal | None = None
    usd_per_idle_gib_s: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PerRequestMemory:
    """One request per environment: its whole duration, rounded up, times memory, plus a fee per request.

    min_mb, max_mb: the memory that is sold, in whole MB; None: as much as is asked for.
    """

    usd_per_gib_s: Decimal
    usd_per_million_requests: Decimal
    rounding_s: Decimal
    mb_per_vcpu: Decimal
    min_mb: Decimal = Decimal(1)
    max_mb: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """max(request, usage) of processor and memory, as OpenCost charges."""

    usd_per_vcpu_hour: Decimal
    usd_per_gib_hour: Decimal


BillingModel = Provisioned | RequestBilled | PerRequestMemory | Usage

BILLING_MODELS: Mapping[Billing, type[BillingModel]] = {
    "provisioned": Provisioned,
    "request_billed": RequestBilled,
    "per_request_memory": PerRequestMemory,
    "usage": Usage,
}
"""The record behind each name that an experiment or a price file uses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A size that the platform sells: vCPU and the GiB allowed with it (smallest, largest, step)."""

    vcpu: Decimal
    min_gib: Decimal
    max_gib: Decimal
    step_gib: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceList:
    """One platform in one region. ``sizes`` is empty where any size is sold."""

    id: str
    title: str
    region: str
    as_of: str
    source: str
    confidence: Literal["high", "medium", "low"]
    billing: tuple[BillingModel, ...]
    sizes: tuple[Size, ...] = ()
