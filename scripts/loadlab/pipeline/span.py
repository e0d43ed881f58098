"""How long a session was, and in what steps boards are asked about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loadlab.errors import BundleError
from loadlab.execute.clock import SystemClock
from loadlab.execute.replay.server import EVERY_S
from loadlab.execute.scrapes import read_scrapes
from loadlab.execute.store import BundleStore

MOST_POINTS = 720
AFTER_S = 2 * EVERY_S
"""So that rules have seen what the last exposition said, and a step falls behind that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """From the first to the last exposition, or window, of a session."""

    start_s: float
    end_s: float

    @property
    def step_s(self) -> float:
        """Whole evaluations of the rules, and not more points than a panel has room for."""
        return EVERY_S * max(1, -(-(self.end_s - self.start_s) // (EVERY_S * MOST_POINTS)))


def span_of(folder: Path) -> Span:
    """Raises BundleError for a bundle in which nothing was measured."""
    moments = [scrape.unix_s for scrape in read_scrapes(folder)]
    for window in BundleStore(folder, SystemClock()).load().windows:
        moments += [window.load.opened_unix_s, window.load.opened_unix_s + window.load.measure_s]
    if not moments:
        raise BundleError(f"{folder}: nothing was measured in it, so there is nothing to replay; take another run")
    return Span(start_s=min(moments), end_s=max(moments) + AFTER_S)
