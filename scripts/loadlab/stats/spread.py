"""Whether a level is noisier than its neighbours, and so is judged by its own blocks alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loadlab.stats.beta import f_tail
from loadlab.stats.paired import sample

UNEVEN_AT = 0.01


def uneven_levels(columns: Sequence[Sequence[float]], alpha: float = UNEVEN_AT) -> tuple[int, ...]:
    """Indices of levels whose variance exceeds that of their two neighbours together.

    ``columns``: the blocks of each level. One-sided F test, Bonferroni over the levels; a level next to levels
    without any spread counts when it has one.
    """
    found = [sample(column) for column in columns]
    parts = [(0.0, 0) if s is None or s.sd is None else (s.sd**2 * (s.n - 1), s.n - 1) for s in found]
    uneven = []
    for i, (squares, df) in enumerate(parts):
        near = [parts[j] for j in (i - 1, i + 1) if 0 <= j < len(parts)]
        near_squares, near_df = (sum(part[k] for part in near) for k in (0, 1))
        if df == 0 or near_df == 0 or squares == 0:
            continue
        ratio = np.inf if near_squares == 0 else (squares / df) / (near_squares / near_df)
        if f_tail(df, near_df, float(ratio)) < alpha / len(columns):
            uneven.append(i)
    return tuple(uneven)
