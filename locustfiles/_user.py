"""The base of the lab's User classes: one keep-alive connection, no retries, no redirects, nothing cut short."""

# mypy: allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from random import Random
from typing import Any

import _window  # noqa: F401
from locust import events
from locust.contrib.fasthttp import FastHttpUser
from locust.exception import StopUser

LONGEST_ANSWER_S = 120.0
_ordinals = count()


@events.test_start.add_listener
def _count_users_anew(**_: Any) -> None:
    global _ordinals
    _ordinals = count()


def headers_from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Headers of every request out of LAB_HEADERS_JSON, an object of names and values."""
    text = environ.get("LAB_HEADERS_JSON", "{}")
    try:
        headers = json.loads(text)
    except ValueError as error:
        raise SystemExit(f"LAB_HEADERS_JSON: not JSON ({error}); expected an object of names and values") from None
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise SystemExit("LAB_HEADERS_JSON: expected an object whose values are texts")
    return headers


class LabUser(FastHttpUser):
    """A user that thinks ``--think-s`` between tasks and starts at a seeded random phase."""

    abstract = True
    concurrency = 1
    max_redirects = 0
    max_retries = 0
    connection_timeout = LONGEST_ANSWER_S
    network_timeout = LONGEST_ANSWER_S
    default_headers = headers_from_environment(os.environ)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        options, worker = environment.parsed_options, environment.runner.worker_index
        self.options = options
        self.random = Random(f"{options.lab_seed}/{worker}/{next(_ordinals)}")
        self._pause_s: float | None = None

    def on_start(self) -> None:
        """Wait for this user's phase; a swarm that starts at once would stay in step."""
        if self.options.phase_s:
            with suppress(StopUser):  # the task set sees the stop itself before its first task
                self.pause(self.random.uniform(0.0, self.options.phase_s))

    def on_stop(self) -> None:
        """Close this user's connection: a server would keep it, and count it, until its keep-alive ran out."""
        self.client.client.close()

    def wait_time(self) -> float:
        """Seconds until the next task."""
        pause_s, self._pause_s = self._pause_s, None
        return float(self.options.think_s) if pause_s is None else pause_s

    def pause(self, pause_s: float) -> None:
        """Think for so long inside a task; like any wait it counts as thinking and ends when the swarm stops."""
        self._pause_s = pause_s
        self.wait()

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
        return {**(headers or {}), "X-Request-Start": f"t={time.time():.6f}"}
