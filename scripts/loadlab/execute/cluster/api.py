"""The API server through one ``kubectl proxy`` child on a Unix socket that only this user can open."""

from __future__ import annotations

import http.client
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import FIELD_MANAGER, Kubectl
from loadlab.execute.cluster.state import NAMESPACE
from loadlab.execute.ports import Clock
from loadlab.execute.processes import Child, ChildProcesses, Command

TOO_MANY = 429
"""What an API server says that has just been started, or has too much to do: it wants to be asked again."""
PATIENCE_S = 30.0
"""How long the API server may be away before a run ends."""
ANSWER_S = 10.0
POLL_S = 0.05
APPLY = "application/apply-patch+yaml"
KINDS = {"Deployment": ("/apis/apps/v1", "deployments"), "Service": ("/api/v1", "services")}
"""Where objects are applied that a run has."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ClusterApi:
    """Requests to one cluster. The proxy is started by the first of them and again whenever it has ended."""

    def __init__(
        self, kubectl: Kubectl, children: ChildProcesses, logs: Path, clock: Clock, patience_s: float = PATIENCE_S
    ) -> None:
        self._kubectl = kubectl
        self._children = children
        self._log = logs / "kubectl-proxy.log"
        self._clock = clock
        self._patience_s = patience_s
        self._folder = Path(tempfile.mkdtemp(prefix="loadlab-api-"))
        self._child: Child | None = None

    def get(self, path: str, **query: str) -> Any:
        """The decoded answer.

        Raises:
            ClusterError: the API server refuses, or has not answered for the whole time that it may be away.
        """
        return self._insist("GET", path, query)

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """Server-side apply of one object of the lab's namespace, as ``kubectl apply`` does it, without its start.

        Raises:
            ClusterError: as for ``get``.
        """
        prefix, plural = KINDS[manifest["kind"]]
        path = f"{prefix}/namespaces/{NAMESPACE}/{plural}/{manifest['metadata']['name']}"
        query = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        self._insist("PATCH", path, query, orjson.dumps(manifest))

    def _insist(self, method: str, path: str, query: Mapping[str, str], body: bytes | None = None) -> Any:
        where = f"{path}?{urlencode(query)}" if query else path
        deadline_s = self._clock.monotonic_s() + self._patience_s
        while True:
            try:
                return self._ask(method, where, body)
            except (OSError, http.client.HTTPException, _AwayError) as error:
                if self._clock.monotonic_s() > deadline_s:
                    raise ClusterError(self._gone(error)) from None
            self._clock.sleep(POLL_S * 4)

    def pods(self, **labels: str) -> list[dict[str, Any]]:
        """The lab's pods that carry these labels (``part_of="loadlab"`` is always asked for)."""
        asked = {"app.kubernetes.io/part-of": "loadlab", **labels}
        selector = ",".join(f"{name}={value}" for name, value in asked.items())
        listed = self.get(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector=selector)
        return list(listed["items"])

    def close(self) -> None:
        """End the proxy and remove its socket; safe to call twice."""
        if self._child is not None:
            self._children.end([self._child], 2.0)
            self._child = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self, method: str, where: str, body: bytes | None) -> Any:
        connection = _UnixConnection(self._listening())
        headers = {"Accept": "application/json", **({"Content-Type": APPLY} if body is not None else {})}
        try:
            connection.request(method, where, body=body, headers=headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= 500 or answer.status == TOO_MANY:
            raise _AwayError(f"status {answer.status}")
        decoded = _decoded(said)
        if answer.status >= 400:
            why = decoded.get("message", "") if isinstance(decoded, Mapping) else ""
            raise ClusterError(
                f"API server of {self._kubectl.cluster.context}: {where.partition('?')[0]}: got status "
                f"{answer.status} {why}; is this the lab's own cluster? `loadlab lab status` looks"
            )
        return decoded

    def _listening(self) -> Path:
        """The proxy's socket; a proxy that is not there is started."""
        socket_path = self._folder / "api.sock"
        if self._child is None or self._child.exit_code() is not None:
            socket_path.unlink(missing_ok=True)
            argv = self._kubectl.argv("proxy", f"--unix-socket={socket_path}", namespace=None)
            self._child = self._children.start(
                Command(name="kubectl-proxy", argv=argv, env={}, cpus=frozenset(), log=self._log)
            )
            deadline_s = self._clock.monotonic_s() + ANSWER_S
            while not socket_path.exists() and self._child.exit_code() is None:
                if self._clock.monotonic_s() > deadline_s:
                    break
                self._clock.sleep(POLL_S)
        if fell := self._child.fell():
            raise _AwayError(fell)
        return socket_path

    def _gone(self, error: Exception) -> str:
        return (
            f"API server of {self._kubectl.cluster.context}: no answer for {self._patience_s:g} s "
            f"({str(error) or type(error).__name__}); bring the cluster back, `loadlab lab status` looks"
        )


class _AwayError(Exception):
    """The API server, or the way to it, is not there now."""


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return {"message": body[:200].decode(errors="replace").strip()}
