"""What the deployment that ran costs for a stretch of time, under one billing model. Exact; None is absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from loadlab.analysis.billed_size import BilledSize, billed_size, billing_notes, largest_size
from loadlab.analysis.money import ceil_to, exact
from loadlab.analysis.use import Use
from loadlab.errors import ConfigError
from loadlab.model.experiment import Billing, PriceRef, Resources
from loadlab.model.price import (
    BILLING_MODELS,
    BillingModel,
    PerRequestMemory,
    PriceList,
    Provisioned,
    RequestBilled,
    Usage,
)

_SECONDS_PER_HOUR = 3600
_MILLION = 10**6
_BYTES_PER_GIB = 1024**3
PRICED = "usd_per_"
"""Begins the name of every unit price of a billing model."""


def billing_model(price: PriceList, billing: Billing) -> BillingModel:
    """The model of that name in a price list.

    Raises:
        ConfigError: the list does not offer it.
    """
    for model in price.billing:
        if isinstance(model, BILLING_MODELS[billing]):
            return model
    offered = ", ".join(
        name for name, kind in BILLING_MODELS.items() if any(isinstance(m, kind) for m in price.billing)
    )
    raise ConfigError(f"price list {price.id} is not billed as {billing}; expected one of: {offered}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tariff:
    """One price list and billing model applied to the resources of one replica."""

    list_id: str
    billing: Billing
    model: BillingModel
    size: BilledSize
    notes: tuple[str, ...]

    def usd(self, use: Use) -> Fraction | None:
        """Dollars for the span of ``use`` by its replicas."""
        return bill_usd(self.model, self.size, use)

    def units(self, use: Use) -> Mapping[str, Fraction] | None:
        """What is billed for it, before prices."""
        return billed_units(self.model, self.size, use)


def make_tariff(price: PriceList, billing: Billing, asked: Resources) -> Tariff:
    """The tariff of a deployment.

    Raises:
        ConfigError: the list has no such billing model, or sells no size that is large enough.
    """
    model = billing_model(price, billing)
    size = billed_size(model, asked, price.sizes)
    if size is None:
        wanted = BilledSize(vcpu=asked.cpu, gib=asked.memory_gib).label
        raise ConfigError(
            f"price list {price.id} sells nothing as large as {wanted}; expected at most "
            f"{largest_size(model, price.sizes)}; lower [resources] or take another list"
        )
    return Tariff(
        list_id=price.id,
        billing=billing,
        model=model,
        size=size,
        notes=billing_notes(model, size, asked),
    )


def make_tariffs(refs: Iterable[PriceRef], lists: Mapping[str, PriceList], asked: Resources) -> tuple[Tariff, ...]:
    """The tariffs that an experiment asks for, in its order.

    Raises:
        ConfigError: as `make_tariff`, or a list is not among ``lists``.
    """
    tariffs = []
    for ref in refs:
        if ref.list_id not in lists:
            known = ", ".join(sorted(lists))
            raise ConfigError(f"no price list {ref.list_id!r}; expected one of: {known}")
        tariffs.append(make_tariff(lists[ref.list_id], ref.billing, asked))
    return tuple(tariffs)


def prices_cancel(tariff: Tariff, uses: Iterable[Use]) -> bool:
    """Whether every stretch costs the same per second, so that a cost ratio is the inverse goodput ratio."""
    bills = [(tariff.usd(use), use.span_s) for use in uses]
    rates = {None if usd is None else usd / span_s for usd, span_s in bills}
    return len(rates) == 1 and None not in rates


def bill_usd(model: BillingModel, size: BilledSize, use: Use) -> Fraction | None:
    """Dollars for the span of ``use`` by all its replicas; None where the bill depends on what was not measured.

    A window is a stretch of a deployment that keeps running, so that the shortest time billed for a start does
    not come into it.
    """
    units = billed_units(model, size, use)
    if units is None:
        return None
    return sum((amount * exact(getattr(model, f"{PRICED}{unit}")) for unit, amount in units.items()), Fraction(0))


def billed_units(model: BillingModel, size: BilledSize, use: Use) -> Mapping[str, Fraction] | None:
    """How much of each unit that the model has a price of is on the bill, by the price's name without ``usd_per_``."""
    match model:
        case Provisioned():
            return _hours(exact(size.vcpu) * use.replicas, exact(size.gib) * use.replicas, use.span_s)
        case RequestBilled():
            active_s = ceil_to(use.active_s, exact(model.rounding_s)) * use.replicas
            return {
                "vcpu_s": exact(size.vcpu) * active_s,
                "gib_s": exact(size.gib) * active_s,
                "million_requests": use.requests / _MILLION,
            }
        case PerRequestMemory():
            return _held(size, use)
        case Usage():
            return _used(size, use)


def _hours(vcpu: Fraction, gib: Fraction, span_s: Fraction) -> Mapping[str, Fraction]:
    return {"vcpu_hour": vcpu * span_s / _SECONDS_PER_HOUR, "gib_hour": gib * span_s / _SECONDS_PER_HOUR}


def _held(size: BilledSize, use: Use) -> Mapping[str, Fraction] | None:
    """Never of a shared replica's window: what its requests wait for each other, no platform of this kind bills."""
    if use.held_s is None:
        return None
    return {"gib_s": use.held_s * exact(size.gib), "million_requests": use.requests / _MILLION}


def _used(size: BilledSize, use: Use) -> Mapping[str, Fraction] | None:
    if use.cpu_s is None or use.memory_bytes is None:
        return None
    vcpu = max(exact(size.vcpu) * use.replicas, use.cpu_s / use.span_s)
    gib = max(exact(size.gib) * use.replicas, use.memory_bytes / _BYTES_PER_GIB)
    return _hours(vcpu, gib, use.span_s)
