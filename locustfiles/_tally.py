"""What one worker adds up over one window [opens_s, closes_s), slice by slice.

The recorder cuts time into slices. At the end of a slice every request that was under way in it is known: it has
either ended (a row) or is still in flight (its start). Integrals, the peak and the idle gaps of a slice are thus
exact, whatever overlaps its ends, and a request is counted in the window in which it ended. But for one thing: an
answer that arrived before a cut and is read after it is still in flight to that slice, if that is added up by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from _arrival_tally import ArrivalTally
from _histogram import Floats, LatencyCounts
from _spans import GapList, clipped_sum_s, peak_and_gaps

ROW_WIDTH = 6
INTENDED, START, END, LATENCY_MS, CODE, VERDICT = range(ROW_WIDTH)
OK, FAILED, UNJUDGED = 1.0, 0.0, -1.0
ENDED = ("rows", "thinks", "chores", "lags", "arrivals", "reads")
"""Of a slice: what came to its end in it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What happened in [lo_s, hi_s) of the worker's clock.

    rows: n x 6 (intended_s, send_s, end_s, latency_ms, code, verdict). A request that its scenario judges later
    has a row with verdict UNJUDGED when it ends and one whose send is NaN when it is judged.
    flights: sends of the requests in flight at hi_s. thinks: m x 2, ended sleeps between tasks; thinking: starts
    of those that go on. chores: k x 2, what the generator did for a user outside of both, noted when it is over.
    lags: p x 2 (due_s, late_s) of the health probe. arrivals: a x 2 (due_s, started or dropped) of an open load,
    planned: when those of its schedule were due; None while the load is closed. reads: r, ends of answers that are
    when they were read, because no stamp of the kernel's says when they arrived.
    """

    lo_s: float
    hi_s: float
    rows: Floats
    flights: Floats
    thinks: Floats
    thinking: Floats
    chores: Floats
    lags: Floats
    arrivals: Floats = field(default_factory=lambda: np.empty((0, 2)))
    planned: Floats | None = None
    reads: Floats = field(default_factory=lambda: np.empty(0))


def joined(pieces: Sequence[Slice]) -> Slice:
    """Slices that follow one another (at least one), as one; what is under way is what the last one says."""
    last = pieces[-1]
    if len(pieces) == 1:
        return last
    planned = [piece.planned for piece in pieces if piece.planned is not None]
    ended: dict[str, Any] = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in ENDED}
    return replace(last, lo_s=pieces[0].lo_s, planned=np.concatenate(planned) if planned else None, **ended)


@dataclass(slots=True)
class WindowTally:
    """The sums of one window on one worker. ``closes_s`` may be moved nearer, never further."""

    opens_s: float
    closes_s: float
    good_within_s: float
    middle_s: float = field(init=False)
    sent: int = 0
    ok: int = 0
    failed: int = 0
    good: int = 0
    latency_sum_s: float = 0.0
    latency_ceil_ms_sum: int = 0
    user_time_s: float = 0.0
    request_time_s: float = 0.0
    chores_s: float = 0.0
    """The part of user_time_s that the generator took itself."""
    in_flight_max: int = 0
    ends_read: int = 0
    """Of the answers that ended: those without a stamp of their arrival."""
    codes: Counter[int] = field(default_factory=Counter)
    half_ok: list[int] = field(default_factory=lambda: [0, 0])
    half_latency_sum_s: list[float] = field(default_factory=lambda: [0.0, 0.0])
    gaps: GapList = field(default_factory=GapList.empty)
    latencies: LatencyCounts = field(default_factory=LatencyCounts)
    lags: LatencyCounts = field(default_factory=LatencyCounts)
    dispatch_lags: LatencyCounts = field(default_factory=LatencyCounts)
    open: ArrivalTally | None = None
    """Of an open load, where good is judged by the time from the intended start."""

    def __post_init__(self) -> None:
        self.middle_s = (self.opens_s + self.closes_s) / 2

    def fold(self, piece: Slice) -> None:
        """Add what of a slice belongs to the window. Slices must come in order and without gaps."""
        if piece.planned is not None:
            self.open = self.open or ArrivalTally()
            done = piece.arrivals[self._inside(piece.arrivals[:, 0])]
            self.open.fold(piece.planned[self._inside(piece.planned)], done, self.middle_s)
        self._count_ended(piece.rows)
        self.ends_read += int(np.count_nonzero(self._inside(piece.reads)))
        chores_s = self._chores_s(piece.chores)
        self.chores_s += chores_s
        self.user_time_s += chores_s
        lo_s, hi_s = max(self.opens_s, piece.lo_s), min(self.closes_s, piece.hi_s)
        if hi_s <= lo_s:
            return
        spans = piece.rows[~np.isnan(piece.rows[:, START])]
        starts = np.concatenate((spans[:, START], piece.flights))
        ends = np.concatenate((spans[:, END], np.full(len(piece.flights), np.inf)))
        self.sent += int(np.count_nonzero((starts >= lo_s) & (starts < hi_s)))
        begun = spans[self._inside(spans[:, START])]
        self.dispatch_lags.record(begun[:, START] - begun[:, INTENDED])
        in_requests_s = clipped_sum_s(starts, ends, lo_s, hi_s)
        self.request_time_s += in_requests_s
        self.user_time_s += in_requests_s + self._thought_s(piece, lo_s, hi_s)
        peak, gaps = peak_and_gaps(starts, ends, lo_s, hi_s)
        self.in_flight_max = max(self.in_flight_max, peak)
        self.gaps.append(gaps)
        self.lags.record(piece.lags[self._inside(piece.lags[:, 0]), 1])

    @staticmethod
    def _thought_s(piece: Slice, lo_s: float, hi_s: float) -> float:
        ended = clipped_sum_s(piece.thinks[:, 0], piece.thinks[:, 1], lo_s, hi_s)
        return ended + clipped_sum_s(piece.thinking, np.full(len(piece.thinking), np.inf), lo_s, hi_s)

    def _chores_s(self, chores: Floats) -> float:
        return clipped_sum_s(chores[:, 0], chores[:, 1], self.opens_s, self.closes_s)

    def _inside(self, times_s: Floats) -> Any:
        return (times_s >= self.opens_s) & (times_s < self.closes_s)

    def _count_ended(self, rows: Floats) -> None:
        ended = rows[(rows[:, VERDICT] != UNJUDGED) & self._inside(rows[:, END])]
        if not len(ended):
            return
        latencies_s = ended[:, LATENCY_MS] / 1e3
        well = ended[:, VERDICT] == OK
        self.failed += int(np.count_nonzero(~well))
        self.latency_sum_s += float(latencies_s.sum())
        self.latency_ceil_ms_sum += int(np.ceil(ended[:, LATENCY_MS]).sum())
        codes, counts = np.unique(ended[:, CODE].astype(np.int64), return_counts=True)
        self.codes.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))
        responses_s = ended[:, END] - ended[:, INTENDED]
        if self.open is not None:
            self.open.responses.record(responses_s[well])
            self.open.lags.record(responses_s - latencies_s)
        self._count_ok(ended[well, END], latencies_s[well], responses_s[well])

    def _count_ok(self, ends_s: Floats, latencies_s: Floats, responses_s: Floats) -> None:
        self.ok += len(ends_s)
        judged_s = latencies_s if self.open is None else responses_s
        self.good += int(np.count_nonzero(judged_s <= self.good_within_s))
        self.latencies.record(latencies_s)
        second = ends_s >= self.middle_s
        for half, members in enumerate((~second, second)):
            self.half_ok[half] += int(np.count_nonzero(members))
            self.half_latency_sum_s[half] += float(latencies_s[members].sum())

    def part(self, name_of: Callable[[int], str]) -> dict[str, Any]:
        """The sums as a message to the master; gaps are relative to the opening of the window."""
        return {
            "measure_s": self.closes_s - self.opens_s,
            "sent": self.sent,
            "ok": self.ok,
            "failed": self.failed,
            "good": self.good,
            "ends_read": self.ends_read,
            "outcomes": {name_of(code): count for code, count in sorted(self.codes.items())},
            "half_ok": self.half_ok,
            "half_latency_sum_s": self.half_latency_sum_s,
            "latency_sum_s": self.latency_sum_s,
            "latency_ceil_ms_sum": self.latency_ceil_ms_sum,
            "user_time_s": self.user_time_s,
            "request_time_s": self.request_time_s,
            "chores_s": self.chores_s,
            "in_flight_max": self.in_flight_max,
            "idle_s": self.gaps.idle_s,
            "gaps": (self.gaps.gaps - self.opens_s).astype("<f8").tobytes(),
            "gaps_dropped_s": self.gaps.dropped_s,
            "latencies": self.latencies.sparse(),
            "lags": self.lags.sparse(),
            "dispatch_lags": self.dispatch_lags.sparse(),
            "open": self.open.part() if self.open else None,
        }
