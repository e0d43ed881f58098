"""A token bucket: the quota of a third party."""

from __future__ import annotations

import math


class TokenBucket:
    """`burst` tokens at most, refilled at `rate_rps` a second; each request takes one. It starts full.

    Times are seconds of any clock that does not go back, `now_s` being the clock's value at construction.
    """

    def __init__(self, *, rate_rps: float, burst: int, now_s: float) -> None:
        self._rate_rps = rate_rps
        self._burst = float(burst)
        self._tokens = float(burst)
        self._updated_s = now_s

    def take(self, now_s: float) -> float:
        """Take a token: 0 when there was one, else the seconds until there will be; nothing is taken then."""
        refilled = self._tokens + (now_s - self._updated_s) * self._rate_rps
        self._tokens = min(self._burst, refilled)
        self._updated_s = now_s
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate_rps


def retry_after_s(wait_s: float) -> int:
    """The value of Retry-After (RFC 9110, 10.2.3): whole seconds, rounded up so that it is long enough."""
    return max(1, math.ceil(wait_s))
