"""A worker's windows: every request in the windows that it ended in, whatever was cut and folded in between."""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

import _open_windows
import gevent
import pytest
from _health import CpuMeter
from _open_windows import OpenWindows
from _recorder import Recorder
from _roster import Roster
from _tally import OK

CODE = 200


class Worker:
    """One worker on a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.parts: dict[str, dict[str, Any]] = {}
        self.recorder = Recorder(lambda: self.now_s)
        self.windows = OpenWindows(self.recorder, Roster(), CpuMeter(), send=self._keep, cut=self.cut)

    def _keep(self, kind: str, part: dict[str, Any]) -> None:
        assert (kind, part["id"] in self.parts) == ("lab_part", False)
        self.parts[part["id"]] = part

    def cut(self) -> None:
        self.windows.take(self.recorder.cut())

    def open(self, name: str, opens_s: float, closes_s: float) -> None:
        self.windows.open({"id": name, "opens_s": opens_s, "closes_s": closes_s, "good_within_s": 1.0})
        gevent.sleep(0)

    def read(self, *ends_s: float) -> None:
        """Answers to requests of 0.25 s that arrived then are read now."""
        for end_s in ends_s:
            self.recorder.rows.extend((end_s - 0.25, end_s - 0.25, end_s, 250.0, CODE, OK))

    def pass_to(self, now_s: float, *ends_s: float) -> None:
        """Time goes by, and what ended meanwhile is cut."""
        self.now_s = now_s
        self.read(*ends_s)
        self.cut()


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.mark.parametrize("most_rows", [0, 2, 5000])
def test_overlapping_windows_have_each_what_ended_in_them(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, most_rows: int
) -> None:
    monkeypatch.setattr(_open_windows, "MOST_ROWS", most_rows)
    worker.pass_to(101.0, 100.9)
    worker.open("early", 101.5, 105.0)
    worker.pass_to(102.0, 101.4, 101.6, 102.0)
    worker.open("late", 102.5, 110.0)
    worker.pass_to(103.0, 102.4, 102.6)
    worker.pass_to(104.0, 103.5)
    worker.pass_to(106.0, 104.9, 105.0, 105.9)
    worker.windows.end()
    early, late = worker.parts["early"], worker.parts["late"]
    assert (early["ok"], early["sent"]) == (6, 6)
    assert (late["ok"], late["sent"]) == (5, 4)
    assert early["request_time_s"] == pytest.approx(0.1 + 6 * 0.25)
    assert late["request_time_s"] == pytest.approx(0.1 + 4 * 0.25)
    assert (early["ended_s"], late["ended_s"]) == (3.5, 3.5)


@pytest.mark.parametrize(
    ("second", "parts"), [("late", {"long": (2, 0.0), "late": (1, 2.0)}), ("long", {"long": (2, 0.0)})]
)
def test_a_later_window_has_nothing_of_what_was_cut_before_and_one_that_is_ordered_twice_is_one(
    worker: Worker, second: str, parts: dict[str, tuple[int, float]]
) -> None:
    """parts: answers, and by how much the order came late, which the master makes a hole of."""
    worker.open("long", 100.0, 110.0)
    worker.pass_to(104.0, 103.0)
    worker.open(second, 102.0, 110.0)
    worker.pass_to(105.0, 104.5)
    worker.windows.end()
    assert {name: (part["ok"], part["late_s"]) for name, part in worker.parts.items()} == parts


def test_a_window_reads_what_had_arrived_in_it_and_was_not_read_when_it_closed(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_open_windows, "READ_ROUND_S", 0.0)
    worker.open("w", 100.0, 101.0)
    worker.now_s = 101.0
    worker.windows.close("w", 101.0)  # its greenlet wakes up and finds that it is over
    gevent.sleep(0)
    worker.read(100.9)
    for _ in range(4):
        gevent.sleep(0)
    assert worker.parts["w"]["ok"] == 1


@pytest.mark.parametrize("most_rows", [-1, 5000])
def test_an_answer_that_arrived_before_a_cut_and_was_read_after_it_counts_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, most_rows: int
) -> None:
    monkeypatch.setattr(_open_windows, "MOST_ROWS", most_rows)
    worker.open("w", 100.0, 110.0)
    user = object()
    worker.recorder.in_flight[user] = 100.75
    worker.pass_to(101.05)
    del worker.recorder.in_flight[user]
    worker.pass_to(102.0, 101.0)
    worker.windows.end()
    part = worker.parts["w"]
    assert (part["ok"], part["sent"], part["in_flight_max"]) == (1, 1, 1)
    assert part["request_time_s"] == pytest.approx(0.25 if most_rows > 0 else 0.30), (
        "up to the cut, if that is added up"
    )
    assert part["idle_s"] == pytest.approx(2.0 - part["request_time_s"])


@pytest.mark.parametrize(("most_rows", "measure_s", "ok"), [(5000, 3.0, 1), (-1, 4.0, 2)])
def test_an_order_to_close_early_that_comes_late_counts_from_its_instant_unless_that_is_added_up(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, most_rows: int, measure_s: float, ok: int
) -> None:
    """Then the part says how long it went on, and the master makes a hole of it."""
    monkeypatch.setattr(_open_windows, "MOST_ROWS", most_rows)
    worker.open("w", 100.0, 110.0)
    worker.pass_to(104.0, 102.5, 103.5)
    worker.windows.close("w", 103.0)
    worker.windows.end()
    assert (worker.parts["w"]["measure_s"], worker.parts["w"]["ok"]) == (measure_s, ok)


def test_few_slices_are_kept_of_a_long_window_in_which_little_happens(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_open_windows, "MOST_PIECES", 3)
    worker.open("w", 100.0, 200.0)
    for second in range(20):
        worker.pass_to(101.0 + second, 101.0 + second)
        assert len(worker.windows._unfolded) <= 3
    worker.windows.end()
    assert worker.parts["w"]["ok"] == 20


def test_what_happens_while_no_window_is_open_is_not_kept(worker: Worker) -> None:
    worker.pass_to(101.0, 100.9)
    assert worker.windows._unfolded == []
