"""The regularised incomplete beta function, from which Student's t, the F test and the binomial come.

scipy.special has it too, and takes longer to import than a whole analysis takes to run; the tests hold this one against
it. Continued fraction: NIST Digital Library of Mathematical Functions, 8.17.22, evaluated as Lentz does (Thompson &
Barnett 1986, J. Comput. Phys. 64:490).
"""

from __future__ import annotations

import math

_TINY = 1e-300
_PRECISION = 1e-15
_MOST_TERMS = 10_000


def incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b): P(Beta(a, b) <= x); a and b above zero, x in 0..1."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front / (a * _fraction(a, b, x))


def f_tail(first_df: float, second_df: float, ratio: float) -> float:
    """P(F > ratio) with so many degrees of freedom above and below."""
    if ratio == math.inf:
        return 0.0
    share = first_df * ratio / (second_df + first_df * ratio)
    if share < 0.5:  # 1 - share would lose what there is of a small one
        return 1.0 - incomplete_beta(first_df / 2, second_df / 2, share)
    return incomplete_beta(second_df / 2, first_df / 2, second_df / (second_df + first_df * ratio))


def binomial_at_most(k: int, n: int, p: float) -> float:
    """P(Binomial(n, p) <= k)."""
    return 1.0 if k >= n else incomplete_beta(n - k, k + 1, 1.0 - p)


def _fraction(a: float, b: float, x: float) -> float:
    """The denominator 1 + d1 / (1 + d2 / (1 + ...))."""
    value, upper, lower = 1.0, 1.0, 0.0
    for term in range(1, _MOST_TERMS):
        m, odd = divmod(term, 2)
        if odd:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1.0 / _nonzero(1.0 + step * lower)
        upper = _nonzero(1.0 + step / upper)
        value *= upper * lower
        if abs(upper * lower - 1.0) < _PRECISION:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
