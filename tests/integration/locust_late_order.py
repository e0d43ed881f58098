"""A master whose order to ramp down comes late, after whatever else it was asked for meanwhile."""

# mypy: allow-untyped-calls, disable-error-code="untyped-decorator, method-assign"

from __future__ import annotations

from typing import Any

import gevent
from locust import events
from locust.runners import MasterRunner

LATE_S = 0.3


@events.init.add_listener
def be_late(environment: Any, **_: Any) -> None:
    """Of a swarm's ramps only the one to no users waits."""
    runner = environment.runner
    if not isinstance(runner, MasterRunner):
        return
    start = runner.start

    def start_late(user_count: int, *arguments: Any, **options: Any) -> None:
        if user_count == 0:
            gevent.sleep(LATE_S)
        start(user_count, *arguments, **options)

    runner.start = start_late
