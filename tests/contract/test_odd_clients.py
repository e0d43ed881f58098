"""Slow, broken and hostile clients on real sockets: refused or dropped, never a 500; good ones are served."""

from __future__ import annotations

from random import Random
from typing import Any

from odd_clients import Door, spoilt, talks
from siege import besiege

SPOILT = 60
SEED = 20261126


def test_odd_clients_are_refused_or_dropped_and_good_ones_served_meanwhile(stack: Any) -> None:
    door = Door(port=stack.port, good="/items/1", posts="/data")
    random, workers, before = Random(SEED), stack.workers(), _errors(stack)
    seen = besiege(door, (*talks(door), *(spoilt(door, random) for _ in range(SPOILT))))
    assert seen.faults == ()
    assert seen.missed == ()
    assert seen.good_s
    assert stack.workers() == workers, "none had to be started again"
    assert "Traceback" not in stack.log
    assert _errors(stack) == before, "none of it was a 500, also where nobody waited for the answer"


def _errors(stack: Any) -> float:
    counted = stack.metrics("http_requests_total")
    return float(sum(value for labels, value in counted.items() if dict(labels)["status"].startswith("5")))
