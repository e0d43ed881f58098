"""Long work shows where it is: a panel on a terminal, one line for each window elsewhere."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from builders import make_experiment, make_load_window, make_window
from loadlab.analysis.summarise import summarise_window
from loadlab.model.result import WindowSummary
from loadlab.report.live import PlainProgress, Progress, progress_for
from loadlab.report.live_panel import PanelProgress


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def window(*reasons: str, ok: int = 700) -> WindowSummary:
    """60 of its requests failed and a second is 3: what is good is not what ended."""
    load = make_load_window(ok=ok, failed=60, measure_s=3.0, latency_s=0.203)
    summary = summarise_window(make_window(load=load), make_experiment())
    return replace(summary, valid=not reasons, reasons=reasons)


def play(progress: Progress, clock: Hand, windows: int = 2) -> None:
    """A short run: each window takes 10 s and ticks three times, with live figures that are not the window's."""
    progress.run_bounded(windows, 18.0)
    progress.run_started([10.0] * windows)
    progress.stage("starting flask and fastapi")
    for index in range(1, windows + 1):
        progress.window_started(index, windows, f"b01-{index:03d}-flask")
        for users in (10, 40, 58):
            progress.tick(f"{users} users", 208.4, 0.2903, None if users < 58 else 0.3368)
        clock.now_s += 10
        progress.window_finished(f"b01-{index:03d}-flask", window(*(("lag", "steal") if index == 2 else ())))
    progress.message("report: runs/x/report.html")
    progress.finished()


def shown(panel: PanelProgress) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    with console.capture() as capture:
        console.print(panel.render())
    return capture.get()


def test_plain_lines_say_each_window_once_with_the_figures_of_its_own(clock: Hand) -> None:
    stream = io.StringIO()
    play(PlainProgress(stream, clock), clock)
    assert stream.getvalue().splitlines() == [
        "[00:00] 2 windows, at least 18.0 s",
        "[00:00] 2 windows, about 20.0 s",
        "[00:00] starting flask and fastapi",
        "[00:10] window 1/2 b01-001-flask: 233 req/s good, p50 203 ms, p95 203 ms; valid; about 10 s left",
        "[00:20] window 2/2 b01-002-flask: 233 req/s good, p50 203 ms, p95 203 ms; INVALID (lag, steal)",
        "[00:20] report: runs/x/report.html",
    ]


def test_a_window_with_requests_enough_has_its_p99(clock: Hand) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.window_started(1, 22, "flask, 58 users")
    progress.window_finished("flask, 58 users", window(ok=1500))
    line = "[00:00] window 1/22 flask, 58 users: 500 req/s good, p50 203 ms, p99 203 ms; valid\n"
    assert stream.getvalue() == line


def test_the_clock_of_plain_lines_runs_on_when_the_plan_comes(clock: Hand) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    clock.now_s += 32
    progress.message("the law predicts the threshold near 52.1 users")
    progress.run_started([5.0] * 21 + [17.0])
    assert stream.getvalue().splitlines() == [
        "[00:32] the law predicts the threshold near 52.1 users",
        "[00:32] 22 windows, about 2 min 2 s",
    ]


def test_plain_lines_hold_no_control_signs(clock: Hand) -> None:
    stream = io.StringIO()
    play(PlainProgress(stream, clock), clock)
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_the_panel_shows_window_live_load_and_time_left(clock: Hand, terminal: Console) -> None:
    panel = PanelProgress(terminal, clock)
    panel.run_started([85.0] + [5.0] * 40)
    panel.window_started(3, 41, "b01-058-flask")
    panel.tick("58 users", 282.4, 0.2031, None)
    clock.now_s += 85
    text = shown(panel)
    for part in ("window 3 of 41", "b01-058-flask", "live 58 users", "282 req/s", "p50 203 ms", "p99 –"):
        assert part in text
    assert "about 3 min 20 s left" in text
    panel.finished()


def test_the_panel_shows_what_the_last_window_measured_apart_from_the_live_load(clock: Hand, terminal: Console) -> None:
    panel = PanelProgress(terminal, clock)
    panel.run_started([10.0] * 8)
    panel.window_started(1, 8, "flask, 58 users")
    panel.tick("58 users", 208.4, 0.2903, 0.3368)
    panel.window_finished("flask, 58 users", window())
    panel.window_started(2, 8, "fastapi, 58 users")
    text = shown(panel)
    assert "last flask, 58 users: 233 req/s good, p50 203 ms, p95 203 ms; valid" in text
    assert "live –" in text
    assert "208 req/s" not in text
    panel.finished()


def test_the_panel_has_a_bound_before_the_plan_is_drawn(clock: Hand, terminal: Console) -> None:
    panel = PanelProgress(terminal, clock)
    panel.run_bounded(44, 226.0)
    panel.stage("measuring the demand of flask")
    clock.now_s += 20
    assert "at least 3 min 46 s left" in shown(panel)
    panel.finished()


def test_plain_lines_count_owed_repeats_in_at_once(clock: Hand) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.run_started([10.0, 10.0])
    progress.window_started(1, 2, "flask, 58 users")
    clock.now_s += 10
    progress.windows_expected(4)
    progress.window_finished("flask, 58 users", window("lag"))
    assert stream.getvalue().splitlines()[-1].endswith("INVALID (lag); about 30 s left")


def test_an_invalid_window_stays_readable_above_the_panel(clock: Hand) -> None:
    stream = io.StringIO()
    play(PanelProgress(Console(file=stream, force_terminal=True, width=100, color_system=None), clock), clock)
    said = "b01-002-flask: 233 req/s good, p50 203 ms, p95 203 ms; INVALID (lag, steal)"
    assert [line for line in stream.getvalue().splitlines() if line.endswith(said) and "last" not in line]
    assert "report: runs/x/report.html" in stream.getvalue()


def test_the_terminal_is_given_back_and_late_ticks_draw_nothing(clock: Hand) -> None:
    stream = io.StringIO()
    panel = PanelProgress(Console(file=stream, force_terminal=True, width=100), clock)
    play(panel, clock)
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1
    before = stream.getvalue()
    panel.tick("58 users", 1.0, None, None)
    panel.finished()
    assert stream.getvalue() == before


def test_the_panel_is_for_terminals_only(clock: Hand) -> None:
    assert isinstance(progress_for(Console(file=io.StringIO(), force_terminal=True), clock), PanelProgress)
    assert isinstance(progress_for(Console(file=io.StringIO(), force_terminal=False), clock), PlainProgress)
