"""Giving up what nobody will answer: the requests in flight to a service that is gone.

A pod that was deleted takes its address along, and nothing tells those who wait for its answer: they would wait for
the whole time-out of a request.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterable

import gevent
from gevent import GreenletExit


class Abandoned(GreenletExit):  # type: ignore[misc]  # gevent has no types
    """Raised in whoever waits for an answer; the request counts as failed, with this as its outcome."""


def abandon(in_flight: Iterable[object]) -> None:
    """End those that have a request in flight. Right only while the swarm is drained: each ends its user."""
    for one in list(in_flight):
        if not getattr(one, "dead", True):  # a place that is kept for an outer request is no greenlet
            gevent.kill(one, Abandoned)
