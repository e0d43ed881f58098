"""The price lists of a checkout as the rules that the lab's Prometheus evaluates: one source, scripts/prices."""

from __future__ import annotations

from loadlab.config.prices import load_price_lists
from loadlab.pipeline.layout import Layout
from loadlab.report.price_rules import price_rules


def lab_price_rules(layout: Layout) -> str:
    """The rule file. Raises ConfigError: a price list is wrong."""
    return price_rules(load_price_lists(layout.prices).values())
