"""The bench's table, its record on disk, and the comparison of two of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import command
from bench.compare import compare_text
from bench.figures import Figure, at_least, at_most
from bench.record import Bench, Measured, RecordError, read_bench, write_bench
from bench.surroundings import Surroundings
from bench.table import format_value, table_text

QUIET = Surroundings(elapsed_s=12.0, steal_ratio=0.0, others_cores=0.01, load_1min=0.4)
NOISY = replace(QUIET, steal_ratio=0.03)
RATIO = Figure(
    name="recorder", value=0.981, lower=0.97, upper=0.99, unit="ratio", bar=at_least(0.97), how="in pairs", note="warm"
)
SIZE = Figure(name="report", value=2.4, unit="MB", bar=at_most(2.0), how="one file")
SCRAPE = Figure(name="scrape", value=6.31, unit="ms", how="forty times")


def _measured(*figures: Figure, surroundings: Surroundings = QUIET) -> list[Measured]:
    return [Measured(measure="some", figures=figures, surroundings=surroundings)]


def _kept(path: Path, measured: list[Measured], *, quick: bool = False) -> Bench:
    write_bench(path, measured, started=datetime(2026, 11, 23, tzinfo=UTC), quick=quick, root=path.parent)
    return read_bench(path)


@pytest.mark.parametrize(
    ("figure", "ok"),
    [(RATIO, True), (replace(RATIO, value=0.969), False), (SIZE, False), (replace(SIZE, value=2.0), True)],
)
def test_a_bar_holds_on_its_own_side_and_at_its_limit(figure: Figure, ok: bool) -> None:
    assert figure.ok is ok


def test_a_figure_that_could_not_be_measured_misses_its_bar_and_one_without_a_bar_is_not_judged() -> None:
    assert replace(RATIO, value=None).ok is False
    assert SCRAPE.ok is None


def test_every_figure_has_one_row_with_its_bar_and_verdict_and_the_missed_are_named() -> None:
    text = table_text(_measured(RATIO, SIZE, SCRAPE))
    rows = {line.split("  ")[0]: line for line in text.splitlines()[1:4]}
    assert rows["recorder"].split() == ["recorder", "0.981", "ratio", "0.97..0.99", ">=", "0.97", "ok", "in", "pairs"]
    assert "MISSED" in rows["report"]
    assert "ok" not in rows["scrape"].split()
    assert "1 of 2 bars met; missed: report" in text
    assert "recorder: warm" in text


def test_the_table_says_whether_the_machine_was_quiet() -> None:
    assert "some: 12 s, quiet: steal 0.0%, others used 0.01 cores" in table_text(_measured(SCRAPE))
    assert "NOISY: steal 3.0%" in table_text(_measured(SCRAPE, surroundings=NOISY))


def test_the_table_says_whether_idle_cores_were_kept_awake() -> None:
    assert "load 0.4, idle cores kept awake" in table_text(
        _measured(SCRAPE, surroundings=replace(QUIET, kept_awake=True))
    )
    assert "awake" not in table_text(_measured(SCRAPE))


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.98123, "0.9812"), (3.0, "3"), (12345.6, "12346"), (0.0, "0")]
)
def test_values_have_four_digits_and_what_is_absent_is_no_zero(value: float | None, text: str) -> None:
    assert format_value(value) == text


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    bench = _kept(tmp_path / "bench.json", _measured(RATIO, SIZE, SCRAPE, surroundings=NOISY), quick=True)
    assert list(bench.figures.values()) == [RATIO, SIZE, SCRAPE]
    assert bench.noisy == {"recorder", "report", "scrape"}
    assert bench.quick
    assert bench.machine["cores"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "got schema None, expected 1"),
        ('{"schema": 99}', "got schema 99, expected 1"),
        ('{"schema": 1}', "not a bench.json"),
    ],
)
def test_a_file_that_is_no_bench_is_told_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=why) as caught:
        read_bench(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        read_bench(tmp_path / "bench.json")


def test_a_comparison_shows_the_change_and_what_it_did_to_the_bars(tmp_path: Path) -> None:
    first = _kept(tmp_path / "a.json", _measured(RATIO, SIZE))
    second = _kept(tmp_path / "b.json", _measured(replace(RATIO, value=0.9319), replace(SIZE, value=1.2), SCRAPE))
    rows = {line.split("  ")[0]: line for line in compare_text(first, second).splitlines()}
    assert "0.950" in rows["recorder"]
    assert rows["recorder"].endswith("now MISSED")
    assert "0.500" in rows["report"]
    assert rows["report"].endswith("now met")
    assert rows["scrape"].endswith("only in one")


def test_a_comparison_ends_with_1_where_a_bar_was_met_before(tmp_path: Path) -> None:
    _kept(tmp_path / "a.json", _measured(RATIO, SIZE))
    _kept(tmp_path / "b.json", _measured(replace(RATIO, value=0.9319), replace(SIZE, value=1.2)))
    one, other = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    assert command.main(["--compare", one, other]) == 1
    assert command.main(["--compare", one, one]) == 0


def test_a_comparison_marks_values_out_of_range_noise_other_machines_and_rough_runs(tmp_path: Path) -> None:
    first = _kept(tmp_path / "a.json", _measured(RATIO))
    second = _kept(tmp_path / "b.json", _measured(replace(RATIO, value=0.995), surroundings=NOISY), quick=True)
    text = compare_text(first, replace(second, machine_id="another"))
    assert "outside the first's range, noisy" in text
    assert "DIFFERENT MACHINES" in text
    assert "one of them is --quick" in text
    assert "DIFFERENT" not in compare_text(first, first)


def test_a_comparison_marks_figures_of_which_one_had_idle_cores_kept_awake(tmp_path: Path) -> None:
    first = _kept(tmp_path / "a.json", _measured(RATIO))
    second = _kept(tmp_path / "b.json", _measured(RATIO, surroundings=replace(QUIET, kept_awake=True)))
    assert "idle cores kept awake in one" in compare_text(first, second)
    assert "awake" not in compare_text(second, second)
