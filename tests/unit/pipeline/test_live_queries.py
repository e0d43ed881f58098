"""What the boards show of a run is kept where a Prometheus scrapes it; one that does not answer costs a run nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from loadlab.errors import DeployError
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.execute.replay.history import History
from loadlab.pipeline.bundle import begin_again
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files, keep_live_queries, keep_replayed_queries
from session_copies import copy_session
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
    copy_session(folder)
    return folder


def test_a_run_on_one_machine_is_replayed_at_its_end(session: Path) -> None:
    for tool in ("prometheus", "promtool"):
        Toolbox(checkout().root, environ=os.environ, say=print).ensure(tool)
    said: list[str] = []
    keep_replayed_queries(session, checkout(), said.append)
    kept = [orjson.loads(path.read_bytes()) for path in sorted((session / "queries").glob("*.json"))]
    assert [record["source"] for record in kept] == ["replay"] * 5
    assert said == [f"queries: {session / 'queries'}"]


def _boards_alone(root: Path) -> Path:
    """A checkout in which no tools are."""
    shutil.copytree(checkout().root / "grafana" / "dashboards", root / "grafana" / "dashboards")
    return root


def test_without_the_programs_that_is_one_line_that_says_how_to_do_it_later(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    keep_replayed_queries(session, replace(checkout(), root=_boards_alone(tmp_path)), said.append)
    assert not (session / "queries").exists()
    (line,) = said
    assert line.startswith("the boards' view of this run is not kept without a Prometheus: `make tools`, then ")
    assert line.endswith(f"report {session} --queries`")
    assert "\n" not in line


def test_what_the_prometheus_said_that_scraped_the_run_is_not_replaced(session: Path) -> None:
    before = _five_files(session)
    said: list[str] = []
    keep_replayed_queries(session, checkout(), said.append)
    assert {path: path.read_bytes() for path in (session / "queries").iterdir()} == before
    assert said == []


def test_boards_of_which_one_is_not_kept_are_replayed(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next(iter(_five_files(session))).unlink()
    asked: list[Path] = []

    def written(folder: Path, _layout: object) -> Path:
        asked.append(folder)
        return folder / "queries"

    monkeypatch.setattr("loadlab.pipeline.replay.write_queries", written)
    keep_replayed_queries(session, checkout(), lambda _: None)
    assert asked == [session]


def _five_files(session: Path) -> dict[Path, bytes]:
    """One for each board, as the Prometheus that scraped the run would have said it."""
    files = {session / "queries" / path.name: b"scraped" for path in board_files(checkout())}
    assert len(files) == 5
    (session / "queries").mkdir()
    for path, content in files.items():
        path.write_bytes(content)
    return files


def test_a_run_that_is_resumed_keeps_nothing_that_was_said_before(lab: Lab) -> None:
    lab.run()
    _five_files(lab.folder)
    with lab.opened() as store:
        begin_again(store, store.provenance())
    assert list((lab.folder / "queries").iterdir()) == []


def test_a_refused_query_leaves_no_board_behind(lab: Lab, prometheus: Prometheus) -> None:
    prometheus.refusal = "out of memory"
    _kept(lab, prometheus.url)
    assert not (lab.folder / "queries").exists()


def test_all_queries_together_have_an_end(prometheus: Prometheus) -> None:
    left_s = iter([5.0, 0.0])
    history = History(prometheus.url, left_s=lambda: next(left_s))
    assert history.version() == VERSION
    with pytest.raises(DeployError, match="query_range: the time for all queries is over"):
        history.query_range("up", start_s=0.0, end_s=1.0, step_s=1.0)
    assert prometheus.asked == []
