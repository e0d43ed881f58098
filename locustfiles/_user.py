"""The base of the lab's User classes: one keep-alive connection, no retries, no redirects, nothing cut short."""

# mypy: allow-untyped-calls

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from _known_requests import REQUEST_START
from _roster import randomness
from _window import WAITS
from locust.contrib.fasthttp import FastHttpUser

LONGEST_ANSWER_S = 120.0


class LabUser(FastHttpUser):
    """A user with what the lab's scenarios need; how it begins, thinks and ends is in ``_life.py``, as for any user."""

    abstract = True
    concurrency = 1
    max_redirects = 0
    max_retries = 0
    connection_timeout = LONGEST_ANSWER_S
    network_timeout = LONGEST_ANSWER_S

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.options = environment.parsed_options
        self.random = randomness(self)

    def pause(self, pause_s: float) -> None:
        """Think for so long inside a task; like any wait it counts as thinking and ends when the swarm stops."""
        WAITS.pause(self, pause_s)

    def get(self, path: str, *, name: str | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """GET a path of the host. ``name`` groups requests in Locust's own statistics."""
        return self.client.get(path, name=name or path, headers=self._stamped(headers))

    def post(self, path: str, body: bytes, *, headers: Mapping[str, str] | None = None) -> Any:
        """POST a JSON document, already encoded."""
        stamped = self._stamped(headers)
        stamped["Content-Type"] = "application/json"
        return self.client.post(path, data=body, headers=stamped)  # type: ignore[arg-type]

    @staticmethod
    def _stamped(headers: Mapping[str, str] | None) -> dict[str, str]:
        return {**(headers or {}), REQUEST_START: f"t={time.time():.6f}"}
