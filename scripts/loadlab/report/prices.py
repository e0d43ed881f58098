"""Whose prices: the price lists of a run, as a table and as the line under a chart."""

from __future__ import annotations

from loadlab.report.cells import Cell, Table, columns, words
from loadlab.report.results import Results
from loadlab.report.words import BILLINGS, price_text

_NO_REGION = "none"


def price_line(results: Results, record: Results) -> str:
    """The list and billing model of a record with region and date, such as the line under a chart."""
    known = _description(results, record)
    if known is None:
        return price_text(record)
    as_of = f"as of {known['as_of']}" if known["as_of"][:1].isdigit() else known["as_of"]
    region = () if known["region"] == _NO_REGION else (known["region"],)
    return ", ".join((known["title"], *region, as_of, BILLINGS[known["billing"]]))


def price_table(results: Results) -> Table:
    """Every price list as it was applied: region, date, source and unit prices."""
    titles = ("'Price list", "'Region", "'As of", "'Billing", "'Billed size", "'Unit prices", "'Source, confidence")
    return Table(
        caption="The price lists: list prices in US dollars, without tax or discount",
        columns=columns(*titles),
        rows=tuple(_row(price) for price in results["price_lists"]),
    )


def _row(price: Results) -> tuple[Cell, ...]:
    return (
        Cell(text=price["title"], figure=False, detail=price["id"]),
        words(price["region"]),
        words(price["as_of"]),
        words(BILLINGS[price["billing"]]),
        words(price["billed_size"]),
        Cell(text="; ".join(price["unit_prices"]), figure=False, detail="; ".join(price["notes"]) or None),
        words(f"{price['source']}, {price['confidence']}"),
    )


def _description(results: Results, record: Results) -> Results | None:
    wanted = (record["list"], record["billing"])
    found = (price for price in results["price_lists"] if (price["id"], price["billing"]) == wanted)
    return next(found, None)
