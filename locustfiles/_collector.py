"""The garbage collector of a process that makes load: seldom at work, and soon done.

Each request under way holds some fifty objects that the collector counts. With Python's own bounds a few dozen users
at work are enough to start it at every few dozen requests, in vain, and what it meets grows old: about once in
8 000 requests it looked through all that Locust has imported, in which nothing is ever garbage. That was a stall of
some 40 ms, in latencies that the service had no part in, and a twentieth of the processor time of a request.
"""

from __future__ import annotations

import gc

YOUNG = 20_000
"""So many objects more than were there last time start it: some 400 requests under way, or a few MB of garbage."""


def calm_collector() -> None:
    """Keep it off what has been imported, and from starting at every few dozen requests."""
    gc.collect()
    gc.freeze()
    _, middle, old = gc.get_threshold()
    gc.set_threshold(YOUNG, middle, old)
