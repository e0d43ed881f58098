"""The machine's clocks behind the Clock port."""

from __future__ import annotations

import time


class SystemClock:
    """Clock port on this machine."""

    def monotonic_s(self) -> float:
        """Seconds on CLOCK_MONOTONIC."""
        return time.monotonic()

    def unix_s(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        if seconds > 0:
            time.sleep(seconds)
