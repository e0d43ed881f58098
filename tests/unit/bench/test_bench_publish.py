"""Figures for the docs come out of measured files, and out of nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.command import MEASURES, ROOT
from bench.figures import Figure, at_most
from bench.marked_page import marks, read_marked
from bench.publish import KEPT, MARK, PAGE, page_text, publish
from bench.record import Measured, RecordError, raw_bench, write_bench
from bench.surroundings import Surroundings

QUIET = Surroundings(elapsed_s=12.0, steal_ratio=0.0, others_cores=0.01, load_1min=0.4)
LATE = Figure(name="late | early", value=0.25, lower=0.2, upper=0.3, unit="ms", bar=at_most(0.2), how="by its log")
LOST = Figure(name="lost", value=0.0, unit="", bar=at_most(0.0), how="by the books", note="of 40 cases")
ORDER = ("golden", "faults", "help")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / PAGE).write_text("# Page\n\n{}\n{}\n\nEnd.\n".format(*marks(MARK)), encoding="utf-8")
    return tmp_path


def bench(path: Path, *measured: tuple[str, Figure], **changes: Any) -> Path:
    """A bench.json as one run writes it, of a clean revision unless told otherwise."""
    measures = [Measured(measure=name, figures=(figure,), surroundings=QUIET) for name, figure in measured]
    write_bench(path, measures, started=datetime(2026, 11, 23, tzinfo=UTC), quick=False, root=path.parent)
    raw = {**raw_bench(path), "git": {"revision": "0123456789abcdef", "dirty": False}, **changes}
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def test_the_page_has_each_measure_as_it_was_last_published_with_its_revision(root: Path) -> None:
    first = bench(root / "a.json", ("help", LOST), ("golden", LATE))
    assert publish([first], root, ORDER) == f"published help, golden in {PAGE}"
    git = {"revision": "fedcba9876543210", "dirty": False}
    publish([bench(root / "b.json", ("golden", replace(LATE, value=0.1)), git=git)], root, ORDER)
    page = (root / PAGE).read_text(encoding="utf-8")
    assert page.startswith("# Page\n")
    assert page.endswith("\n\nEnd.\n")
    text = read_marked(root / PAGE, MARK)
    golden, other = text[: text.index("### help")], text[text.index("### help") :]
    assert "2026-11-23, revision fedcba987654;" in golden
    assert "| late / early | 0.1 ms | 0.2..0.3 | <= 0.2 | ok | by its log |" in golden
    assert "1 of 1 bars met." in golden
    assert "2026-11-23, revision 0123456789ab;" in other
    assert "* lost: of 40 cases" in other
    assert other.endswith("Not published yet: faults.")


def test_a_bar_that_is_missed_is_published_as_missed(root: Path) -> None:
    publish([bench(root / "a.json", ("golden", LATE))], root, ORDER)
    text = read_marked(root / PAGE, MARK)
    assert "| MISSED |" in text
    assert "0 of 1 bars met; missed: late | early." in text


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"quick": True}, "got measures of --quick"),
        ({"git": {"revision": "abc", "dirty": True}}, "got figures of changed files"),
        ({"git": {"revision": None, "dirty": None}}, "got figures of changed files"),
        ({"machine": None}, "not a bench.json"),
        ({"schema": 2}, "got schema 2"),
    ],
)
def test_what_nobody_could_measure_again_is_refused_in_one_line_and_nothing_changes(
    root: Path, changes: dict[str, Any], why: str
) -> None:
    before = (root / PAGE).read_text(encoding="utf-8")
    with pytest.raises(RecordError, match=why) as caught:
        publish([bench(root / "a.json", ("golden", LATE), **changes)], root, ORDER)
    assert "\n" not in str(caught.value)
    assert (root / PAGE).read_text(encoding="utf-8") == before
    assert not (root / KEPT).exists()


def test_the_page_of_the_docs_is_what_its_records_say() -> None:
    """Nobody typed a figure: the page is made of docs/bench.json and nothing else."""
    assert read_marked(ROOT / PAGE, MARK) == page_text(raw_bench(ROOT / KEPT)["measures"], tuple(MEASURES))
