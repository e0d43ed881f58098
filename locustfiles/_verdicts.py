"""Requests that ended and that their scenario has not judged yet (``catch_response``): good, or failed after all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from _outcomes import UNJUDGED_NAME, Outcomes
from _tally import FAILED, OK

MOST_UNJUDGED = 5000
NAN = float("nan")


class Verdicts:
    """Appends a row to ``rows`` when a verdict comes: its send is NaN, because the request has a row of its end."""

    def __init__(self, rows: list[float], outcomes: Outcomes) -> None:
        self._rows = rows
        self._outcomes = outcomes
        self._unjudged: dict[int, tuple[tuple[float, float], float, float, Any]] = {}

    def expect(self, response: Any, starts_s: tuple[float, float], end_s: float, code: float) -> None:
        """A request ended, and this response of it is to be judged. starts_s: intended start and send."""
        self._unjudged[id(response)] = (starts_s, end_s, code, response)

    def judge(self, meta: Mapping[str, Any]) -> None:
        """What Locust keeps of a request when its scenario reports it; nothing if it was not waited for."""
        waiting = self._unjudged.pop(id(meta["response"]), None)
        if waiting is not None:
            verdict = OK if meta["exception"] is None else FAILED
            (due_s, send_s), end_s, code, _ = waiting
            self._rows.extend((due_s, NAN, end_s, (end_s - send_s) * 1e3, code, verdict))

    def awaited(self, from_s: float, until_s: float) -> bool:
        """Whether a request that ended in [from_s, until_s) has not been judged yet."""
        return any(from_s <= entry[1] < until_s for entry in self._unjudged.values())

    def give_up(self, from_s: float, until_s: float) -> int:
        """Count requests that ended in [from_s, until_s) and were never judged as failed; how many they were."""
        late = [key for key, entry in self._unjudged.items() if from_s <= entry[1] < until_s]
        for key in late:
            self._give_up(key)
        return len(late)

    def limit(self) -> None:
        """Give up the oldest where too many wait."""
        while len(self._unjudged) > MOST_UNJUDGED:
            self._give_up(next(iter(self._unjudged)))

    def _give_up(self, key: int) -> None:
        (due_s, send_s), end_s, _, _ = self._unjudged.pop(key)
        code = self._outcomes.code_of(UNJUDGED_NAME)
        self._rows.extend((due_s, NAN, end_s, (end_s - send_s) * 1e3, code, FAILED))
