"""How long a run still takes: the plan's estimate at first, then the pace of its windows."""

from __future__ import annotations

from collections.abc import Callable

Monotonic = Callable[[], float]
TRUSTED_SHARE = 8
"""One part in so many of the windows must be done before their pace counts."""


class Pace:
    """Windows done and to do. Time comes from ``monotonic`` (seconds) and runs from the making of the object."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._made_s = monotonic()
        self._planned_s: float | None = None
        self._estimated_s = 0.0
        self._planned = 0
        self.total = 0
        self.done = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began to show itself, demands and start included."""
        return self._monotonic() - self._made_s

    def plan(self, windows: int, estimated_s: float) -> None:
        """The plan is drawn: so many windows, about so long from now on."""
        self.total, self._estimated_s, self._planned_s = windows, estimated_s, self._monotonic()
        self._planned = windows

    def left_s(self) -> float | None:
        """Seconds left: the plan's estimate until an eighth is done, then the pace so far; None when unknown.

        Windows that came on top of the plan take as long as planned ones.
        """
        if self._planned_s is None or not self.total:
            return None
        spent_s = self._monotonic() - self._planned_s
        if not self.done or self.done * TRUSTED_SHARE < self.total:
            return max(0.0, self._estimated_s * self.total / self._planned - spent_s)
        return spent_s / self.done * max(0, self.total - self.done)
