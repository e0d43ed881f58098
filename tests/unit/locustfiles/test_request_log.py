"""With LAB_REQUEST_LOG every request carries an id, under which the recorder's own figures are kept."""

# mypy: allow-untyped-calls

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _known_requests import REQUEST_ID
from _recorder import Recorder
from _request_log import IDS_OF_A_PROCESS, RequestLog, log_from_environment


class Answer:
    def __init__(self, status: int) -> None:
        self.status_code = status
        self.request_meta: dict[str, Any] = {"response": self, "exception": None}
        self.error: BaseException | None = None


class Session:
    """Notes the headers that it was given; answers after half a second, or breaks."""

    def __init__(self, recorder: Recorder, clock: list[float]) -> None:
        self.recorder, self.clock = recorder, clock
        self.headers: list[dict[str, str]] = []

    def request(self, status: int, headers: dict[str, str] | None = None) -> Answer:
        self.headers.append(dict(headers or {}))
        self.recorder.send()
        self.clock[0] += 0.5
        if not status:
            raise ConnectionResetError
        answer = Answer(status)
        self.recorder.watch_events()(**answer.request_meta)
        return answer


def test_each_request_has_an_id_and_its_times_are_the_recorders(tmp_path: Path) -> None:
    clock = [100.0]
    recorder = Recorder(lambda: clock[0])
    session, log = Session(recorder, clock), RequestLog(tmp_path, recorder, pid=42)
    request = log.logged(recorder.watch_requests(Session.request))
    request(session, 200, headers={"X-Mine": "1"})
    clock[0] += 1.0
    recorder.cut()
    with pytest.raises(ConnectionResetError):
        request(session, 0)
    request(session, 503)
    first = 42 * IDS_OF_A_PROCESS + 1
    assert session.headers == [
        {"X-Mine": "1", REQUEST_ID: str(first)},
        {REQUEST_ID: str(first + 1)},
        {REQUEST_ID: str(first + 2)},
    ]
    log.write()
    rows = np.frombuffer((tmp_path / "requests-42.f8").read_bytes(), dtype="<f8").reshape(-1, 5)
    assert rows[:, 0].tolist() == [first, first + 1, first + 2]
    assert rows[:, 1:4].tolist() == [[100.0, 100.0, 100.5], [101.5, 101.5, 102.0], [102.0, 102.0, 102.5]]
    assert rows[[0, 2], 4].tolist() == [200.0, 503.0]


def test_what_is_written_is_not_written_again(tmp_path: Path) -> None:
    clock = [0.0]
    recorder = Recorder(lambda: clock[0])
    session, log = Session(recorder, clock), RequestLog(tmp_path, recorder, pid=1)
    request = log.logged(recorder.watch_requests(Session.request))
    for _ in range(3):
        request(session, 200)
        log.write()
    assert (tmp_path / "requests-1.f8").stat().st_size == 3 * 5 * 8


def test_nothing_is_logged_where_the_environment_does_not_ask_for_it(tmp_path: Path) -> None:
    recorder = Recorder()
    assert log_from_environment(recorder, {}) is None
    assert log_from_environment(recorder, {"LAB_REQUEST_LOG": ""}) is None
    assert log_from_environment(recorder, {"LAB_REQUEST_LOG": str(tmp_path)}) is not None
