"""Standard error that outlives whoever reads it: what is told of a run must never be what ends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


class Lasting:
    """A stream whose lines go nowhere from the moment on at which they cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or let it be."""
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """Flush, or let it be."""
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self) -> None:
        """What is left in its buffer goes nowhere too: it would fail again at the end, and change the exit code."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def lasting_stderr() -> Iterator[None]:
    """Whatever is written to standard error meanwhile is written if it can be."""
    own = sys.stderr
    sys.stderr = cast(TextIO, Lasting(own))
    try:
        yield
    finally:
        sys.stderr = own
