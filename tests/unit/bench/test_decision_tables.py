"""The tables of docs/method.md are what the code that decides gives, and their noise is that of real blocks."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from statistics import stdev

import pytest

from bench.decision_tables import MARKED, Drawn, write_tables
from bench.marked_page import marks, read_marked
from bench.measure_whole import COVERAGE_RUNS, COVERAGE_SEED, tables_figure
from bench.recorded_noise import RecordedNoise, residuals_of, stored_noise
from loadlab.stats.simulation import PlanShape, called_ratio

PAGE = Path(__file__).resolve().parents[3] / "docs" / "method.md"
QUICK = (37, 44, 53, 64, 77)
RUNS = 4000


def generated() -> str:
    begin, end = marks(MARKED)
    return PAGE.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]


def row(label: str) -> list[float]:
    """The power row of a plan: shares."""
    lines = [line for line in generated().splitlines() if line.startswith(f"| {label} |")]
    return [float(cell.strip(" %")) / 100 for cell in lines[-1].strip("|").split("|")[1:]]


@pytest.mark.parametrize("sd_log", [0.02, 0.05, 0.10])
def test_the_committed_power_of_the_quick_plan_is_drawn_again_with_another_seed(sd_log: float) -> None:
    plan = PlanShape(users=QUICK, blocks=4, sd_log=sd_log)
    committed = row(f"quick, 5 levels x 4 blocks, block SD {sd_log:.0%}")
    for excess, share in zip((0.0, 0.025, 0.05, 0.10, 0.20), committed, strict=True):
        seen = called_ratio(math.log1p(excess), plan, runs=RUNS, seed=99)
        assert seen == pytest.approx(share, abs=4 * math.sqrt(0.25 / RUNS))


def test_the_committed_power_under_recorded_noise_is_drawn_again_with_another_seed() -> None:
    noise = stored_noise()
    plan = PlanShape(users=QUICK, blocks=4, sd_log=noise.sd_log, noise="recorded", recorded=noise.residuals)
    for excess, share in zip((0.0, 0.05), row("quick, 5 levels x 4 blocks, recorded noise")[::2], strict=False):
        seen = called_ratio(math.log1p(excess), plan, runs=RUNS, seed=99)
        assert seen == pytest.approx(share, abs=4 * math.sqrt(0.25 / RUNS))


def test_the_page_names_the_runs_and_the_size_of_the_recorded_noise() -> None:
    noise = stored_noise()
    assert re.search(rf"Recorded noise: {len(noise.residuals)} blocks of {', '.join(noise.runs)}, SD", generated())
    assert len(noise.residuals) >= 30


def test_no_coverage_in_the_page_is_below_the_bar_by_more_than_chance() -> None:
    body = generated()
    shares = [float(share) for share in re.findall(r"([\d.]+) % / [\d.]+ %", body)]
    alarms = [float(share) for share in re.findall(r"[\d.]+ % / ([\d.]+) %", body)]
    runs = int(body.split()[0])
    slack = 300 * math.sqrt(0.025 * 0.975 / runs)
    assert min(shares) >= 97.5 - slack
    assert max(alarms) <= 2.5 + slack


def window(block: int, stack: str, goodput: float, *reasons: str, suffix: str = "") -> dict[str, object]:
    role = "repeat" if "-r" in suffix else "aa" if suffix else "sweep"
    return {
        "id": f"b{block:02d}-048-{stack}{suffix}", "block": block, "stack": stack, "users": 48, "role": role,
        "reasons": list(reasons), "goodput_rps": goodput,
    }  # fmt: skip


def test_residuals_are_as_wide_as_the_scatter_they_come_from() -> None:
    logs = (0.10, 0.13, 0.11, 0.16)
    windows = [window(b, "fastapi", 200.0 * math.exp(log)) for b, log in enumerate(logs)]
    windows += [window(b, "flask", 200.0) for b in range(4)]
    residuals = residuals_of({"stacks": [{"name": "flask"}, {"name": "fastapi"}], "windows": windows})
    assert RecordedNoise(residuals=tuple(residuals), runs=("r",)).sd_log == pytest.approx(stdev(logs))


def test_windows_that_lied_do_not_enter_and_those_the_host_robbed_do() -> None:
    windows = [window(b, "fastapi", 200.0 + b) for b in range(3)] + [window(b, "flask", 200.0) for b in range(3)]
    windows += [window(3, "fastapi", 900.0, "lag"), window(3, "flask", 200.0), window(4, "flask", 1.0, suffix="-aa")]
    windows += [window(5, "fastapi", 203.0, "steal"), window(5, "flask", 200.0)]
    found = residuals_of({"stacks": [{"name": "flask"}, {"name": "fastapi"}], "windows": windows})
    assert len(found) == 4


def test_windows_of_two_rounds_are_no_pair_and_a_repeated_control_is_in_none() -> None:
    logs = (0.10, 0.13, 0.11)
    windows = [window(b, "fastapi", 200.0 * math.exp(log)) for b, log in enumerate(logs)]
    windows += [window(b, "flask", 200.0) for b in range(3)] + [window(1, "flask", 190.0, suffix="-aa")]
    windows += [window(1, "flask", 100.0, "steal", suffix="-r1"), window(1, "fastapi", 900.0, "lag", suffix="-r1")]
    windows += [window(1, "fastapi", 220.0, suffix="-r2"), window(1, "flask", 700.0, "lag", suffix="-r2")]
    windows += [window(1, "flask", 195.0, suffix="-aa-r2")]
    residuals = residuals_of({"stacks": [{"name": "flask"}, {"name": "fastapi"}], "windows": windows})
    assert RecordedNoise(residuals=tuple(residuals), runs=("r",)).sd_log == pytest.approx(stdev(logs))


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("words", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        write_tables(page, [], Drawn(runs=1, seed=1, noise=stored_noise()))
    assert page.read_text(encoding="utf-8") == "words"


@pytest.fixture(scope="module")
def lines() -> list[dict[str, object]]:
    """All that bench_coverage.py prints, of few runs: what is compared here is text."""
    script = PAGE.parents[1] / "tests" / "bench" / "bench_coverage.py"
    command = [sys.executable, str(script), "--runs", "40", "--seed", str(COVERAGE_SEED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_page_that_shows_other_figures_than_are_drawn_misses_its_bar(
    lines: list[dict[str, object]], tmp_path: Path
) -> None:
    page = tmp_path / "method.md"
    page.write_text("above\n{}\n{}\nbelow\n".format(*marks(MARKED)), encoding="utf-8")
    assert tables_figure(page, lines, 40).ok is False
    write_tables(page, lines, Drawn(runs=40, seed=COVERAGE_SEED, noise=stored_noise()))
    assert tables_figure(page, lines, 40).ok
    body = read_marked(page, MARKED)
    page.write_text(page.read_text(encoding="utf-8").replace(body, body.replace("+20.0%", "+21.0%")), encoding="utf-8")
    figure = tables_figure(page, lines, 40)
    assert (figure.value, figure.ok) == (1.0, False)
    assert "+21.0%" in figure.note
    assert "+20.0%" in figure.note


def test_the_page_is_drawn_as_the_bench_draws_in_full() -> None:
    assert f"{COVERAGE_RUNS} simulated runs for each curve, seed {COVERAGE_SEED}. " in generated()


def test_noise_without_spread_is_refused() -> None:
    plan = PlanShape(users=QUICK, blocks=4, sd_log=0.05, noise="recorded", recorded=(0.1, 0.1))
    with pytest.raises(ValueError, match="without spread"):
        called_ratio(0.1, plan, runs=10, seed=1)
