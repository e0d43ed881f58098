"""Long work shows where it is: a panel on a terminal, one line for each window elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

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


def play(progress: Progress, clock: Hand, windows: int = 2) -> None:
    """A short run: each window takes 10 s and ticks three times."""
    progress.run_started(windows, 20.0)
    progress.stage("starting flask and fastapi")
    for index in range(1, windows + 1):
        progress.window_started(index, windows, f"b01-{index:03d}-flask")
        for users in (10, 40, 58):
            progress.tick(f"{users} users", 282.4, 0.2031, None if users < 58 else 0.3127)
        clock.now_s += 10
        progress.window_finished(f"b01-{index:03d}-flask", index != 2, () if index != 2 else ("lag", "steal"))
    progress.message("report: runs/x/report.html")
    progress.finished()


def shown(panel: PanelProgress) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    with console.capture() as capture:
        console.print(panel.render())
    return capture.get()


def test_plain_lines_say_each_window_once_with_its_last_load(clock: Hand) -> None:
    stream = io.StringIO()
    play(PlainProgress(stream, clock), clock)
    assert stream.getvalue().splitlines() == [
        "[00:00] 2 windows, about 20.0 s",
        "[00:00] starting flask and fastapi",
        "[00:10] window 1/2 b01-001-flask: 58 users, 282 req/s, p50 203 ms, p99 313 ms; valid; about 10.0 s left",
        "[00:20] window 2/2 b01-002-flask: 58 users, 282 req/s, p50 203 ms, p99 313 ms; INVALID (lag, steal)",
        "[00:20] report: runs/x/report.html",
    ]


def test_the_clock_of_plain_lines_runs_on_when_the_plan_comes(clock: Hand) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    clock.now_s += 32
    progress.message("the law predicts the threshold near 52.1 users")
    progress.run_started(22, 122.0)
    assert stream.getvalue().splitlines() == [
        "[00:32] the law predicts the threshold near 52.1 users",
        "[00:32] 22 windows, about 2 min 2 s",
    ]


def test_plain_lines_do_not_repeat_the_users_that_the_place_names(clock: Hand) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.window_started(1, 22, "flask, 58 users")
    progress.tick("58 users", 282.4, 0.2031, 0.3127)
    progress.window_finished("flask, 58 users", True, ())
    assert stream.getvalue() == "[00:00] window 1/22 flask, 58 users: 282 req/s, p50 203 ms, p99 313 ms; valid\n"


def test_an_open_load_shows_its_rate_and_what_is_in_flight(clock: Hand) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.window_started(1, 44, "flask, 120 req/s")
    progress.tick("24 in flight", 119.0, 0.2031, None)
    progress.window_finished("flask, 120 req/s", True, ())
    assert "flask, 120 req/s: 24 in flight, 119 req/s, p50 203 ms" in stream.getvalue()


def test_plain_lines_hold_no_control_signs(clock: Hand) -> None:
    stream = io.StringIO()
    play(PlainProgress(stream, clock), clock)
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_the_panel_shows_window_load_and_time_left(clock: Hand) -> None:
    panel = PanelProgress(Console(file=io.StringIO(), force_terminal=True, width=100), clock)
    panel.run_started(44, 285.0)
    panel.window_started(3, 44, "b01-058-flask")
    panel.tick("58 users", 282.4, 0.2031, None)
    clock.now_s += 85
    text = shown(panel)
    for part in ("window 3 of 44", "b01-058-flask", "58 users", "282 req/s", "p50 203 ms", "p99 –", "3 min 20 s left"):
        assert part in text
    panel.finished()


def test_time_left_follows_the_pace_once_an_eighth_is_done(clock: Hand) -> None:
    panel = PanelProgress(Console(file=io.StringIO(), force_terminal=True), clock)
    assert panel.left_s() is None
    panel.run_started(8, 40.0)
    assert panel.left_s() == 40.0
    clock.now_s += 15
    panel.window_finished("b01-010-flask", True, ())
    assert panel.left_s() == pytest.approx(15 * 7)
    panel.finished()


@pytest.mark.parametrize("done", [0, 4])
def test_repeats_that_are_owed_are_in_the_time_left(clock: Hand, done: int) -> None:
    panel = PanelProgress(Console(file=io.StringIO(), force_terminal=True), clock)
    panel.run_started(8, 80.0)
    for _ in range(done):
        clock.now_s += 10
        panel.window_finished("b01-010-flask", True, ())
    panel.windows_expected(10)
    assert panel.left_s() == pytest.approx(100.0 - 10.0 * done)
    panel.finished()


def test_plain_lines_count_owed_repeats_in_at_once(clock: Hand) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.run_started(2, 20.0)
    progress.window_started(1, 2, "flask, 58 users")
    clock.now_s += 10
    progress.windows_expected(4)
    progress.window_finished("flask, 58 users", False, ("lag",))
    assert stream.getvalue().splitlines()[-1].endswith("INVALID (lag); about 30.0 s left")


def test_an_invalid_window_stays_readable_above_the_panel(clock: Hand) -> None:
    stream = io.StringIO()
    play(PanelProgress(Console(file=stream, force_terminal=True, width=100, color_system=None), clock), clock)
    assert "b01-002-flask is invalid: lag, steal" in stream.getvalue()
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
