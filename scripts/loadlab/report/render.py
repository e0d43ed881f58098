"""The files that a report consists of, by name."""

from __future__ import annotations

from loadlab.report.html import render_html
from loadlab.report.junit import render_junit
from loadlab.report.markdown import render_markdown
from loadlab.report.results import Results

REPORT_FILES = ("report.html", "report.md", "junit.xml")


def render_files(results: Results) -> dict[str, bytes]:
    """report.html, report.md and junit.xml of parsed results.json, byte for byte the same each time."""
    texts = {
        "report.html": render_html(results),
        "report.md": render_markdown(results),
        "junit.xml": render_junit(results),
    }
    return {name: text.encode("utf-8") for name, text in texts.items()}
