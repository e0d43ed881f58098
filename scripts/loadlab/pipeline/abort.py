"""The rule that ends a run which hurts: errors, latency or silence over a bound for longer than after_s."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.errors import AbortedByRule
from loadlab.execute.ports import GeneratorBooks, LiveStatus
from loadlab.model.experiment import AbortRule

LONGEST_SILENCE_S = 30.0
"""With no ``p99_s``: how long requests may be in flight without any of them ending."""


@dataclass(slots=True)
class _Hurt:
    """How long one stack has been over a bound without a break, counted while it is under load."""

    seconds: float = 0.0
    began: bool = False

    def grow(self, seconds: float) -> None:
        self.seconds += seconds if self.began else 0.0
        self.began = True


class AbortWatch:
    """Judges live figures of a whole run.

    Seconds count while a stack is under load, warm-ups, demands and drains included, and add up over its trials: a
    window may be far shorter than ``after_s``. A look at a stack that finds its answers in order sets its count to
    zero; one that finds no answer yet changes nothing.
    """

    def __init__(self) -> None:
        self._hurt: dict[str, _Hurt] = {}
        self._stack = ""
        self._looked_s = 0.0
        self._heard_s = 0.0
        self._books: tuple[int, int] = (0, 0)

    def load_on(self, stack: str, now_s: float) -> None:
        """Load on this stack begins."""
        self._stack = stack
        self._looked_s = self._heard_s = now_s
        self._books = (0, 0)

    def observe(self, rule: AbortRule, now_s: float, status: LiveStatus, books: GeneratorBooks | None) -> None:
        """Look at the figures of about the last second.

        Raises:
            AbortedByRule: a bound has been passed without a break for after_s seconds of load.
        """
        since_s, self._looked_s = now_s - self._looked_s, now_s
        reason = _latency(rule, status) or self._silence(rule, now_s, status) or self._errors(rule, books)
        if reason is None:
            if status.rps > 0:
                self._hurt.pop(self._stack, None)
            return
        hurt = self._hurt.setdefault(self._stack, _Hurt())
        hurt.grow(since_s)
        if hurt.seconds >= rule.after_s:
            raise AbortedByRule(
                f"[abort]: {self._stack}: {reason} for {rule.after_s:g} s of load; the load was stopped. "
                "See the service's log in the bundle, or allow more in [abort]"
            )

    def _silence(self, rule: AbortRule, now_s: float, status: LiveStatus) -> str | None:
        """Requests that nobody answers have no latency and no outcome yet, so they are seen by their silence."""
        if status.rps > 0 or status.in_flight == 0:
            self._heard_s = now_s
        if not has_bounds(rule):
            return None
        bound_s = LONGEST_SILENCE_S if rule.p99_s is None else rule.p99_s
        silent_s = now_s - self._heard_s
        if silent_s <= bound_s:
            return None
        named = "" if rule.p99_s is None else "p99_s = "
        return f"no answer to any of {status.in_flight} requests in flight, which is beyond {named}{bound_s:g} s,"

    def _errors(self, rule: AbortRule, books: GeneratorBooks | None) -> str | None:
        if rule.error_ratio is None or books is None:
            return None
        bad = books.failed + sum(n for outcome, n in books.outcomes.items() if outcome.startswith(("4", "5")))
        ended = books.answered + books.failed
        (old_bad, old_ended), self._books = self._books, (bad, ended)
        recent = ended - old_ended
        if recent <= 0 or (bad - old_bad) / recent <= rule.error_ratio:
            return None
        return f"{(bad - old_bad) / recent:.0%} of the requests failed, above error_ratio = {rule.error_ratio:g},"


def has_bounds(rule: AbortRule) -> bool:
    """Whether the rule can end a run at all."""
    return rule.p99_s is not None or rule.error_ratio is not None


def needs_books(rule: AbortRule) -> bool:
    """Whether the rule looks at errors, which cost a question to every worker."""
    return rule.error_ratio is not None


def _latency(rule: AbortRule, status: LiveStatus) -> str | None:
    if rule.p99_s is None or status.p99_s is None or status.p99_s <= rule.p99_s:
        return None
    return f"p99 of {status.p99_s:.2f} s is above p99_s = {rule.p99_s:g}"
