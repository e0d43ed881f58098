"""One-sided tests of several levels at once: how much error each may spend.

Holm (1979), Scand. J. Statist. 6:65. Bounds that fit Holm's decisions: Strassburger & Bretz (2008),
Statist. Med. 27:4914.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bonferroni(p_values: NDArray[np.float64], alpha: float, tests: int | None = None) -> NDArray[np.bool_]:
    """Rejections with the family-wise error held at ``alpha``; last axis is the family; nan never rejects."""
    family = tests if tests is not None else p_values.shape[-1]
    return np.asarray(p_values <= alpha / family)


def holm(p_values: NDArray[np.float64], alpha: float) -> NDArray[np.bool_]:
    """Rejections of Holm's step-down over the last axis; never fewer than Bonferroni's; nan never rejects."""
    p = np.where(np.isnan(p_values), 2.0, p_values)
    tests = p.shape[-1]
    order = np.argsort(p, axis=-1, kind="stable")
    passed = np.take_along_axis(p, order, axis=-1) <= alpha / (tests - np.arange(tests))
    in_order = np.logical_and.accumulate(passed, axis=-1)
    rejected = np.empty_like(in_order)
    np.put_along_axis(rejected, order, in_order, axis=-1)
    return rejected
