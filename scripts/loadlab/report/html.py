"""report.html: one self-contained page. Nothing is loaded, no script runs, the same results give the same bytes."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from loadlab.report.charts import Chart
from loadlab.report.figures import drawn, undrawn_lines
from loadlab.report.rates import report_view
from loadlab.report.results import Results
from loadlab.report.svg import NARROW, PANEL, WIDE, draw

_FRAMES = {"panel": PANEL, "wide": WIDE, "narrow": NARROW}


def render_html(results: Results) -> str:
    """The page of parsed results.json, as text to be written in UTF-8."""
    template = _environment().get_template("report.html.j2")
    return template.render(view=report_view(results), style=Markup(_source("report.css")))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["picture"] = _picture
    environment.filters["drawn"] = drawn
    environment.filters["undrawn"] = undrawn_lines
    return environment


def _source(name: str) -> str:
    return files("loadlab.report").joinpath("templates", name).read_text(encoding="utf-8")


def _picture(chart: Chart, frame: str) -> Markup:
    return Markup(draw(chart, _FRAMES[frame]))
