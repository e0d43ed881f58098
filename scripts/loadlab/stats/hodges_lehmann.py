"""The Hodges-Lehmann estimate: a centre that one bad block cannot move far (Ann. Math. Stat. 34:598, 1963)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def hodges_lehmann(values: Sequence[float]) -> float | None:
    """Median of all pairwise means (each value with itself included); None when there are no values."""
    if not values:
        return None
    data = np.asarray(values, dtype=np.float64)
    rows, columns = np.triu_indices(data.size)
    return float(np.median((data[rows] + data[columns]) / 2))
