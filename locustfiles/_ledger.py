"""What all workers counted, by stack, since the master began; a worker that leaves takes nothing away."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from _totals import BOUNDS_S

SUMMED = ("sent", "good", "failed", "latency_sum_s")


@dataclass(slots=True)
class Account:
    """The counts of one stack. failed: those that did not end as expected. buckets: each counts its own span only."""

    sent: int = 0
    good: int = 0
    failed: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    latency_sum_s: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))

    @property
    def counts(self) -> bool:
        """Whether anything was counted on it."""
        return bool(self.sent or any(self.ended.values()))

    def add(self, new: Mapping[str, Any], old: Mapping[str, Any] | None) -> None:
        """Add what a worker counted between two of its messages (`Totals.message`)."""
        before = old or {**dict.fromkeys(SUMMED, 0), "ended": {}, "buckets": [0] * len(self.buckets)}
        for name in SUMMED:
            setattr(self, name, getattr(self, name) + new[name] - before[name])
        for outcome, count in new["ended"].items():
            self.ended[outcome] += count - before["ended"].get(outcome, 0)
        pairs = zip(new["buckets"], before["buckets"], strict=True)
        self.buckets = [sum(one) for one in zip(self.buckets, (now - then for now, then in pairs), strict=True)]


class Ledger:
    """Accounts by stack. ``stack`` is the one under load now, "" where nobody said which."""

    def __init__(self) -> None:
        self.stack = ""
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        self._last: dict[str, Mapping[str, Any]] = {}
        self._throttled: dict[str, float] = {}
        self._dropped: dict[str, int] = {}

    @property
    def throttled_s(self) -> float | None:
        """Throttled time of all control groups that workers ran in, each counted once; None where none tells."""
        return sum(self._throttled.values()) if self._throttled else None

    @property
    def dropped(self) -> int | None:
        """Due arrivals that no worker sent; None before the first open load."""
        return sum(self._dropped.values()) if self._dropped else None

    def note_throttled(self, group: str, total_s: float | None) -> None:
        """A control group's throttled seconds so far."""
        if total_s is not None:
            self._throttled[group] = max(total_s, self._throttled.get(group, 0.0))

    def turn_to(self, stack: str, known: Iterable[str] = ()) -> None:
        """What is counted from here on belongs to this stack; those that are known have an account, be it of zeros."""
        self.stack = stack
        for name in known:
            self.accounts[name]

    def note(self, worker_id: str, totals: Mapping[str, Any]) -> None:
        """A worker's counts so far; what is new belongs to the stack under load.

        A message that overtook a later one changes nothing.
        """
        last = self._last.get(worker_id)
        if last is not None and (totals["sent"], totals["dropped"] or 0) < (last["sent"], last["dropped"] or 0):
            return
        if last != totals:
            self.accounts[self.stack].add(totals, last)
            if totals["dropped"] is not None:
                self._dropped[worker_id] = totals["dropped"]
            self._last[worker_id] = totals
