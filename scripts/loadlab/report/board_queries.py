"""Every query of every board, with the boards' variables put in as Grafana does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RATE_INTERVAL = "20s"
"""What Grafana takes for $__rate_interval: four scrapes of the lab's 5 s."""
LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")
VARIABLE = re.compile(r"\$\{?(\w+)\}?")

Choice = str | Sequence[str]
"""A text or a single choice, or any number of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardQuery:
    """One query of one panel. expr: with variables. instant: a figure, a table or a point of one moment."""

    board: str
    panel: int
    title: str
    ref: str
    expr: str
    legend: str
    unit: str
    instant: bool

    @property
    def variables(self) -> frozenset[str]:
        """The names of those in it."""
        return frozenset(VARIABLE.findall(self.expr)) - {"__rate_interval"}


def board_queries(board: Mapping[str, Any]) -> Iterator[BoardQuery]:
    """In the order of the board."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield BoardQuery(
                board=board["uid"],
                panel=panel["id"],
                title=panel["title"],
                ref=target["refId"],
                expr=target["expr"],
                legend=target["legendFormat"],
                unit=_unit(panel, target["refId"]),
                instant=bool(target.get("instant", False)),
            )


def _unit(panel: Mapping[str, Any], ref: str) -> str:
    """Of the query's column in a table of several, else of the panel."""
    for override in panel["fieldConfig"].get("overrides", ()):
        if override["matcher"]["options"] == f"Value #{ref}":
            return str(next(one["value"] for one in override["properties"] if one["id"] == "unit"))
    return str(panel["fieldConfig"]["defaults"]["unit"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A variable of which values are chosen: those of a label over the series of a selector, in Grafana's order."""

    name: str
    selector: str
    label: str


def board_offers(board: Mapping[str, Any]) -> Iterator[Offer]:
    """Its variables that ask Prometheus.

    Raises:
        ValueError: one asks otherwise than by label_values.
    """
    for one in board["templating"]["list"]:
        if one["type"] != "query":
            continue
        found = LABEL_VALUES.fullmatch(one["query"])
        if found is None:
            raise ValueError(f"{board['uid']}: variable {one['name']}: {one['query']!r} is no label_values(...)")
        yield Offer(name=one["name"], selector=found["selector"], label=found["label"])


def board_annotations(board: Mapping[str, Any]) -> Mapping[str, str]:
    """Name to expression."""
    return {one["name"]: one["expr"] for one in board["annotations"]["list"]}


def typed_defaults(board: Mapping[str, Any]) -> Mapping[str, str]:
    """What stands in the board's text boxes at first."""
    return {one["name"]: one["query"] for one in board["templating"]["list"] if one["type"] == "textbox"}


def expanded(expr: str, choices: Mapping[str, Choice]) -> str:
    """The expression as it is sent.

    A single choice or text goes in as it is. Several choices become (a|b), one of several its own name, none nothing,
    each escaped for a regular expression, as Grafana does for Prometheus.
    """

    def put(found: re.Match[str]) -> str:
        name = found.group(1)
        if name == "__rate_interval":
            return RATE_INTERVAL
        chosen = choices[name]
        if isinstance(chosen, str):
            return chosen
        escaped = [re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\\\1", one) for one in chosen]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})" if escaped else ""

    return VARIABLE.sub(put, expr)
