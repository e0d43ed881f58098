"""Which price lists an experiment asks for, and by which of their billing models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loadlab.config.nearest import suggestion
from loadlab.config.prices import load_price_list, price_list_ids
from loadlab.config.table import Table
from loadlab.config.values import choice, text
from loadlab.model.experiment import PriceRef
from loadlab.model.price import BILLING_MODELS

PRICE_KEYS = ("list", "billing")


def read_price_refs(tables: Sequence[Table], folder: Path) -> tuple[PriceRef, ...]:
    """The ``[[price]]`` tables in their order, each checked against the price lists of ``folder``.

    Raises:
        ConfigError: an unknown list, a billing model that the list does not offer, or the same pair twice.
    """
    known = price_list_ids(folder)
    refs: list[PriceRef] = []
    for table in tables:
        ref = _read(table, known, folder)
        if ref in refs:
            table.fail(None, f"repeats {ref.list_id} with {ref.billing}; remove one of the two")
        refs.append(ref)
    return tuple(refs)


def _read(table: Table, known: Sequence[str], folder: Path) -> PriceRef:
    list_id = table.required("list", text)
    if list_id not in known:
        table.refuse("list", f"a price list of scripts/prices/; {suggestion(list_id, known, 'list')}")
    billing = table.required("billing", choice(tuple(BILLING_MODELS)))
    models = load_price_list(list_id, folder).billing
    offered = [name for name, model in BILLING_MODELS.items() if any(isinstance(m, model) for m in models)]
    if billing not in offered:
        table.refuse("billing", f"a billing model that {list_id} offers: {', '.join(offered)}")
    return PriceRef(list_id=list_id, billing=billing)
