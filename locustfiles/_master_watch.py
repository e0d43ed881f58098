"""A worker whose master has gone ends soon: its load would go on without anybody who measures or stops it.

Locust waits for a minute of silence, and then for its users. A master that was started anew at the same address does
not know the worker and tells it to end at its first pulse (``_fleet.py``). Either way whoever started the worker,
the engine or the cluster, starts another one.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import gevent

logger = logging.getLogger(__name__)

LOOK_S = 1.0
SILENT_LOOKS = 10
"""Heartbeats come every second. Looks are counted and not time, so that a process that was halted is not misled."""


def end_now() -> None:
    """Without a farewell: there is nobody to say it to, and Locust's messages would wait for ever to be fetched."""
    logging.shutdown()
    os._exit(1)


class MasterWatch:
    """Counts the looks since the master was heard.

    is_deaf: while it stops its users a worker of Locust reads no messages, so that silence says nothing.
    """

    def __init__(self, is_deaf: Callable[[], bool], end: Callable[[], None] = end_now) -> None:
        self._is_deaf = is_deaf
        self._end = end
        self._silent_looks = 0

    def heard(self, **_: Any) -> None:
        """Listener of heartbeat_received."""
        self._silent_looks = 0

    def look(self) -> bool:
        """One look; True when the master has been silent for too long, and the end has been ordered."""
        self._silent_looks = 0 if self._is_deaf() else self._silent_looks + 1
        if self._silent_looks <= SILENT_LOOKS:
            return False
        logger.error(
            "The master has said nothing for %g s, so this worker ends; start it again when the master is back",
            SILENT_LOOKS * LOOK_S,
        )
        self._end()
        return True

    def run(self) -> None:
        """Look every second until the end; in a greenlet of its own."""
        while not self.look():
            gevent.sleep(LOOK_S)
