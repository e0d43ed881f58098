"""The size that is billed when another is asked for, and what a reader of the bill has to know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from loadlab.analysis.money import ceil_to, exact
from loadlab.model.experiment import Resources
from loadlab.model.price import BillingModel, PerRequestMemory, Provisioned, RequestBilled, Size

_MB_PER_GIB = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class BilledSize:
    """vCPU and GiB that one replica is billed for; ``rounded`` where they are more than was asked."""

    vcpu: Decimal
    gib: Decimal
    rounded: bool = False

    @property
    def label(self) -> str:
        """Such as ``1 vCPU + 2 GiB``."""
        return f"{_plain(self.vcpu)} vCPU + {_plain(self.gib)} GiB"


def billed_size(model: BillingModel, asked: Resources, sizes: Sequence[Size]) -> BilledSize | None:
    """The size that is billed when ``asked`` is deployed: the next one sold, None where nothing sold is enough.

    The smallest vCPU that is enough and is sold with enough memory counts. Per-request memory has no processor
    of its own: the larger of the memory asked and the memory that comes with the vCPU asked, in whole MB, and within
    what is sold.
    """
    if isinstance(model, PerRequestMemory):
        return _memory_size(model, asked)
    if not sizes:
        return BilledSize(vcpu=asked.cpu, gib=asked.memory_gib)
    for size in sorted(sizes, key=lambda sold: (sold.vcpu, sold.min_gib)):
        gib = _sold_gib(size, asked.memory_gib)
        if size.vcpu >= asked.cpu and gib <= size.max_gib:
            rounded = (size.vcpu, gib) != (asked.cpu, asked.memory_gib)
            return BilledSize(vcpu=size.vcpu, gib=gib, rounded=rounded)
    return None


def _sold_gib(size: Size, asked_gib: Decimal) -> Decimal:
    above = max(Decimal(0), asked_gib - size.min_gib)
    return size.min_gib + math.ceil(exact(above) / exact(size.step_gib)) * size.step_gib


def _memory_size(model: PerRequestMemory, asked: Resources) -> BilledSize | None:
    wanted_mb = max(exact(asked.memory_gib) * _MB_PER_GIB, exact(asked.cpu * model.mb_per_vcpu), exact(model.min_mb))
    whole_mb = ceil_to(wanted_mb, Fraction(1))
    if model.max_mb is not None and whole_mb > exact(model.max_mb):
        return None
    gib = Decimal(int(whole_mb)) / _MB_PER_GIB
    return BilledSize(vcpu=asked.cpu, gib=gib, rounded=gib != asked.memory_gib)


def largest_size(model: BillingModel, sizes: Sequence[Size]) -> str:
    """The most that is sold, in words; for a model and sizes that have an end."""
    if isinstance(model, PerRequestMemory):
        most = model.max_mb or Decimal(0)
        return f"{_plain(most)} MB, which comes with {float(most / model.mb_per_vcpu):.3g} vCPU"
    largest = max(sizes, key=lambda sold: (sold.vcpu, sold.max_gib))
    return BilledSize(vcpu=largest.vcpu, gib=largest.max_gib).label


def billing_notes(model: BillingModel, size: BilledSize, asked: Resources) -> tuple[str, ...]:
    """What a reader of the bill has to know, one sentence each."""
    notes: list[str] = []
    if size.rounded:
        wanted = BilledSize(vcpu=asked.cpu, gib=asked.memory_gib).label
        notes.append(f"{wanted} is not sold; billed as {size.label}")
    match model:
        case Provisioned(min_s=min_s) if min_s:
            notes.append(
                f"each start is billed for at least {_plain(min_s)} s; the bill is of a replica that keeps running"
            )
        case RequestBilled(usd_per_idle_vcpu_s=Decimal() as vcpu, usd_per_idle_gib_s=Decimal() as gib):
            idle = f"{_plain(vcpu)} USD per vCPU-s and {_plain(gib)} USD per GiB-s"
            notes.append(f"a kept idle instance costs {idle}, not in the bill")
        case PerRequestMemory():
            notes.append(
                "each request has an environment to itself and is billed for the time it takes alone (measured at one "
                "user), its waiting in full; there is no queue, and starts are left out"
            )
    if isinstance(model, Provisioned) and model.usd_per_cluster_hour:
        notes.append(f"the cluster costs another {_plain(model.usd_per_cluster_hour)} USD an hour, not in the bill")
    return tuple(notes)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
