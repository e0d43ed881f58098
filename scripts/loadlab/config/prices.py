"""Price files (``scripts/prices/*.toml``) as records: strict, and every price the decimal that was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast

from loadlab.config.nearest import suggestion
from loadlab.config.table import Table, read_toml
from loadlab.config.values import choice, decimal, matching, text
from loadlab.errors import ConfigError
from loadlab.model.experiment import Billing
from loadlab.model.price import (
    BILLING_MODELS,
    BillingModel,
    PerRequestMemory,
    PriceList,
    Provisioned,
    RequestBilled,
    Size,
    Usage,
)

PRICES_FOLDER = Path(__file__).resolve().parents[2] / "prices"

_CONFIDENCE = ("high", "medium", "low")
_HEAD = ("id", "title", "region", "as_of", "source", "confidence", "billing", "size")
_HOURLY = ("usd_per_vcpu_hour", "usd_per_gib_hour")
_KEYS: Mapping[Billing, tuple[str, ...]] = {
    "provisioned": (*_HOURLY, "usd_per_cluster_hour", "min_s"),
    "request_billed": (
        "usd_per_vcpu_s",
        "usd_per_gib_s",
        "usd_per_million_requests",
        "rounding_s",
        "usd_per_idle_vcpu_s",
        "usd_per_idle_gib_s",
    ),
    "per_request_memory": (
        "usd_per_gib_s",
        "usd_per_million_requests",
        "rounding_s",
        "mb_per_vcpu",
        "min_mb",
        "max_mb",
    ),
    "usage": _HOURLY,
}
_SIZE = ("vcpu", "min_gib", "max_gib", "step_gib")
_MILLISECOND = Decimal("0.001")

_identifier = matching(r"[a-z0-9]+(-[a-z0-9]+)*", "lower-case words joined by hyphens")
_date = matching(r"\d{4}-\d{2}(-\d{2})?|undated", 'a date such as "2026-09-30" or "2026-09", or "undated"')
_confidence = choice(_CONFIDENCE)
_price = decimal("0", "1000")
_positive = decimal("0", "100000", above=True)
_seconds = decimal("0", "3600")
_megabytes = decimal("1", "100000000")


def price_list_ids(folder: Path = PRICES_FOLDER) -> tuple[str, ...]:
    """The ids of all price lists in a folder, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def load_price_lists(folder: Path = PRICES_FOLDER) -> Mapping[str, PriceList]:
    """Every price list of a folder, by id.

    Raises:
        ConfigError: a file is wrong.
    """
    return {list_id: load_price_file(folder / f"{list_id}.toml") for list_id in price_list_ids(folder)}


def load_price_list(list_id: str, folder: Path = PRICES_FOLDER) -> PriceList:
    """The price list of that id.

    Raises:
        ConfigError: there is none (the message names the nearest), or its file is wrong.
    """
    known = price_list_ids(folder)
    if list_id not in known:
        raise ConfigError(f"no price list {list_id!r}; {suggestion(list_id, known, 'price list')}")
    return load_price_file(folder / f"{list_id}.toml")


def load_price_file(path: Path) -> PriceList:
    """A price file as a record; its id is its file name.

    Raises:
        ConfigError: one line with file, line, key, what was got and what was expected.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; expected a price file in TOML") from None
    return parse_price_list(content, str(path), expected_id=path.stem)


def parse_price_list(content: str, file: str, *, expected_id: str) -> PriceList:
    """The text of a price file as a record; ``file`` is only named in messages."""
    data, source = read_toml(content, file)
    head = Table(data, (), source, _HEAD)
    list_id = head.required("id", _identifier)
    if list_id != expected_id:
        head.refuse("id", f'"{expected_id}", as the file is called')
    confidence = cast(Literal["high", "medium", "low"], head.required("confidence", _confidence))
    return PriceList(
        id=list_id,
        title=head.required("title", text),
        region=head.required("region", text),
        as_of=head.required("as_of", _date),
        source=head.required("source", text),
        confidence=confidence,
        billing=_billing(head),
        sizes=tuple(_size(table) for table in head.tables("size", _SIZE)),
    )


def _billing(head: Table) -> tuple[BillingModel, ...]:
    models = head.table("billing", tuple(BILLING_MODELS))
    if models is None or not any(True for _ in models):
        head.fail(None, f"lacks a table [billing.NAME]; expected at least one of {', '.join(BILLING_MODELS)}; add it")
    return tuple(_READERS[name](table) for name, keys in _KEYS.items() if (table := models.table(name, keys)))


def _provisioned(table: Table) -> Provisioned:
    return Provisioned(
        usd_per_vcpu_hour=table.required("usd_per_vcpu_hour", _price),
        usd_per_gib_hour=table.required("usd_per_gib_hour", _price),
        usd_per_cluster_hour=table.optional("usd_per_cluster_hour", _price, None),
        min_s=table.optional("min_s", _seconds, Decimal(0)),
    )


def _request_billed(table: Table) -> RequestBilled:
    return RequestBilled(
        usd_per_vcpu_s=table.required("usd_per_vcpu_s", _price),
        usd_per_gib_s=table.required("usd_per_gib_s", _price),
        usd_per_million_requests=table.required("usd_per_million_requests", _price),
        rounding_s=table.optional("rounding_s", _seconds, Decimal(0)),
        usd_per_idle_vcpu_s=table.optional("usd_per_idle_vcpu_s", _price, None),
        usd_per_idle_gib_s=table.optional("usd_per_idle_gib_s", _price, None),
    )


def _per_request_memory(table: Table) -> PerRequestMemory:
    rounding_s = table.required("rounding_s", _seconds)
    if rounding_s != _MILLISECOND:
        table.refuse("rounding_s", "0.001: durations are recorded rounded up to a millisecond")
    min_mb, max_mb = table.optional("min_mb", _megabytes, Decimal(1)), table.optional("max_mb", _megabytes, None)
    if max_mb is not None and max_mb < min_mb:
        table.refuse("max_mb", f"at least min_mb, which is {min_mb}")
    return PerRequestMemory(
        usd_per_gib_s=table.required("usd_per_gib_s", _price),
        usd_per_million_requests=table.required("usd_per_million_requests", _price),
        rounding_s=rounding_s,
        mb_per_vcpu=table.required("mb_per_vcpu", _positive),
        min_mb=min_mb,
        max_mb=max_mb,
    )


def _usage(table: Table) -> Usage:
    return Usage(
        usd_per_vcpu_hour=table.required("usd_per_vcpu_hour", _price),
        usd_per_gib_hour=table.required("usd_per_gib_hour", _price),
    )


_READERS: Mapping[Billing, Callable[[Table], BillingModel]] = {
    "provisioned": _provisioned,
    "request_billed": _request_billed,
    "per_request_memory": _per_request_memory,
    "usage": _usage,
}


def _size(table: Table) -> Size:
    size = Size(
        vcpu=table.required("vcpu", _positive),
        min_gib=table.required("min_gib", _positive),
        max_gib=table.required("max_gib", _positive),
        step_gib=table.required("step_gib", _positive),
    )
    if size.max_gib < size.min_gib:
        table.refuse("max_gib", f"at least min_gib ({size.min_gib})")
    return size
