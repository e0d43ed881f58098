"""What the bench's measures are made of: turns, ratios, the page's independence, and a load that is counted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from bench import command, same_width
from bench.arena import CHILDREN, HOST, Arena, MeasureError, available_cores
from bench.figures import Figure
from bench.interleaved import ratio_of_medians, turns
from bench.measure_arrivals import rate_error
from bench.measure_coverage import GROUPS, coverage_figures
from bench.measure_scrape import ARMS, Scraped, rate_figure, scrape_interval_s, scraping
from bench.measure_stages import both_stages_figures, placed_figures, same_width_figure
from bench.same_width import GRID, Case, Need
from bench.saturation import Load, Sample, load_once
from bench.self_contained import foreign_parts
from bench.whole_run import typed, whole_run
from loadlab.design.levels import levels_around
from loadlab.design.refinement import second_levels
from loadlab.execute.machine import Machine
from loadlab.execute.processes import free_port
from loadlab.execute.wakefulness import KeptAwake
from loadlab.model.experiment import RefinePlan
from loadlab.stats.simulation import PlanShape, kink, narrow_ratio
from loadlab.stats.staged_simulation import StagedShape, simulate_staged


def test_turns_go_to_and_fro_so_that_a_drift_meets_both_arms_alike() -> None:
    assert list(turns(("a", "b"), 3)) == [("a", "b"), ("b", "a"), ("a", "b")]


def test_the_ratio_is_of_medians_and_its_range_of_pairs() -> None:
    ratio = ratio_of_medians([9.0, 10.0, 30.0], [10.0, 20.0, 20.0])
    assert (ratio.value, ratio.lower, ratio.upper, ratio.pairs) == (0.5, 0.5, 1.5, 3)
    assert (ratio.paired, ratio.best) == (0.9, 1.5)


@pytest.mark.parametrize(("over", "under"), [([], []), ([1.0], [1.0, 2.0])])
def test_pairs_that_are_not_whole_are_refused(over: list[float], under: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no pair|zip"):
        ratio_of_medians(over, under)


@pytest.mark.parametrize(
    "part",
    [
        "<script>1</script>",
        '<script src="a.js"></script>',
        '<link rel="stylesheet" href="//cdn/a.css">',
        '<img src="picture.png">',
        '<img src="data:," onerror="x()">',
        "<style>@import 'a.css';</style>",
        "<style>p { background: url(https://a/b.png) }</style>",
        '<p style="background: url(b.png)">',
        '<svg><use xlink:href="sprite.svg#a"/></svg>',
        '<iframe src="#"></iframe>',
        '<a href="javascript:x()">',
    ],
)
def test_whatever_runs_or_is_fetched_is_found(part: str) -> None:
    assert foreign_parts(f"<html><body>{part}</body></html>")


def test_a_page_that_stands_alone_has_nothing_to_find() -> None:
    page = (
        '<html><head><style>p { background: url(data:image/png;base64,AA) } b { mask: url("#m") }</style></head>'
        '<body><a href="https://example.org">a link</a><img src="data:image/png;base64,AA"><svg><use href="#m"/></svg>'
        "<p>script src= @import</p></body></html>"
    )
    assert foreign_parts(page) == []


def _lines() -> list[dict[str, Any]]:
    """Two lines of each kind that bench_coverage.py judges."""
    bars = {"coverage": (">= 0.975", (0.99, 0.97)), "false alarms": ("<= 0.025", (0.001, 0.02))}
    return [
        {"name": f"{begin.format(kind)}, plan {plan}", "value": value, "bar": bar, "curve": "kink"}
        for kind, (bar, values) in bars.items()
        for beginnings in GROUPS.values()
        for begin in beginnings
        for plan, value in enumerate(values)
    ]


def test_of_all_plans_the_worst_is_the_figure_for_its_bar() -> None:
    figures = {figure.name: figure for figure in coverage_figures(_lines(), 1000)}
    assert len(figures) == 2 * len(GROUPS)
    for group in ("usual curves", "recorded noise", "two stages, recorded noise"):
        assert figures[f"bracket coverage, {group}"].value == 0.97
        assert figures[f"bracket coverage, {group}"].ok is False
        assert figures[f"bracket false alarms, {group}"].value == 0.02
        assert figures[f"bracket false alarms, {group}"].ok is True


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "no line 'coverage, usual curves'"),
        ([line for line in _lines() if "recorded" not in line["name"]], "no line 'coverage with recorded noise'"),
        ([*_lines(), {**_lines()[0], "bar": ">= 0.9"}], r"several bars: >= 0\.9, >= 0\.975"),
        ([*_lines(), {**_lines()[0], "name": "coverage with new noise, plan"}], "no figure shows: coverage with new"),
    ],
)
def test_a_coverage_script_that_prints_something_else_is_no_pass(lines: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(MeasureError, match=why):
        list(coverage_figures(lines, 1000))


def test_every_line_that_the_script_judges_is_in_a_figure() -> None:
    """Few runs: the names are what is looked at here."""
    script = command.ROOT / "tests" / "bench" / "bench_coverage.py"
    done = subprocess.run(
        [sys.executable, str(script), "--runs", "40"], capture_output=True, text=True, check=False, timeout=120
    )
    judged = [line for line in map(json.loads, done.stdout.splitlines()) if line["bar"] is not None]
    assert len(list(coverage_figures(judged, 40))) == 2 * len(GROUPS), done.stderr


def _run(lower: int | None, upper: int | None) -> dict[str, Any]:
    kind = "diverges" if lower and upper else "inconclusive"
    told = {"bracket": {"lower_users": lower, "upper_users": upper}, "counts": {"invalid": 1, "windows": 9}}
    return {**told, "verdict": {"kind": kind, "sentence": "So it is."}}


@pytest.mark.parametrize(
    ("took_s", "ends", "met"),
    [
        (1100.0, (45, 63), (True, True, True, True)),
        (1250.0, (45, 63), (False, True, True, True)),
        (1100.0, (45, 88), (True, False, True, True)),
        (1100.0, (45, None), (True, False, True, False)),
    ],
)
def test_a_run_of_two_stages_is_held_to_its_time_and_its_width(
    took_s: float, ends: tuple[int, int | None], met: tuple[bool, ...]
) -> None:
    assert tuple(figure.ok for figure in placed_figures(took_s, _run(*ends), grid_s=2900.0)) == met
    assert [f.ok for f in placed_figures(took_s, _run(*ends), grid_s=2000.0)][2] is False


@pytest.mark.parametrize(
    ("took_s", "ends", "stages", "met"),
    [
        (1100.0, (45, 63), (1, 1, 2), (True, True, True)),
        (1250.0, (45, 63), (1, 1, 2), (False, True, True)),
        (1100.0, (38, 74), (1, 1), (True, False, False)),
    ],
)
def test_a_run_that_has_to_go_on_is_held_to_the_same_time_and_width(
    took_s: float, ends: tuple[int, int], stages: tuple[int, ...], met: tuple[bool, ...]
) -> None:
    results = {**_run(*ends), "comparisons": [{"stage": stage} for stage in stages]}
    assert tuple(figure.ok for figure in both_stages_figures(took_s, results)) == met


def _planned(name: str, blocks: int, levels: int = 0) -> dict[str, Any]:
    """A block of the grid is a minute, one of the placed first stage 20 s, and one of the second 5 s for each level."""
    if name == GRID:
        return {"least_s": 60.0 * blocks}
    return {"least_s": 20.0 * blocks, "refine": {"least_s": 5.0 * levels * blocks}}


@pytest.mark.parametrize(
    ("grid", "placed", "second", "value", "ok"),
    [
        (3, 3, {}, 3.0, True),
        (3, 3, {2: 1.0}, 2.0, True),
        (2, 3, {2: 0.5}, 1.6, False),
        (2, 3, {1: 0.5, 2: 0.25}, 1.6, False),
        (None, 3, {}, None, False),
    ],
)
def test_each_plan_is_charged_for_the_blocks_that_it_needs_and_the_second_stage_for_its_share(
    grid: int | None, placed: int, second: dict[int, float], value: float | None, ok: bool
) -> None:
    need = None if grid is None else Need(blocks=grid)
    case = Case(name="noise", grid=need, placed=Need(blocks=placed, second_ratios=second))
    figure = same_width_figure(case, _planned)
    assert (figure.value, figure.ok) == (value if value is None else pytest.approx(value), ok)


def test_the_fewest_blocks_that_end_narrow_are_the_fewest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of both plans, held against the simulation itself: a block fewer ends wide too often."""
    monkeypatch.setattr(same_width, "RUNS", 300)
    cases = {case.name: case for case in same_width.same_width_cases()}
    assert len(cases) == 10
    noisy = cases["block SD 5%, threshold as predicted"]
    assert noisy.grid is not None
    assert noisy.placed is not None
    below, at = (_grid_narrow(noisy.grid.blocks + more) for more in (-1, 0))
    assert below < same_width.NEARLY_ALL <= at
    below, at = (_placed_narrow(noisy.placed.blocks + more) for more in (-1, 0))
    assert below < same_width.NEARLY_ALL <= at


def _grid_narrow(blocks: int) -> float:
    users = levels_around(52.8, count=14, step_ratio=1.1)
    plan = PlanShape(users=users, blocks=blocks, sd_log=0.05)
    return narrow_ratio(kink(52.8, 0.10), plan, 1.5, runs=300, seed=same_width.SEED)


def _placed_narrow(
    blocks: int, *, levels: int = 2, users: float = 52.8, sd_log: float = 0.05, step: float = 1.2
) -> float:
    """Four levels, then so many inside of the bracket or one beyond it."""
    rule = RefinePlan(levels=levels, count=blocks, width_ratio=1.5, beyond=1)
    first = PlanShape(users=levels_around(52.8, count=4, step_ratio=step), blocks=blocks, sd_log=sd_log)
    plan = StagedShape(
        first=first,
        blocks=blocks,
        place=lambda lower, upper: second_levels(rule, first.users, lower, upper)[1],
        width_ratio=1.5,
    )
    return simulate_staged(kink(users, 0.10), plan, runs=300, seed=same_width.SEED).narrow_ratio


@pytest.mark.parametrize("sd_log", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("users", [45.0, 62.0])
def test_a_third_level_in_the_second_stage_ends_narrow_no_more_often(users: float, sd_log: float) -> None:
    """Docs/adr/0017: with the threshold on a level of a first stage of wide steps, where the second one is needed."""
    two, three = (_placed_narrow(6, levels=levels, users=users, sd_log=sd_log, step=1.4) for levels in (2, 3))
    assert two == pytest.approx(three, abs=0.1)
    assert _placed_narrow(6, levels=1, users=users, sd_log=sd_log, step=1.4) < 0.1


@pytest.mark.parametrize("awake", [True, False])
def test_runs_of_a_bench_that_keeps_cores_awake_do_so_and_say_it_themselves(
    arena: Arena, monkeypatch: pytest.MonkeyPatch, *, awake: bool
) -> None:
    argvs: list[Sequence[str]] = []

    def pretend(argv: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        argvs.append(argv)
        return subprocess.CompletedProcess(argv, 0, stdout="{}", stderr="")

    monkeypatch.setattr("bench.whole_run.run", pretend)
    whole_run(replace(arena, awake=awake), "quick", 5.0, "--set", "blocks.count=2")
    assert ("window.keep_awake=true" in argvs[0]) == awake
    assert "blocks.count=2" in argvs[0]
    said = typed("quick", {"experiment": {"keep_awake": awake or None}})
    assert said == ("`loadlab run quick --set window.keep_awake=true`" if awake else "`loadlab run quick`")


@pytest.mark.parametrize(
    ("name", "asked", "keeps", "says"),
    [
        ("help", True, True, True),
        ("help", False, False, False),
        ("placed", True, False, True),
        ("awake", True, False, False),
        ("coverage", True, False, False),
    ],
)
def test_a_bench_keeps_cores_awake_where_that_is_asked_for_and_means_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, name: str, asked: bool, keeps: bool, says: bool
) -> None:
    kept: list[list[int]] = []
    monkeypatch.setattr(KeptAwake, "start", lambda self: kept.append(self._cores))
    monkeypatch.setattr(Machine, "cpu_quota_cores", lambda _: None)
    monkeypatch.setitem(command.MEASURES, name, lambda _: iter([Figure(name="one", value=1.0, unit="s", how="once")]))
    words = ["--only", name, "--out", str(tmp_path / "bench.json"), *(["--keep-awake"] if asked else [])]
    assert command.main(words) == 0
    cores = available_cores()
    assert kept == [sorted(cores.sut | cores.rest) if keeps else []]
    (measured,) = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))["measures"]
    assert measured["surroundings"]["kept_awake"] == says


def test_quick_leaves_the_long_run_out_and_the_tests_are_timed_only_when_asked_for() -> None:
    everything = tuple(command.MEASURES)
    assert command.wanted(None, quick=False, with_tests=True) == everything
    assert set(everything) - set(command.wanted(None, quick=True, with_tests=False)) == {
        "quick",
        "placed",
        "both-stages",
        "far-off",
        "controls",
        "lab",
        "faults",
        "tests",
    }
    assert command.wanted(["tests", "help"], quick=True, with_tests=False) == ("help", "tests")


def test_a_measure_that_fails_stands_in_the_table_as_missed_and_sets_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_arena: Arena) -> Iterator[Figure]:
        yield Figure(name="first", value=1.0, unit="s", how="at once")
        raise MeasureError("the server went away")

    monkeypatch.setitem(command.MEASURES, "help", broken)
    assert command.main(["--only", "help", "--out", str(tmp_path / "bench.json")]) == 1
    printed = capsys.readouterr().out
    assert "help (not measured): the server went away" in printed
    assert "first" in printed
    assert "missed: help (not measured)" in printed


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["--out", "/nowhere/at/all.json"], "does not exist"), (["--compare", "/nowhere/a", "/nowhere/b"], "cannot be")],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 2
    told = capsys.readouterr().err
    assert why in told
    assert told.count("\n") == 1


def test_the_light_client_counts_no_more_than_the_server_answered(arena: Arena) -> None:
    port = free_port()
    server = arena.start("raw-server", [str(CHILDREN / "raw_server.py"), str(port)], {}, arena.cores.sut)
    arena.wait_ready(server, f"http://{HOST}:{port}/")
    sample = load_once(arena, port, server.pid, Load(path="/items/17", measure_s=0.3, warmup_s=0.1, connections=4))
    with urllib3.PoolManager(retries=False, timeout=5.0) as http:
        served = http.request("GET", f"http://{HOST}:{port}/counters/{server.pid}").json()["served"]
    assert 0 < sample.rate_rps * 0.3 <= served
    assert sample.requests_per_cpu_s > 0


def test_a_load_whose_answers_are_errors_is_no_figure(arena: Arena) -> None:
    port = free_port()
    argv = ["-m", "http.server", str(port), "--bind", HOST, "--protocol", "HTTP/1.1"]
    server = arena.start("files", argv, {}, arena.cores.sut)
    arena.wait_ready(server, f"http://{HOST}:{port}/")
    with pytest.raises(MeasureError, match="the load went wrong"):
        load_once(arena, port, server.pid, Load(path="/none", measure_s=0.2, warmup_s=0.1, connections=1))


def test_a_server_that_never_comes_up_is_told_with_its_last_words(arena: Arena) -> None:
    server = arena.start("dead", ["-c", "raise SystemExit('no such port')"], {}, arena.cores.sut)
    with pytest.raises(MeasureError, match="dead ended with exit code 1; last log lines: no such port"):
        arena.wait_ready(server, f"http://{HOST}:{free_port()}/")


KILLED = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from bench.arena import run
script = "import os, pathlib, time; pathlib.Path(str(os.getpid())).touch(); time.sleep(60)"
run([sys.executable, "-c", script], cwd=Path(sys.argv[1]), timeout_s=60.0)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_the_bench_runs_ends_when_the_bench_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED.format(path=sys.path), str(tmp_path)]) as bench:
        while not (started := [int(p.name) for p in tmp_path.iterdir()]):
            assert bench.poll() is None
            time.sleep(0.02)
        children = [psutil.Process(pid) for pid in started]
        bench.send_signal(number)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


def _sample(rate_rps: float) -> Sample:
    return Sample(rate_rps=rate_rps, requests_per_cpu_s=rate_rps, server_cores=1.0, client_cores=0.5, p50_s=0.001)


@pytest.mark.parametrize(("scraped_rps", "is_met"), [(995.0, True), (989.0, False)])
def test_scraping_may_cost_one_request_in_a_hundred(scraped_rps: float, is_met: bool) -> None:
    seen = {ARMS[0]: [_sample(scraped_rps)], ARMS[1]: [_sample(1000.0)]}
    figure = rate_figure("flask", seen, "2 scrapes, one every 5 s")
    assert figure.value == pytest.approx(scraped_rps / 1000.0)
    assert figure.ok is is_met


def test_a_service_is_scraped_as_often_as_the_lab_does_it(arena: Arena) -> None:
    assert scrape_interval_s(arena) == 5.0


def test_a_service_that_no_scrape_reaches_is_not_measured(arena: Arena) -> None:
    nobody = Scraped("flask", 1, 1, f"http://{HOST}:{free_port()}/metrics")
    with pytest.raises(MeasureError, match="flask: no scrape of http"), scraping(arena, nobody, 0.01):
        time.sleep(0.1)
    with scraping(arena, nobody, None) as done:
        pass
    assert done == []


@pytest.mark.parametrize(
    ("served_rps", "started", "error"),
    [(1000.0, 60_000, 0.0), (999.0, 60_000, 0.001), (1002.0, 60_000, 0.002), (1000.0, 59_700, 0.005)],
)
def test_a_rate_is_off_by_the_worse_of_what_was_served_and_what_was_begun(
    served_rps: float, started: int, error: float
) -> None:
    assert rate_error(served_rps, 1000.0, {"started": started, "planned": 60_000}) == pytest.approx(error)
