"""How long a run still takes: a bound before the plan is drawn, then what the plan expects, at the pace so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loadlab.units import format_s

Monotonic = Callable[[], float]
TRUSTED_SHARE = 8
"""One part in so many of the plan weighs as much as the pace measured so far does when it is done."""

MINUTES_FROM_S = 120


class Pace:
    """Windows done and to do. Time comes from ``monotonic`` (seconds) and runs from the making of the object.

    The time left never rises unless windows are added: where a run is slower than expected it stands still until it
    is true again.
    """

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._made_s = monotonic()
        self._least_s: float | None = None
        self._expected_s: tuple[float, ...] | None = None
        self._planned_s = self._noted_s = self._made_s
        self._left_s = 0.0
        self.total = 0
        self.done = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began to show itself, demands and start included."""
        return self._monotonic() - self._made_s

    def bound(self, windows: int, least_s: float) -> None:
        """No plan yet, but so many windows and no less time for them."""
        self.total, self._least_s = windows, least_s

    def plan(self, expected_s: Sequence[float]) -> None:
        """The plan is drawn: how long each window is expected to take, the start of its block included."""
        self.total, self.done, self._expected_s = len(expected_s), 0, tuple(expected_s)
        self._planned_s = self._noted_s = self._monotonic()
        self._left_s = self._rest_s()

    def window_done(self) -> None:
        """One more window is over."""
        shown_s = self.left_s() or 0.0
        self.done += 1
        self._left_s, self._noted_s = min(shown_s, self._rest_s()), self._monotonic()

    def expect(self, total: int) -> None:
        """So many windows there will be; only what is added to them adds to the time left."""
        shown_s = self.left_s() or 0.0
        more, self.total = total - self.total, total
        if self._expected_s is None:
            return
        added_s = max(0, more) * self._typical_s() * self._slowness()
        self._left_s, self._noted_s = min(shown_s + added_s, self._rest_s()), self._monotonic()

    def left_s(self) -> float | None:
        """Seconds left; the bound while there is no plan; None when nothing is known."""
        if self._expected_s is None:
            return self._least_s
        if self.done >= self.total:
            return 0.0
        aim_s = min(self._left_s, self._rest_s(self.done + 1))
        ahead_s = self._rest_s() - self._rest_s(self.done + 1)
        part = min(1.0, (self._monotonic() - self._noted_s) / ahead_s) if ahead_s > 0 else 1.0
        return self._left_s - part * (self._left_s - aim_s)

    def left_text(self) -> str:
        """Such as "about 3 min 20 s left"; empty when nothing is left or known."""
        left_s = round(self.left_s() or 0.0)
        word = "at least" if self._expected_s is None else "about"
        seconds = format_s(left_s) if left_s >= MINUTES_FROM_S else f"{left_s} s"
        return f"{word} {seconds} left" if left_s else ""

    def _rest_s(self, done: int | None = None) -> float:
        """What the windows after the first ``done`` take at the pace so far."""
        return self._expected_until_s(self.total, self.done if done is None else done) * self._slowness()

    def _slowness(self) -> float:
        """Time spent over time expected for the windows done, held near 1 by a part of the plan while these are few."""
        expected_s = self._expected_s or ()
        weight_s = sum(expected_s) / TRUSTED_SHARE
        if not self.done or weight_s <= 0:
            return 1.0
        spent_s = self._monotonic() - self._planned_s
        return (spent_s + weight_s) / (self._expected_until_s(self.done) + weight_s)

    def _expected_until_s(self, end: int, start: int = 0) -> float:
        """Of windows on top of the plan each takes as long as a planned one does on average."""
        planned = (self._expected_s or ())[start:end]
        return sum(planned) + (max(0, end - start) - len(planned)) * self._typical_s()

    def _typical_s(self) -> float:
        expected_s = self._expected_s or ()
        return sum(expected_s) / len(expected_s) if expected_s else 0.0
