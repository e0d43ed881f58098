"""Measured figures for the docs: records that are kept, and the page that is made of them.

A figure in docs/bench.md is never typed. Each measure stands there as it was last published, with its own revision,
machine and day, because hardly anybody makes all of them at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.marked_page import write_marked
from bench.record import SCHEMA, RecordError, figure_of, raw_bench
from bench.surroundings import Surroundings
from bench.table import ABSENT, format_value, span_text, sum_text, verdict_word

KEPT, PAGE = Path("docs", "bench.json"), Path("docs", "bench.md")
MARK = "bench"
FACTS = ("cpu_model", "cores", "memory_bytes", "kernel", "python")
HEADINGS = ("figure", "value", "range", "bar", "", "how measured")


def publish(files: Sequence[Path], root: Path, order: Sequence[str]) -> str:
    """Put the measures of these bench.json into the records and write the page; says which, in one line.

    order: names of all measures, as the page has them.

    Raises:
        RecordError: a file is no bench.json, was short (--quick), or is of files that no revision has.
    """
    kept = _kept(root / KEPT)
    fresh = [measure for path in files for measure in measures_of(path)]
    kept.update({measure["measure"]: measure for measure in fresh})
    inorder = [kept[name] for name in order if name in kept]
    (root / KEPT).write_text(json.dumps({"schema": SCHEMA, "measures": inorder}, indent=1) + "\n", encoding="utf-8")
    write_marked(root / PAGE, MARK, page_text(inorder, order))
    return f"published {', '.join(measure['measure'] for measure in fresh)} in {PAGE}"


def page_text(measures: Sequence[Mapping[str, Any]], order: Sequence[str]) -> str:
    """What stands between the marks of the page."""
    parts = [part for measure in measures for part in _section(measure)]
    there = {measure["measure"] for measure in measures}
    missing = [name for name in order if name not in there]
    if missing:
        parts.append(f"Not published yet: {', '.join(missing)}.")
    return "\n\n".join(parts)


def _kept(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    return {measure["measure"]: measure for measure in raw_bench(path)["measures"]}


def measures_of(path: Path) -> list[dict[str, Any]]:
    """Each measure of a file with what the file says of all of them. Raises RecordError as ``publish`` does."""
    raw = raw_bench(path)
    try:
        return list(_measures(raw, path))
    except (KeyError, TypeError) as error:
        raise RecordError(f"{path}: not a bench.json ({error!r}); measure again") from None


def _measures(raw: Mapping[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    if raw["quick"]:
        raise RecordError(f"{path}: got measures of --quick, expected whole ones; measure again without it")
    if raw["git"]["dirty"] or not raw["git"]["revision"]:
        raise RecordError(f"{path}: got figures of changed files, expected a revision; commit, then measure again")
    common = {
        "started": raw["started"],
        "revision": raw["git"]["revision"],
        "machine_id": raw["machine_id"],
        "machine": {fact: raw["machine"][fact] for fact in FACTS},
    }
    for measure in raw["measures"]:
        yield {**common, **measure}


def _section(measure: Mapping[str, Any]) -> Iterator[str]:
    figures = [figure_of(one) for one in measure["figures"]]
    told = {name: value for name, value in measure["surroundings"].items() if name != "quiet"}
    facts = ", ".join(f"{name} {value}" for name, value in measure["machine"].items() if value is not None)
    yield f"### {measure['measure']}"
    yield (
        f"{measure['started'][:10]}, revision {measure['revision'][:12]}; {facts}. "
        f"{Surroundings(**told).text()}. {sum_text(figures)}."
    )
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(_row(figure) for figure in figures)]
    yield "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
    notes = [f"* {figure.name}: {figure.note}" for figure in figures if figure.note]
    if notes:
        yield "\n".join(notes)


def _row(figure: Figure) -> tuple[str, ...]:
    value = f"{format_value(figure.value)} {figure.unit}".rstrip() if figure.value is not None else ABSENT
    bar = figure.bar.text() if figure.bar else ABSENT
    return (figure.name, value, span_text(figure), bar, verdict_word(figure), figure.how)
