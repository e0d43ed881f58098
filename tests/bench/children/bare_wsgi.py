"""A bare WSGI callable for /items/17: the service's work and bytes, its server and settings."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask_gunicorn.__main__ import CONFIG_FILE
from flask_gunicorn.server import ConfiguredGunicorn
from svc_common import work

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

ITEMS = "/items/"


def bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The item as the service finds and encodes it, and readiness; nothing else is asked for."""
    path = environ["PATH_INFO"]
    body = work.item(path.removeprefix(ITEMS)) if path.startswith(ITEMS) else work.READY
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class BareGunicorn(ConfiguredGunicorn):
    """The service's gunicorn without its hooks, which belong to its application."""

    def load_config(self) -> None:
        """The service's own configuration file; the hooks do nothing."""
        super().load_config()
        assert self.cfg is not None, "gunicorn has read its file"
        self.cfg.set("when_ready", lambda _server: None)
        self.cfg.set("post_worker_init", lambda _worker: None)
        self.cfg.set("worker_exit", lambda _server, _worker: None)

    def load(self) -> object:  # type: ignore[override]
        """The bare application."""
        return bare


if __name__ == "__main__":
    BareGunicorn(CONFIG_FILE).run()
