"""The rule that ends a run which hurts: errors or latency over a bound for longer than after_s."""

from __future__ import annotations

from loadlab.errors import AbortedByRule
from loadlab.execute.ports import GeneratorBooks, LiveStatus
from loadlab.model.experiment import AbortRule


class AbortWatch:
    """Judges live figures; one for each trial."""

    def __init__(self, rule: AbortRule) -> None:
        self._rule = rule
        self._since_s: float | None = None
        self._before: tuple[int, int] = (0, 0)

    @property
    def needs_books(self) -> bool:
        """Whether the rule looks at errors, which cost a question to every worker."""
        return self._rule.error_ratio is not None

    def observe(self, now_s: float, status: LiveStatus, books: GeneratorBooks | None) -> None:
        """Look at the figures of about the last second.

        Raises:
            AbortedByRule: a bound has been passed without a break for after_s seconds.
        """
        reason = self._latency(status) or (self._errors(books) if books else None)
        if reason is None:
            self._since_s = None
            return
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s >= self._rule.after_s:
            raise AbortedByRule(f"[abort]: {reason} for {self._rule.after_s:g} s; the load was stopped")

    def _latency(self, status: LiveStatus) -> str | None:
        bound = self._rule.p99_s
        if bound is None or status.p99_s is None or status.p99_s <= bound:
            return None
        return f"p99 of {status.p99_s:.2f} s is above p99_s = {bound:g}"

    def _errors(self, books: GeneratorBooks) -> str | None:
        bad = books.failed + sum(n for outcome, n in books.outcomes.items() if outcome.startswith(("4", "5")))
        ended = books.answered + books.failed
        (old_bad, old_ended), self._before = self._before, (bad, ended)
        bound, recent = self._rule.error_ratio, ended - old_ended
        if bound is None or recent <= 0 or (bad - old_bad) / recent <= bound:
            return None
        return f"{(bad - old_bad) / recent:.0%} of the requests failed, above error_ratio = {bound:g}"
