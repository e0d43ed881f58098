"""Arms measured in turn, so that whatever drifts on the machine meets all of them alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """Ratio of two arms' medians, with the range of the ratios of neighbouring pairs."""

    value: float
    lower: float
    upper: float
    pairs: int


def turns(arms: Sequence[str], rounds: int) -> Iterator[tuple[str, ...]]:
    """The arms in order and in reverse by turns: AB BA AB BA."""
    for number in range(rounds):
        yield tuple(arms) if number % 2 == 0 else tuple(reversed(arms))


def ratio_of_medians(over: Sequence[float], under: Sequence[float]) -> Ratio:
    """The n-th of both belong together. Raises ValueError when there is none, or not as many of each."""
    if not over:
        raise ValueError("no pair was measured")
    singles = [a / b for a, b in zip(over, under, strict=True)]
    return Ratio(value=median(over) / median(under), lower=min(singles), upper=max(singles), pairs=len(singles))
