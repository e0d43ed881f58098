"""The tables of docs/method.md are what the code that decides gives, and their noise is that of real blocks."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.bench_coverage import shipped
from bench.decision_tables import MARKED, Drawn, write_tables
from bench.marked_page import marks, read_marked
from bench.measure_coverage import COVERAGE_RUNS, COVERAGE_SEED, tables_figure
from bench.recorded_noise import RecordedNoise, errors_of, log_ratios, stored_noise
from loadlab.stats.simulation import PlanShape, called_ratio, draw_noise

PAGE = Path(__file__).resolve().parents[3] / "docs" / "method.md"
QUICK, QUICK_BLOCKS = shipped("quick")
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
    plan = PlanShape(users=QUICK, blocks=QUICK_BLOCKS, sd_log=sd_log)
    committed = row(f"quick, 5 levels x 4 blocks, block SD {sd_log:.0%}")
    for excess, share in zip((0.0, 0.025, 0.05, 0.10, 0.20), committed, strict=True):
        seen = called_ratio(math.log1p(excess), plan, runs=RUNS, seed=99)
        assert seen == pytest.approx(share, abs=4 * math.sqrt(0.25 / RUNS))


def test_the_committed_power_under_recorded_noise_is_drawn_again_with_another_seed() -> None:
    noise = stored_noise()
    plan = PlanShape(users=QUICK, blocks=4, sd_log=noise.sd_log, noise="recorded", recorded=noise.blocks)
    for excess, share in zip((0.0, 0.05), row("quick, 5 levels x 4 blocks, recorded noise")[::2], strict=False):
        seen = called_ratio(math.log1p(excess), plan, runs=RUNS, seed=99)
        assert seen == pytest.approx(share, abs=4 * math.sqrt(0.25 / RUNS))


def test_the_page_names_the_runs_and_the_size_of_the_recorded_noise() -> None:
    noise = stored_noise()
    blocks = [error for run in noise.blocks for error in run]
    assert f"Recorded noise: {len(blocks)} blocks of {len(noise.runs)} control runs, SD" in generated()
    assert len({len(run) for run in noise.blocks}) == 1
    assert len(blocks) >= 200


def test_no_coverage_in_the_page_is_below_the_bar_by_more_than_chance() -> None:
    body = generated()
    shares = [float(share) for share in re.findall(r"([\d.]+) % / [\d.]+ %", body)]
    alarms = [float(share) for share in re.findall(r"[\d.]+ % / ([\d.]+) %", body)]
    runs = int(body.split()[0])
    slack = 300 * math.sqrt(0.025 * 0.975 / runs)
    assert min(shares) >= 97.5 - slack
    assert max(alarms) <= 2.5 + slack


def window(block: int, stack: str, goodput: float, *, used: bool = True) -> dict[str, object]:
    return {"id": "any", "block": block, "stack": stack, "used": used, "goodput_rps": goodput}


def told(*windows: dict[str, object]) -> dict[str, object]:
    return {"stacks": [{"name": "flask"}, {"name": "fastapi"}], "windows": list(windows)}


def pair(block: int, log: float, *, used: bool = True) -> tuple[dict[str, object], dict[str, object]]:
    return (
        window(block, "fastapi", 200.0 * math.exp(log), used=used),
        window(block, "flask", 200.0, used=used),
    )


def test_the_blocks_of_a_run_are_in_their_order_by_the_pairs_that_counted() -> None:
    """Which windows are a pair is the analysis' to say: it has seen their rounds, and what its gates refused."""
    spoilt, single = pair(2, 9.0, used=False), window(1, "flask", 1.0, used=False)
    assert log_ratios(told(*pair(3, 0.11), *pair(2, 0.13), *spoilt, single, *pair(1, 0.10))) == pytest.approx(
        (0.10, 0.13, 0.11)
    )


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_run_of_which_a_block_has_no_pair_does_not_enter(gone: int) -> None:
    windows = [one for block in (1, 2, 3) for one in pair(block, 0.1, used=block != gone)]
    assert log_ratios(told(*windows)) is None


def test_an_error_is_what_a_block_says_beside_the_truth_or_beside_the_mean_of_all_runs() -> None:
    effects = {"a": 0.0, "b": 0.1, "c": 0.1, "alone": 0.2}
    runs = {"a": (0.01, -0.03), "b": (0.10, 0.12), "c": (0.08, 0.10), "alone": (0.2, 0.2)}
    errors = errors_of(effects, runs)
    assert errors.keys() == {"a", "b", "c"}, "of one run alone nobody knows what the truth is"
    assert errors["a"] == (0.01, -0.03), "a run that is off as a whole stays off"
    scale = math.sqrt(2)
    assert errors["b"] == pytest.approx((0.0, 0.02 * scale))
    assert errors["c"] == pytest.approx((-0.02 * scale, 0.0))
    assert RecordedNoise(runs=errors).sd_log == pytest.approx(math.sqrt((0.01**2 + 0.03**2 + 4 * 0.02**2) / 6))


def test_runs_that_are_off_as_a_whole_show_in_the_scatter_of_their_means() -> None:
    alike = RecordedNoise(runs={"a": (-1.0, 1.0, -1.0, 1.0), "b": (1.0, -1.0, -1.0, 1.0), "c": (1.0, 1.0, -1.0, -1.0)})
    off = RecordedNoise(runs={name: tuple(x + 5 * (name == "a") for x in run) for name, run in alike.runs.items()})
    assert alike.sd_of_means_log == pytest.approx((0.0, math.sqrt(4 / 3 / 4)))
    assert off.sd_of_means_log == pytest.approx((5 / math.sqrt(3), math.sqrt(4 / 3 / 4)))


def test_real_runs_are_drawn_as_wholes_round_from_any_of_their_blocks() -> None:
    """Each level is one run in its order; where there are more blocks than it has, another goes on."""
    real = ((1.0, 2.0, 3.0, 4.0), (-10.0, -20.0, -30.0, -40.0))
    plan = PlanShape(users=QUICK, blocks=6, sd_log=1.0, noise="recorded", recorded=real)
    size = math.sqrt(sum(error**2 for run in real for error in run) / 8)
    drawn = draw_noise(plan, 400, np.random.default_rng(5)) * size
    assert drawn.shape == (400, 6, 5)
    first = {tuple(column) for run in drawn for column in np.round(run[:4].T, 9)}
    assert first == {(*run[i:], *run[:i]) for run in real for i in range(4)}
    assert {tuple(column) for run in drawn for column in np.round(run[4:].T, 9)} == {
        (run[i], run[(i + 1) % 4]) for run in real for i in range(4)
    }
    short = draw_noise(replace(plan, blocks=2), 400, np.random.default_rng(5))
    assert short.shape == (400, 2, 5)
    assert float(np.sqrt(np.mean(drawn**2))) == pytest.approx(size, rel=0.1)


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


def test_noise_without_errors_or_of_unlike_runs_is_refused() -> None:
    plan = PlanShape(users=QUICK, blocks=4, sd_log=0.05, noise="recorded", recorded=((0.0, 0.0),))
    with pytest.raises(ValueError, match="2 blocks without errors"):
        called_ratio(0.1, plan, runs=10, seed=1)
    with pytest.raises(ValueError, match="runs of unlike length"):
        called_ratio(0.1, replace(plan, recorded=((0.1, 0.2), (0.1,))), runs=10, seed=1)
