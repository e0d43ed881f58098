"""Arms measured in turn, so that whatever drifts on the machine meets all of them alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """Ratio of two arms' medians, with the range of the ratios of neighbouring pairs.

    paired: the median of those ratios; best: the ratio of each arm's best window. On a quiet machine all three
    agree; where they do not, others were at work.
    """

    value: float
    paired: float
    best: float
    lower: float
    upper: float
    pairs: int

    def text(self) -> str:
        """The other two estimates, for a note."""
        return f"median of pair ratios {self.paired:.3f}, best windows {self.best:.3f}"


def turns(arms: Sequence[str], rounds: int) -> Iterator[tuple[str, ...]]:
    """The arms in order and in reverse by turns: AB BA AB BA."""
    for number in range(rounds):
        yield tuple(arms) if number % 2 == 0 else tuple(reversed(arms))


def ratio_of_medians(over: Sequence[float], under: Sequence[float]) -> Ratio:
    """Rates, of which more is better; the n-th of both belong together.

    Raises ValueError when there is none, or not as many of each.
    """
    if not over:
        raise ValueError("no pair was measured")
    singles = [a / b for a, b in zip(over, under, strict=True)]
    return Ratio(
        value=median(over) / median(under),
        paired=median(singles),
        best=max(over) / max(under),
        lower=min(singles),
        upper=max(singles),
        pairs=len(singles),
    )
