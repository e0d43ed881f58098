"""A bare WSGI application that answers GET /items/17 as the lab's service does, under its server and settings."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask_gunicorn.__main__ import CONFIG_FILE
from flask_gunicorn.server import ConfiguredGunicorn
from svc_common import work

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

BODY = work.item("17")
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]


def bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The same bytes every time, whatever is asked for."""
    start_response("200 OK", list(HEADERS))
    return [BODY]


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
