"""What the boards show of a run is kept where a Prometheus scrapes it; one that does not answer costs a run nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from builders_session import make_session
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import keep_live_queries, keep_replayed_queries
from simulated_lab import Lab

VERSION = "2.54.0"


class Prometheus:
    """Answers every query with one point of 7, or refuses it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refusal: str | None = None
        self.url = ""

    def answer(self, path: str) -> object:
        parts = urlsplit(path)
        if parts.path.endswith("buildinfo"):
            return {"status": "success", "data": {"version": VERSION}}
        query = parse_qs(parts.query)
        self.asked += query["query"]
        if self.refusal is not None:
            return {"status": "error", "error": self.refusal}
        series = {"metric": {}, "values": [[float(query["start"][0]), "7"]]}
        return {"status": "success", "data": {"resultType": "matrix", "result": [series]}}


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    played = Prometheus()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536

        def do_GET(self) -> None:
            content = json.dumps(played.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        played.url = f"http://127.0.0.1:{server.server_port}"
        yield played
        server.shutdown()


def _kept(lab: Lab, url: str | None) -> list[dict[str, object]]:
    """Run, then keep; the events that say that it did not go well."""
    lab.run()
    with lab.opened() as store:
        rig = replace(lab.rig(store), prometheus=lambda: url)
        keep_live_queries(rig, store.folder, checkout())
        return [dict(event) for event in store.load().events if event["event"] == "queries_not_kept"]


def test_without_a_prometheus_nothing_is_kept_and_nothing_is_said(lab: Lab) -> None:
    assert _kept(lab, None) == []
    assert not (lab.folder / "queries").exists()


def test_every_board_is_kept_with_whose_data_it_is(lab: Lab, prometheus: Prometheus) -> None:
    assert _kept(lab, prometheus.url) == []
    kept = [orjson.loads(path.read_bytes()) for path in sorted((lab.folder / "queries").glob("*.json"))]
    assert len(kept) == 5
    for record in kept:
        assert (record["source"], record["prometheus"]) == ("scraped", VERSION)
        assert record["step_s"] % 5 == 0
        for query in record["queries"]:
            assert query["expr"] in prometheus.asked
            assert "$" not in query["expr"]
            assert query["result"][0]["values"] == [[record["start_s"], "7"]]


def test_a_prometheus_that_does_not_answer_is_an_event(lab: Lab) -> None:
    (event,) = _kept(lab, "http://127.0.0.1:9")
    assert "prometheus: status/buildinfo got no answer" in str(event["reason"])


def test_a_query_that_is_refused_is_an_event_that_names_it(lab: Lab, prometheus: Prometheus) -> None:
    prometheus.refusal = "parse error: unexpected end"
    (event,) = _kept(lab, prometheus.url)
    assert "parse error: unexpected end" in str(event["reason"])
    assert prometheus.asked[0] in str(event["reason"])


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A finished run on one machine, which no Prometheus scraped."""
    folder = tmp_path / "session"
    make_session(folder)
    return folder


def test_a_run_on_one_machine_is_replayed_at_its_end(session: Path) -> None:
    for tool in ("prometheus", "promtool"):
        Toolbox(checkout().root, environ=os.environ, say=print).ensure(tool)
    said: list[str] = []
    keep_replayed_queries(session, checkout(), said.append)
    kept = [orjson.loads(path.read_bytes()) for path in sorted((session / "queries").glob("*.json"))]
    assert [record["source"] for record in kept] == ["replay"] * 5
    assert said == [f"queries: {session / 'queries'}"]


def test_without_the_programs_that_is_one_line_that_says_how_to_do_it_later(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    keep_replayed_queries(session, replace(checkout(), root=tmp_path), said.append)
    assert not (session / "queries").exists()
    (line,) = said
    assert "not kept: prometheus: not on PATH and not in .tools/bin; run `make tools`" in line
    assert f"report {session} --queries` keeps it later" in line
    assert "\n" not in line


def test_what_the_prometheus_said_that_scraped_the_run_is_not_replaced(session: Path, tmp_path: Path) -> None:
    (session / "queries").mkdir()
    said: list[str] = []
    keep_replayed_queries(session, replace(checkout(), root=tmp_path), said.append)
    assert list((session / "queries").iterdir()) == []
    assert said == []
