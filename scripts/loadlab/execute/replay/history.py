"""Asking a Prometheus over HTTP what it knows of a stretch of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import urllib3

from loadlab.errors import DeployError

TIMEOUT_S = 30.0


class History:
    """The query API of one Prometheus. left_s: how much time there still is for all that is asked."""

    def __init__(self, url: str, left_s: Callable[[], float] = lambda: TIMEOUT_S) -> None:
        self._url = url
        self._left_s = left_s
        self._http = urllib3.PoolManager(retries=False, timeout=TIMEOUT_S)

    def answers(self) -> bool:
        """Whether it takes queries now."""
        try:
            return bool(self._http.request("GET", f"{self._url}/-/ready", timeout=2.0).status == 200)
        except urllib3.exceptions.HTTPError:
            return False

    def version(self) -> str:
        """Which Prometheus it is. Raises DeployError."""
        return str(self._ask("status/buildinfo", {})["version"])

    def query_range(self, expr: str, *, start_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        """The matrix: for each series its labels and its (time, value as text).

        Raises:
            DeployError: the expression is refused, or nobody answers.
        """
        fields = {"query": expr, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:g}"}
        return list(self._ask("query_range", fields)["result"])

    def _ask(self, what: str, fields: dict[str, str]) -> Any:
        timeout_s = min(TIMEOUT_S, self._left_s())
        if timeout_s <= 0:
            raise DeployError(f"prometheus: {what}: the time for all queries is over; is it overloaded?")
        try:
            answer = self._http.request("GET", f"{self._url}/api/v1/{what}", fields=fields, timeout=timeout_s)
            decoded = orjson.loads(answer.data)
        except (urllib3.exceptions.HTTPError, orjson.JSONDecodeError) as error:
            raise DeployError(f"prometheus: {what} got no answer: {type(error).__name__}; is it still up?") from None
        if decoded.get("status") != "success":
            raise DeployError(f"prometheus: {fields.get('query', what)}: {decoded.get('error')}")
        return decoded["data"]
