"""The price lists of a run as a report shows them: whose prices, of when, how sure, and what a unit costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from loadlab.analysis.billing import Tariff
from loadlab.model.price import BillingModel, PerRequestMemory, PriceList, Provisioned, RequestBilled, Usage
from loadlab.model.result import PriceListDescription


def describe_price_lists(tariffs: Iterable[Tariff], lists: Mapping[str, PriceList]) -> tuple[PriceListDescription, ...]:
    """Each tariff with the list it comes from, in the order of the experiment."""
    return tuple(_describe(tariff, lists[tariff.list_id]) for tariff in tariffs)


def _describe(tariff: Tariff, price: PriceList) -> PriceListDescription:
    return PriceListDescription(
        id=price.id,
        title=price.title,
        region=price.region,
        as_of=price.as_of,
        source=price.source,
        confidence=price.confidence,
        billing=tariff.billing,
        billed_size=tariff.size.label,
        unit_prices=tuple(_unit_prices(tariff.model)),
        notes=tariff.notes,
    )


def _unit_prices(model: BillingModel) -> Iterator[str]:
    match model:
        case Provisioned() | Usage():
            yield f"{_usd(model.usd_per_vcpu_hour)} per vCPU-h"
            yield f"{_usd(model.usd_per_gib_hour)} per GiB-h"
        case RequestBilled():
            yield f"{_usd(model.usd_per_vcpu_s)} per vCPU-s"
            yield f"{_usd(model.usd_per_gib_s)} per GiB-s"
        case PerRequestMemory():
            yield f"{_usd(model.usd_per_gib_s)} per GiB-s of each request"
    if isinstance(model, RequestBilled | PerRequestMemory):
        yield f"{_usd(model.usd_per_million_requests)} per million requests"
        if model.rounding_s:
            yield f"time rounded up to {_plain(model.rounding_s)} s"


def _usd(amount: Decimal) -> str:
    return f"${_plain(amount)}"


def _plain(number: Decimal) -> str:
    """All digits of the list, without an exponent: a price is never rounded for show."""
    return f"{number:f}"
