"""What this machine's host takes while cores work and nap, as they are and kept awake (ADR 23)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from statistics import median

from bench.arena import Arena, MeasureError
from bench.figures import Figure
from bench.interleaved import turns
from loadlab.execute.strain import strained_steal_ratio

LOOK_S = 5.0
ARMS = ("as they are", "kept awake")


def measure_awake(arena: Arena) -> Iterator[Figure]:
    """Looks by turns, for what a busy host takes comes and goes. Without a bar: it is the host's."""
    pairs = arena.pick(10, 2)
    arena.say(f"awake: {2 * pairs} looks of {LOOK_S:g} s")
    looks: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for arm in chain.from_iterable(turns(ARMS, pairs)):
        ratio = strained_steal_ratio(LOOK_S, is_kept_awake=arm == ARMS[1])
        if ratio is None:
            raise MeasureError("this kernel counts no stolen time")
        looks[arm].append(ratio)
    for arm, ratios in looks.items():
        yield Figure(
            name=f"stolen while cores work and nap, {arm}",
            value=median(ratios),
            unit="share",
            lower=min(ratios),
            upper=max(ratios),
            bar=None,
            how=f"of all processor time, median of {len(ratios)} looks of {LOOK_S:g} s by turns; each core works "
            "for 0.1 ms and naps for 0.4 by turns",
        )
