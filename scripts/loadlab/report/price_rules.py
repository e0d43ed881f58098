"""Price lists as Prometheus recording rules: prices are series, and cost is made of them by rules.

For each (list, billing) three kinds of series, numbers as the price file writes them:

* ``loadlab:price_usd{list, billing, unit}``: each unit price; unit is the field of the billing model's record without
  its ``usd_per_``.
* ``loadlab:stack_usd_per_hour{stack, list, billing}``: what is billed for a stack's deployment by the hour, as
  ``analysis.billing`` has it; not for ``request_billed``, whose bill follows the requests.
* ``loadlab:level_usd_per_million_good{stack, users, list, billing}``: the bill of the last whole window at a level over
  its good requests.

``per_request_memory`` is left out: its bill rounds each request up, which no counter holds. ``usage`` bills a level at
what is requested: what a stack uses beyond that is in ``loadlab:stack_usd_per_hour`` only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal

from loadlab.model.price import BILLING_MODELS, BillingModel, PriceList, Provisioned, RequestBilled, Usage

PREFIX = "usd_per_"
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
SECONDS = "sum by (stack, users) (loadlab_level_seconds)"
ACTIVE = "sum by (stack, users) (loadlab_level_active_seconds)"
GOOD = "(sum by (stack, users) (loadlab_level_good_requests) > 0)"
ENDED = "sum by (stack, users) (loadlab_level_ok_requests + loadlab_level_failed_requests)"
ONTO_LEVELS = "* on (stack) group_right ()"


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
    match model:
        case Provisioned() | Usage():
            yield from _prices(model, where)
            per_hour = _per_hour(model, where)
            yield _Rule(record="loadlab:stack_usd_per_hour", expr=per_hour, labels=where)
            requested = _hourly(where, CORES.format(**where), MEMORY.format(**where))
            bill = f"({requested}) / 3600 {ONTO_LEVELS} {SECONDS}"
            yield _Rule(record="loadlab:level_usd_per_million_good", expr=f"1e6 * {bill} / {GOOD}", labels=where)
        case RequestBilled():
            yield from _prices(model, where)
            bill = _request_bill(model, where)
            yield _Rule(record="loadlab:level_usd_per_million_good", expr=f"1e6 * ({bill}) / {GOOD}", labels=where)
        case _:
            return


def _prices(model: BillingModel, where: Mapping[str, str]) -> Iterator[_Rule]:
    for field in fields(model):
        value = getattr(model, field.name)
        if field.name.startswith(PREFIX) and isinstance(value, Decimal):
            unit = field.name.removeprefix(PREFIX)
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


def _request_bill(model: RequestBilled, where: Mapping[str, str]) -> str:
    cores, memory = CORES.format(**where), MEMORY.format(**where)
    per_s = f"({_times(cores, where, 'vcpu_s')} + {_times(memory, where, 'gib_s')})"
    step = f"{model.rounding_s:f}"
    active = f"ceil({ACTIVE} / {step}) * {step}" if model.rounding_s else ACTIVE
    fees = _times(f"({ENDED}) / 1e6", where, "million_requests")
    return f"{per_s} {ONTO_LEVELS} ({active}) + {fees}"


def _billing(model: BillingModel) -> str:
    return next(name for name, kind in BILLING_MODELS.items() if isinstance(model, kind))
