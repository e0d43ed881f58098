"""What the lab's Prometheus evaluates, out of a checkout: prices have one source, scripts/prices."""

from __future__ import annotations

from loadlab.config.prices import load_price_lists
from loadlab.pipeline.layout import Layout
from loadlab.report.operator_rules import operator_rules
from loadlab.report.price_rules import price_rules


def lab_price_rules(layout: Layout) -> str:
    """The price lists as a rule file. Raises ConfigError: a price list is wrong."""
    return price_rules(load_price_lists(layout.prices).values())


def lab_operator_rules(layout: Layout) -> str:
    """All rules, prices as they are now, as objects of the Prometheus operator. Raises ConfigError."""
    folder = layout.k8s / "base" / "prometheus" / "rules"
    written = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
    return operator_rules({**written, "prices": lab_price_rules(layout)})
