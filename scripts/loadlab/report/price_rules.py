"""Price lists as Prometheus recording rules: prices are series, and cost is made of them by rules.

For each (list, billing) two kinds of series, numbers as the price file writes them:

* ``loadlab:price_usd{list, billing, unit}``: each unit price; unit is the field of the billing model's record without
  its ``usd_per_``. What is billed of each unit for a level is told by the load generator; ``cost.yaml`` multiplies.
* ``loadlab:stack_usd_per_hour{stack, list, billing}``: what is billed for a stack's deployment by the hour, as
  ``analysis.billing`` has it; only where there is a bill by the hour (``provisioned``, ``usage``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal

from loadlab.analysis.billing import PRICED
from loadlab.model.price import BILLING_MODELS, BillingModel, PriceList, Provisioned, Usage

HEAD = """\
# Generated from scripts/prices by `make dashboards`; a test fails when they differ. Do not edit.
groups:
  - name: loadlab-prices
    rules:
"""
CORES = 'sum by (stack) (loadlab_billed_cpu_cores{{list="{list}", billing="{billing}"}})'
MEMORY = 'sum by (stack) (loadlab_billed_memory_gib{{list="{list}", billing="{billing}"}})'
USED_CORES = "sum by (stack) (rate(process_tree_cpu_seconds_total[20s]))"
USED_MEMORY = "sum by (stack) (process_tree_pss_bytes) / 1024 ^ 3"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    record: str
    expr: str
    labels: Mapping[str, str]

    def text(self) -> str:
        labels = ", ".join(f"{name}: {value}" for name, value in self.labels.items())
        return f"      - record: {self.record}\n        expr: {self.expr}\n        labels: {{ {labels} }}\n"


def price_rules(lists: Iterable[PriceList]) -> str:
    """The rule file, lists in the order of their ids."""
    ordered = sorted(lists, key=lambda one: one.id)
    return HEAD + "".join(
        rule.text() for price in ordered for model in price.billing for rule in _rules(price.id, model)
    )


def _rules(list_id: str, model: BillingModel) -> Iterator[_Rule]:
    where = {"list": list_id, "billing": _billing(model)}
    yield from _prices(model, where)
    if isinstance(model, Provisioned | Usage):
        yield _Rule(record="loadlab:stack_usd_per_hour", expr=_per_hour(model, where), labels=where)


def _prices(model: BillingModel, where: Mapping[str, str]) -> Iterator[_Rule]:
    for field in fields(model):
        value = getattr(model, field.name)
        if field.name.startswith(PRICED) and isinstance(value, Decimal):
            unit = field.name.removeprefix(PRICED)
            yield _Rule(record="loadlab:price_usd", expr=f"vector({value:f})", labels={**where, "unit": unit})


def _per_hour(model: Provisioned | Usage, where: Mapping[str, str]) -> str:
    cores, memory = CORES.format(**where), MEMORY.format(**where)
    if isinstance(model, Usage):
        cores, memory = _larger(USED_CORES, cores), _larger(USED_MEMORY, memory)
    return _hourly(where, cores, memory)


def _hourly(where: Mapping[str, str], cores: str, memory: str) -> str:
    return f"{_times(cores, where, 'vcpu_hour')} + {_times(memory, where, 'gib_hour')}"


def _times(amount: str, where: Mapping[str, str], unit: str) -> str:
    """An amount of each series times one unit price; nothing where the price is absent."""
    price = f'loadlab:price_usd{{list="{where["list"]}", billing="{where["billing"]}", unit="{unit}"}}'
    return f"{amount} * on () group_left () {price}"


def _larger(used: str, requested: str) -> str:
    """Per stack that is billed: what it uses where that is more than what is requested."""
    return f"(({used} > {requested}) or {requested})"


def _billing(model: BillingModel) -> str:
    return next(name for name, kind in BILLING_MODELS.items() if isinstance(model, kind))
