"""In which order a block visits its levels, and which stack goes first at each."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One level of one block; ``swapped``: the second stack goes first."""

    users: int
    swapped: bool


def visits(levels: tuple[int, ...], blocks: int, rng: Random) -> list[tuple[Visit, ...]]:
    """The visits of every block: levels in random order, the leading stack alternating (ABBA).

    The lead changes from visit to visit and from block to block. Blocks come in twins: the second of a twin
    visits every level with the other stack in the lead, so that over an even number of blocks each level has
    either order equally often. For this the second shuffles the levels among places of equal parity only.
    """
    planned: list[tuple[Visit, ...]] = []
    for _ in range((blocks + 1) // 2):
        swapped = rng.random() < 0.5 if not planned else not planned[-1][0].swapped
        first = rng.sample(levels, len(levels))
        planned.append(_alternating(first, swapped))
        planned.append(_alternating(_shuffled_within_parity(first, rng), not swapped))
    return planned[:blocks]


def _alternating(order: list[int], swapped: bool) -> tuple[Visit, ...]:
    return tuple(Visit(users=users, swapped=swapped ^ bool(place % 2)) for place, users in enumerate(order))


def _shuffled_within_parity(order: list[int], rng: Random) -> list[int]:
    shuffled = list(order)
    for parity in (0, 1):
        places = order[parity::2]
        shuffled[parity::2] = rng.sample(places, len(places))
    return shuffled
