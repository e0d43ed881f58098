"""A report of an open load, whose levels are rates: the same view with its words changed."""

from __future__ import annotations

import dataclasses
from typing import Any

from loadlab.report.arrivals import is_open
from loadlab.report.results import Results
from loadlab.report.view import ReportView, build_view
from loadlab.units import as_rates

_AS_THEY_ARE = frozenset(
    {
        *("title", "question", "run_id", "made", "badge", "settings_line", "stack_names", "stack_labels", "statistic"),
        *("toml", "reproduce", "provenance", "loop_note", "arrivals"),
    }
)


def report_view(results: Results) -> ReportView:
    """The report of parsed results.json, in users or in rates. Names, commands and files stay as they are."""
    view = build_view(results)
    if not is_open(results):
        return view
    names = (one.name for one in dataclasses.fields(view) if one.name not in _AS_THEY_ARE)
    return dataclasses.replace(view, **{name: said_in_rates(getattr(view, name)) for name in names})


def said_in_rates(value: Any) -> Any:
    """A text, a table or whatever is made of them, with rates where it speaks of users."""
    if isinstance(value, str):
        return as_rates(value)
    if isinstance(value, tuple):
        return tuple(said_in_rates(one) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (one.name for one in dataclasses.fields(value) if one.init and one.name != "key")
        return dataclasses.replace(value, **{name: said_in_rates(getattr(value, name)) for name in names})
    return value
