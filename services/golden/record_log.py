"""The server's own log: one row for each request of the program, held in memory and written when nothing waits.

The file is one line of JSON (``{"format": "loadlab-golden-1", "columns": [...], "started_ns": ..., ...}``) and then
rows of five little-endian signed 64-bit integers:

* ``id``: the number in X-Lab-Request-Id, 0 without one;
* ``arrival_ns``: CLOCK_MONOTONIC when the request's last part arrived, by the kernel's stamp (``arrival.py``), or was
  found, where there is none;
* ``due_ns``: when the program wanted the answer, never before that of an earlier request of the connection;
* ``departure_ns``: just before the answer was handed to the kernel;
* ``status``: of the answer; 0, and no departure, for a client that left first or a server that was ended.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

FORMAT = "loadlab-golden-1"
COLUMNS = ("id", "arrival_ns", "due_ns", "departure_ns", "status")
WIDTH = len(COLUMNS)


class RecordLog:
    """Rows in arrays that are allocated, and touched, before the first request."""

    def __init__(self, path: Path | None, rows: int, about: Mapping[str, object]) -> None:
        self._rows = array("q", bytes(8 * WIDTH * rows)) if path is not None else array("q")
        self._filled = 0
        self._file: BinaryIO | None = None
        self.written_busy = 0
        """How often it was full and had to be written with requests waiting."""
        if path is not None:
            self._file = path.open("wb", buffering=0)
            head = {"format": FORMAT, "columns": COLUMNS, "clock": "CLOCK_MONOTONIC", **about}
            self._file.write(json.dumps(head).encode() + b"\n")

    def add(self, request_id: int, arrival_ns: int, due_ns: int, departure_ns: int, status: int) -> None:
        """One request is over."""
        if self._file is None:
            return
        rows, at = self._rows, self._filled
        if at == len(rows):
            self.written_busy += 1
            self.write()
            at = 0
        rows[at] = request_id
        rows[at + 1] = arrival_ns
        rows[at + 2] = due_ns
        rows[at + 3] = departure_ns
        rows[at + 4] = status
        self._filled = at + WIDTH

    def write(self) -> None:
        """Write out what there is."""
        if self._file is not None and self._filled:
            left = memoryview(self._rows)[: self._filled].cast("B")
            while left:
                left = left[self._file.write(left) :]
            self._filled = 0

    def close(self) -> None:
        """Write out what there is, and be done."""
        self.write()
        if self._file is not None:
            self._file.close()
            self._file = None
