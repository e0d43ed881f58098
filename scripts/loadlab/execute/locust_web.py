"""Locust's web interface and the lab's routes on it: JSON in and out, and one line for whatever goes wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import urllib3

from loadlab.errors import LoadError, TooLongToLoad

TIMEOUT = urllib3.Timeout(connect=2.0, read=30.0)
HASTY = urllib3.Timeout(connect=0.5, read=0.5)
STARTING = urllib3.Timeout(connect=0.5, read=2.0)
"""Whoever took a starting master's port may never answer; the next try goes to another."""
TOO_LONG = 413
JSON = {"Content-Type": "application/json"}


class _Answer(dict[str, Any]):
    """A JSON object that says where it came from when a key is missing."""

    def __init__(self, call: str, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self._call = call

    def __missing__(self, key: str) -> Any:
        raise LoadError(f"load generator: {self._call} answered, but {key} is missing; is another Locust there?")


class LocustWeb:
    """url: where the master answers now. fallen: what has ended, which is why it may not answer."""

    def __init__(self, url: Callable[[], str], fallen: Callable[[], Sequence[str]]) -> None:
        self._url = url
        self._fallen = fallen
        self._http = urllib3.PoolManager(retries=False)
        self.reached: str | None = None
        """Where it answered last: what reads in the background opens no new way to it."""

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        timeout: urllib3.Timeout = TIMEOUT,
    ) -> dict[str, Any]:
        """Ask a route with a JSON object. Raises LoadError; TooLongToLoad where the object is that."""
        sent = None if body is None else orjson.dumps(body)
        return self._answer(method, path, sent, {} if body is None else JSON, timeout)

    def form(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Post a form, as Locust's own page does. Raises LoadError."""
        body = urllib3.filepost.encode_multipart_formdata(list(form.items()))
        return self._answer("POST", path, body[0], {"Content-Type": body[1]})

    def leave(self, last: str) -> None:
        """Post to one more route, where it answered last, and do not mind whether anybody hears it."""
        if self.reached is not None:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                self._http.request("POST", self.reached + last, body=b"{}", headers=JSON, timeout=HASTY)
        self.reached = None

    def _answer(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: urllib3.Timeout = TIMEOUT,
    ) -> dict[str, Any]:
        url = self._url()
        try:
            answer = self._http.request(method, url + path, body=body, headers=dict(headers), timeout=timeout)
        except urllib3.exceptions.HTTPError as error:
            fallen = self._fallen()
            why = fallen[0] if fallen else type(error).__name__
            raise LoadError(f"load generator: {method} {path} got no answer: {why}") from None
        self.reached = url
        try:
            decoded = orjson.loads(answer.data)
        except orjson.JSONDecodeError:
            decoded = None
        if answer.status >= 400 or not isinstance(decoded, dict):
            reason = decoded.get("error") if isinstance(decoded, dict) else None
            got = reason or repr(answer.data[:200])
            refused = TooLongToLoad if answer.status == TOO_LONG else LoadError
            raise refused(f"load generator: {method} {path} got status {answer.status}: {got}")
        return _Answer(f"{method} {path}", decoded)
