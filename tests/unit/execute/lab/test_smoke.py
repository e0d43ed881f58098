"""Smoke requests: asked again until answered as expected, and one line when a path stays dead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from loadlab.errors import ClusterError
from loadlab.execute.lab.smoke import smoke_requests
from loadlab.execute.processes import free_port
from simulated import FakeClock

Answers = dict[str, tuple[int, object]]


@pytest.fixture
def server() -> Iterator[tuple[str, Answers]]:
    """A web server on loopback and what it answers by path."""
    answers: Answers = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path.partition("?")[0], (404, {}))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(orjson.dumps(body))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", answers
        running.shutdown()
        thread.join()


def test_every_path_answered_is_named(server: tuple[str, Answers], clock: FakeClock) -> None:
    url, answers = server
    answers["/data"] = (200, {"value": 1})
    answers["/stats/requests"] = (200, {"workers": [{"state": "ready"}, {"state": "running"}, {"state": "missing"}]})
    answers["/api/v1/targets"] = (200, {"data": {"activeTargets": [{"health": "up"}]}})
    parts = ("flask", "locust", "prometheus")
    seen = smoke_requests(dict.fromkeys(parts, url), workers=2, clock=clock)
    assert seen == ("flask and upstream", "Locust with 2 workers", "Prometheus")


def test_a_proxy_of_the_environment_is_not_asked_for_this_machines_own_paths(
    server: tuple[str, Answers], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, answers = server
    answers["/data"] = (200, {"value": 1})
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port('127.0.0.1')}")
    assert smoke_requests({"flask": url}, workers=1, clock=clock, patience_s=3.0) == ("flask and upstream",)


def test_prometheus_not_answering_is_said_in_these_words(clock: FakeClock) -> None:
    dead = {"prometheus": f"http://127.0.0.1:{free_port('127.0.0.1')}"}
    with pytest.raises(ClusterError, match=r"^Prometheus not answering: .*refused.* for 3 s; `make lab-status`"):
        smoke_requests(dead, workers=1, clock=clock, patience_s=3.0)


@pytest.mark.parametrize(
    ("part", "path", "answer", "message"),
    [
        ("flask", "/data", (502, {"error": "upstream"}), "smoke request to flask: .*got status 502"),
        ("fastapi", "/data", (200, [1]), "got another answer than an object"),
        ("locust", "/stats/requests", (200, {"workers": []}), "0 workers joined, expected 1"),
        ("prometheus", "/api/v1/targets", (200, {"data": {"activeTargets": []}}), "it has no targets"),
        (
            "prometheus",
            "/api/v1/targets",
            (200, {"data": {"activeTargets": [{"health": "down", "scrapeUrl": "http://a", "lastError": "refused"}]}}),
            "1 of 1 targets down: http://a refused",
        ),
    ],
)
def test_a_path_that_stays_wrong_says_how(
    server: tuple[str, Answers], clock: FakeClock, part: str, path: str, answer: tuple[int, object], message: str
) -> None:
    url, answers = server
    answers[path] = answer
    with pytest.raises(ClusterError, match=message):
        smoke_requests({part: url}, workers=1, clock=clock, patience_s=1.0)
