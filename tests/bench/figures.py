"""One figure of the bench with its bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """What a figure has to be: ``at_least`` or ``at_most`` the limit, in the figure's own unit."""

    kind: Literal["at_least", "at_most"]
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a value meets it."""
        return value >= self.limit if self.kind == "at_least" else value <= self.limit

    def text(self) -> str:
        """As the table shows it."""
        return f"{'>=' if self.kind == 'at_least' else '<='} {self.limit:g}"


def at_least(limit: float) -> Bar:
    """A bar from below."""
    return Bar(kind="at_least", limit=limit)


def at_most(limit: float) -> Bar:
    """A bar from above."""
    return Bar(kind="at_most", limit=limit)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """What was measured. value None: it could not be, and ``note`` says why; with a bar that counts as missed.

    lower, upper: range of the single ratios or repeats behind the value; None where there is only one.
    """

    name: str
    value: float | None
    unit: str
    how: str
    bar: Bar | None = None
    lower: float | None = None
    upper: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the bar is met; None without a bar."""
        if self.bar is None:
            return None
        return self.value is not None and self.bar.holds(self.value)
