"""The table of controls says what the runs say."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import scipy.stats

from bench import controls
from bench.control_runs import Control, Run, add_run, changed_files, read_runs, run_of
from bench.controls import next_run, table
from bench.figures import Figure
from bench.marked_page import marks
from bench.measure_controls import control_figures
from loadlab.execute.machine import Machine
from loadlab.stats.paired import ratio_estimate

LOGS = (0.02, -0.01, 0.015, 0.03, -0.02, 0.01, 0.0, 0.005)


def results(
    folder: Path, logs: tuple[float, ...], *, valid: bool = True, answer: str = "straddles", codes: tuple[str, ...] = ()
) -> Path:
    seen = ratio_estimate(logs)
    assert seen is not None
    assert seen.interval is not None
    level = {
        "statistic": "goodput", "valid": valid, "ratio": seen.value, "blocks": len(logs), "answer": answer,
        "lower_ratio": seen.interval.lower, "upper_ratio": seen.interval.upper,
    }  # fmt: skip
    path = folder / "results.json"
    findings = [{"code": code} for code in codes]
    machine = {"cpu_model": "Abacus", "cores": 2, "kernel": None}
    made = {"git_revision": "0123456789abcdef", "git_dirty": False, "started_unix_s": 0.0}
    provenance = {**made, "machine": machine, "machine_id": "cafe"}
    told = {"comparisons": [level], "counts": {"invalid": 3}, "findings": findings, "provenance": provenance}
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


def test_an_interval_that_holds_one_is_inside(tmp_path: Path) -> None:
    found = run_of(results(tmp_path, LOGS), "plus0-01").control
    assert found is not None
    assert not found.outside_95
    assert not found.outside_99
    assert found.invalid_windows == 3


@pytest.mark.parametrize("shift", [0.012, 0.016, 0.02, 0.03])
def test_both_intervals_are_those_of_the_blocks(tmp_path: Path, shift: float) -> None:
    logs = tuple(log + shift for log in LOGS)
    found = run_of(results(tmp_path, logs), "plus5-01").control
    for level, outside in ((0.95, found and found.outside_95), (0.99, found and found.outside_99)):
        seen = ratio_estimate(logs, level)
        assert seen is not None
        assert seen.interval is not None
        assert outside == (not seen.interval.lower <= 1 <= seen.interval.upper)


def test_a_run_without_a_valid_level_says_nothing(tmp_path: Path) -> None:
    said = run_of(results(tmp_path, LOGS, valid=False), "plus0-01")
    assert said.control is None
    assert said.effect_ratio == 0
    add_run(tmp_path / "rows.csv", said)
    assert read_runs(tmp_path / "rows.csv") == [said]


def test_a_row_says_what_the_run_said_and_where_it_was_made(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    assert read_runs(rows) == []
    runs = [run_of(results(tmp_path, LOGS, answer="over"), name) for name in ("plus10-01", "plus10-02")]
    for run in runs:
        add_run(rows, run)
    for read, run in zip(read_runs(rows), runs, strict=True):
        assert read.control is not None
        assert run.control is not None
        assert (read.name, read.started, read.machine_id) == (run.name, "1970-01-01T00:00Z", "cafe")
        assert (read.revision, read.machine) == ("0123456789ab", "cpu_model Abacus, cores 2")
        assert (read.effect_ratio, read.control.over, read.control.invalid_windows) == (0.1, True, 3)
        assert read.control.ratio == pytest.approx(run.control.ratio, abs=1e-6)
        assert (read.control.lower_95, read.control.upper_95) == pytest.approx(
            (run.control.lower_95, run.control.upper_95), abs=1e-6
        )
        assert read.control.outside_99 == run.control.outside_99


def test_a_run_that_was_interrupted_is_not_counted_and_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a report of the blocks that it finished."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 130, "", "interrupted")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(controls, "changed_files", lambda _: [])
    monkeypatch.setattr(Machine, "machine_id", lambda _: "cafe")
    for number, codes in enumerate([("run_incomplete",), ("uncalibrated",)], start=1):
        bundle = tmp_path / f"plus0-{number:02d}" / "control-1"
        bundle.mkdir(parents=True)
        (bundle / "experiment.toml").touch()
        (bundle / "provenance.json").write_text('{"machine_id": "cafe"}', encoding="utf-8")
        results(bundle, LOGS[:3], codes=codes)
    (tmp_path / "plus0-01" / "copied").mkdir()
    (tmp_path / "plus0-01" / "copied" / "experiment.toml").touch()
    (tmp_path / "plus0-01" / "copied" / "provenance.json").write_text('{"machine_id": "beef"}', encoding="utf-8")
    results(tmp_path / "plus0-01" / "copied", LOGS)
    page = tmp_path / "controls.md"
    page.write_text("{}\n{}\n".format(*marks("controls")), encoding="utf-8")
    rows = tmp_path / "rows.csv"
    words = ["--aa", "2", "--injected", "0", "--folder", str(tmp_path), "--rows", str(rows), "--docs", str(page)]
    monkeypatch.setattr(sys, "argv", ["controls", *words])
    controls.main()
    (command,) = asked
    assert command[command.index("--resume") + 1] == str(tmp_path / "plus0-01" / "control-1")
    assert "| A/A | 1 |" in page.read_text(encoding="utf-8")
    assert [run.name for run in read_runs(rows)] == ["plus0-02"]
    results(tmp_path / "plus0-01" / "control-1", LOGS)
    shutil.rmtree(tmp_path / "plus0-02")
    controls.main()
    assert len(asked) == 1, "a run that has its row needs no bundle"
    assert [run.name for run in read_runs(rows)] == ["plus0-02", "plus0-01"]


def test_rows_are_of_a_revision_and_not_of_changed_files(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for path in ("docs/controls.csv", "docs/controls.md", "code.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("1\n", encoding="utf-8")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    assert changed_files(tmp_path) == []
    for path in ("docs/controls.csv", "docs/controls.md"):
        (tmp_path / path).write_text("2\n", encoding="utf-8")
    assert changed_files(tmp_path) == [], "making runs writes these"
    (tmp_path / "code.py").write_text("2\n", encoding="utf-8")
    assert changed_files(tmp_path) == ["code.py"]


def test_no_run_is_made_where_files_are_not_as_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(controls, "changed_files", lambda _: ["scripts/a.py", "b"])
    monkeypatch.setattr(sys, "argv", ["controls", "--rows", str(tmp_path / "rows.csv")])
    assert controls.main() == 2
    assert capsys.readouterr().out.startswith("controls: scripts/a.py is not as committed")
    assert not (tmp_path / "rows.csv").exists()


def control(effect: float, ratio: float, *, over: bool = False, half: float = 0.02, valid: bool = True) -> Run:
    """One run; half: of its 95 % interval, as a log."""
    ends = (ratio * math.exp(-half), ratio * math.exp(half))
    said = Control(ratio=ratio, blocks=8, lower_95=ends[0], upper_95=ends[1], over=over, invalid_windows=1)
    name = f"plus{effect:.0%}-01".replace("%", "")
    made = {"started": "", "revision": "abc", "machine": "Abacus", "machine_id": "cafe"}
    return Run(name=name, control=said if valid else None, **made)


SPOILT = [control(0.1, 1.0, valid=False)] * 2


def test_a_run_without_a_valid_level_is_made_up_for_and_one_without_a_result_is_not() -> None:
    wanted = {0.0: 2, 0.1: 1}
    good, bad = control(0.0, 1.0), control(0.1, 1.0, valid=False)
    assert next_run([], wanted) == (0.0, 1)
    assert next_run([good], wanted) == (0.1, 1), "by turns"
    assert next_run([good, bad], wanted) == (0.0, 2)
    assert next_run([good, replace(good, name="plus0-02"), bad], wanted) == (0.1, 2)
    assert next_run([good, bad], wanted, {"plus0-02"}) == (0.1, 2)
    assert next_run([good, bad], wanted, {"plus0-02", "plus10-02"}) is None
    assert next_run([good, bad, replace(good, name="plus0-02"), replace(good, name="plus10-02")], wanted) is None


def test_the_table_counts_runs_by_what_was_injected() -> None:
    said = [control(0.0, 1.0), control(0.0, 1.04, over=True), control(0.1, 1.1, over=True)]
    text = table([*said, *SPOILT])
    assert "| A/A | 2 | 1.0198 | 0.7949 to 1.3084 | 0.0283 | 1 of 2 | 1 of 2 | 1 of 2 |" in text
    assert "| +10% | 1 | 1.1000 | - | - | 1 of 1 | 1 of 1 | 1 of 1 |" in text
    assert "A/A by revision: abc 1.0198, 0.7949 to 1.3084 (2 runs)." in text
    assert "3 windows were refused by gates; 2 further runs had no valid level (+10% 2)." in text
    assert "| +20% | 0 | - | - | - | - | - | - | dearer in all: runs to come |" in text
    assert "Machine cafe: Abacus (5 runs)." in text
    assert "Revisions: abc (5 runs)." in text


def test_each_machine_has_a_table_of_its_own_and_makes_its_own_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = control(0.0, 1.0), replace(control(0.0, 1.04), machine="Quipu", machine_id="beef")
    text = table([here, there, there])
    assert "Machine cafe: Abacus (1 runs)." in text
    assert "| A/A | 1 | 1.0000 |" in text
    assert "Machine beef: Quipu (2 runs)." in text
    assert "| A/A | 2 | 1.0400 |" in text
    monkeypatch.setattr(Machine, "machine_id", lambda _: "beef")
    assert controls._of_this_machine([here, there]) == [there]
    assert table([]) == "No run yet."


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([control(0.0, 1.0)] * 26 + [control(0.0, 1.021)] * 4, "at most 4 and 2 of 30: met"),
        ([control(0.0, 1.0)] * 25 + [control(0.0, 1.021)] * 5, "at most 4 and 2 of 30: MISSED"),
        ([control(0.0, 1.0)] * 27 + [control(0.0, 1.1)] * 3, "at most 4 and 2 of 30: MISSED"),
        ([control(0.0, 1.0)] * 12, "at most 4 and 2 of 30: 18 runs to come"),
        ([control(0.0, 1.1)] * 3, "at most 4 and 2 of 30: MISSED"),
        ([control(0.1, 1.1, over=True)] * 19 + [control(0.1, 1.0)], "dearer in at least 19 of 20: met"),
        ([control(0.1, 1.1, over=True)] * 18 + [control(0.1, 1.0)] * 2, "dearer in at least 19 of 20: MISSED"),
        ([control(0.1, 1.1, over=True)] * 38 + [control(0.1, 1.0)] * 2, "dearer in at least 19 of 20: met"),
        ([control(0.05, 1.05)], "| none |"),
        ([control(0.2, 1.2, over=True)], "dearer in all: met"),
        ([control(0.2, 1.2, over=True), control(0.2, 1.2)], "dearer in all: MISSED"),
    ],
)
def test_the_table_says_whether_the_bars_are_met(runs: list[Run], said: str) -> None:
    assert said in table(runs)


BIAS = "mean of the A/A runs, how far its 95 % interval is off 1"


def barred(runs: list[Run]) -> list[Figure]:
    """The figures that count runs against a bar."""
    return [figure for figure in control_figures(runs, "cafe") if figure.unit == "runs"]


@pytest.mark.parametrize(
    ("ratios", "off_percent"),
    [([1.01, 0.99, 1.0], 0.0), ([1.001, 1.002] * 3, None), ([0.999, 0.998] * 3, None), ([1.0], None)],
    ids=["around 1", "above", "below", "one alone"],
)
def test_a_bias_that_no_run_shows_alone_shows_in_their_mean(ratios: list[float], off_percent: float | None) -> None:
    """Each of these intervals holds 1. Oracle: scipy's t interval of the logs."""
    runs = [control(0.0, ratio) for ratio in ratios]
    (figure,) = (figure for figure in control_figures(runs, "cafe") if figure.name == BIAS)
    assert [r.control.outside_95 for r in runs if r.control] == [False] * len(ratios)
    assert figure.ok is (off_percent == 0.0)
    if len(ratios) < 2:
        assert figure.value is None
        return
    logs = [math.log(ratio) for ratio in ratios]
    lower, upper = scipy.stats.t.interval(0.95, len(logs) - 1, loc=fmean(logs), scale=scipy.stats.sem(logs))
    assert figure.value == pytest.approx(100 * max(0.0, math.exp(lower) - 1, 1 - math.exp(upper)))


def test_of_the_other_effects_there_have_to_be_runs_and_the_larger_one_has_to_be_found() -> None:
    runs = [control(0.05, 1.05, over=True), control(0.05, 1.05)]
    told = {figure.name: figure for figure in control_figures(runs, "cafe")}
    small, large = told["runs with +5% that call it dearer"], told["runs with +20% that call it dearer"]
    assert (small.value, small.ok, small.note) == (0.5, None, "1 of 2")
    to_come = "no run yet: tests/bench/controls.py makes them, three minutes each"
    assert (large.value, large.ok, large.note) == (None, False, to_come)
    found, lost = control(0.2, 1.2, over=True), control(0.2, 1.2)
    shares = [{f.name: f for f in control_figures(made, "cafe")}[large.name] for made in ([found] * 2, [found, lost])]
    assert [(share.value, share.ok) for share in shares] == [(1.0, True), (0.5, False)]


FINE, OUTSIDE, FAR = control(0.0, 1.0), control(0.0, 1.021), control(0.0, 1.1)
FOUND, LOST = control(0.1, 1.1, over=True), control(0.1, 1.0)


@pytest.mark.parametrize(
    ("runs", "values", "met"),
    [
        ([FINE] * 26 + [OUTSIDE] * 4 + [FOUND] * 19 + [LOST], [4, 0, 1], [True, True, True]),
        ([FINE] * 25 + [OUTSIDE] * 5 + [FOUND] * 18 + [LOST] * 2, [5, 0, 2], [False, True, False]),
        ([FINE] * 27 + [FAR] * 3 + [FOUND] * 38 + [LOST] * 2, [3, 3, 2], [True, False, True]),
        ([FINE] * 12 + [FOUND] * 19, [None, None, None], [False, False, False]),
        ([FAR] * 3 + [LOST] * 2, [None, 3, 2], [False, False, False]),
        ([], [None, None, None], [False, False, False]),
    ],
    ids=["met", "missed", "in proportion", "runs to come", "missed early", "none"],
)
def test_the_bench_has_a_figure_for_each_bar_and_none_while_runs_are_to_come(
    runs: list[Run], values: list[float | None], met: list[bool]
) -> None:
    elsewhere = [replace(FAR, machine_id="another")] * 7
    figures = barred([*runs, *SPOILT, *elsewhere])
    assert [figure.value for figure in figures] == values
    assert [figure.ok for figure in figures] == met
    told = "2 runs had no valid level; 7 of other machines are not counted; revisions abc"
    assert all(figure.note.endswith(told) for figure in figures)


def test_runs_that_are_to_come_are_counted() -> None:
    notes = [figure.note for figure in barred([FINE] * 12 + [FOUND] * 19)]
    assert ["18 of 30 are to come" in note for note in notes] == [True, True, False]
    assert "1 of 20 are to come" in notes[2]
