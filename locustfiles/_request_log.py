"""Every request of this process by an id of its own, for joining with the log of the golden server.

Off unless LAB_REQUEST_LOG names a folder, and then nothing of it is in the way of a request. On, each request carries
its id in X-Lab-Request-Id, and what the recorder noted of it is kept with that id until the test stops. Then it is
appended to ``requests-PID.f8`` in the folder: rows of five little-endian doubles (``COLUMNS``), times on
CLOCK_MONOTONIC. An id is the process id times a thousand million, plus a number.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from _known_requests import REQUEST_ID
from _recorder import Recorder
from _tally import CODE, END, INTENDED, ROW_WIDTH, START

VARIABLE = "LAB_REQUEST_LOG"
COLUMNS = ("id", "intended_s", "send_s", "end_s", "code")
IDS_OF_A_PROCESS = 1_000_000_000


class RequestLog:
    """The requests of one process since the test started."""

    def __init__(self, folder: Path, recorder: Recorder, pid: int) -> None:
        self._path = folder / f"requests-{pid}.f8"
        self._recorder = recorder
        self._ids = count(pid * IDS_OF_A_PROCESS + 1)
        self._rows: list[float] = []

    def logged(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the ``request`` method of a session class outside of what the recorder wraps.

        The recorder's newest row is this request's: between its being noted and here nothing else runs. A user that
        is killed (GreenletExit is no Exception) leaves none.
        """
        ids, keep_newest = self._ids, self._keep_newest

        def logging(session: Any, *args: Any, **kwargs: Any) -> Any:
            number = next(ids)
            kwargs["headers"] = {**(kwargs.get("headers") or {}), REQUEST_ID: str(number)}
            try:
                result = request(session, *args, **kwargs)
            except Exception:
                keep_newest(number)
                raise
            keep_newest(number)
            return result

        return logging

    def _keep_newest(self, number: int) -> None:
        row = self._recorder.rows[-ROW_WIDTH:]
        self._rows.extend((number, row[INTENDED], row[START], row[END], row[CODE]))

    def write(self, **_: Any) -> None:
        """Append what there is to the file; listener of test_stop."""
        rows = np.array(self._rows, dtype="<f8")
        self._rows.clear()
        with self._path.open("ab") as file:
            file.write(rows.tobytes())


def log_from_environment(recorder: Recorder, environ: Mapping[str, str]) -> RequestLog | None:
    """The log of this process where the environment asks for one."""
    folder = environ.get(VARIABLE)
    return RequestLog(Path(folder), recorder, os.getpid()) if folder else None
