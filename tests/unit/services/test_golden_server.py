"""The golden server over real sockets: it answers when it should, logs what was sent, and nothing stops it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from golden.server import IDLE_S, GoldenServer
from golden.settings import GoldenSettings
from golden.wire import MOST_HEAD_BYTES, BadRequest, next_request

MS = 1_000_000
EPOLL = select.epoll
Served = tuple[GoldenServer, Path]
Serve = Callable[..., Served]


class Rows:
    """The rows of a log, by column."""

    def __init__(self, path: Path) -> None:
        head, _, body = path.read_bytes().partition(b"\n")
        self.about: Mapping[str, object] = json.loads(head)
        numbers = array("q", body)
        self.rows = [tuple(numbers[at : at + 5]) for at in range(0, len(numbers), 5)]

    def column(self, number: int) -> list[int]:
        return [row[number] for row in self.rows]


@pytest.fixture
def serve(tmp_path: Path, free_port: int) -> Iterator[Serve]:
    """Run a golden server in a thread; ended, so that its log is whole, by its ``stop`` or at the end of the test."""
    running: list[tuple[GoldenServer, threading.Thread]] = []

    def start(**settings: str) -> Served:
        log = tmp_path / "golden.log"
        environ = {"GOLDEN_PORT": str(free_port), "GOLDEN_LOG": str(log), "GOLDEN_LOG_ROWS": "1000"}
        server = GoldenServer(
            GoldenSettings.from_env(environ | {f"GOLDEN_{k.upper()}": v for k, v in settings.items()})
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        return server, log

    yield start
    for server, thread in running:
        _end(server, thread)


def _end(server: GoldenServer, thread: threading.Thread) -> None:
    if thread.is_alive():
        server.stop()
        thread.join(20)


def ended(served: Served) -> Rows:
    thread = next(t for t in threading.enumerate() if getattr(t, "_target", None) == served[0].run)
    _end(served[0], thread)
    return Rows(served[1])


def connect(server: GoldenServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def request(number: int, path: str = "/data", method: str = "GET", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Lab-Request-ID: {number}\r\n{more}\r\n".encode()


def answers(client: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Status and body of the next answers; fewer when the server ends the connection."""
    found: list[tuple[int, bytes]] = []
    with client.makefile("rb") as stream:
        while len(found) < count and (line := stream.readline()):
            length = 0
            while (header := stream.readline().strip()) != b"":
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            found.append((int(line.split()[1]), stream.read(length)))
    return found


def test_a_server_that_watches_for_the_next_request_answers_as_one_that_sleeps(serve: Serve) -> None:
    served = serve(delay="constant(2ms)", watch_ms="1000")
    with connect(served[0]) as client:
        for number in (1, 2):
            client.sendall(request(number))
            assert answers(client, 1)[0][0] == 200
    log = ended(served)  # it can be ended while it watches
    assert log.column(0) == [1, 2]
    assert {(due - arrival) / MS for _, arrival, due, _, _ in log.rows} == {2.0}
    assert all(departure >= due for _, _, due, departure, _ in log.rows)


class NotingEpoll:
    """An epoll by which alone the time goes on: a millisecond with each look, far with each sleep."""

    def __init__(self) -> None:
        self.epoll = EPOLL()
        self.now_ns = 0
        self.answered: Callable[[], int] = int
        self.slept: list[tuple[int, float]] = []
        """With how many requests answered it was asked, and how long it might sleep."""

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        self.slept.append((self.answered(), timeout))
        self.now_ns += MS if timeout == 0 else 1000 * MS
        return self.epoll.poll(0 if timeout == 0 else 0.001, most)

    def __getattr__(self, name: str) -> object:
        return getattr(self.epoll, name)


def test_a_server_watches_for_the_next_request_after_an_answer_that_took_long_too(
    monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    noting = NotingEpoll()
    monkeypatch.setattr("golden.server.select.epoll", lambda: noting)
    environ = {"GOLDEN_PORT": str(free_port), "GOLDEN_DELAY": "constant(500ms)", "GOLDEN_WATCH_MS": "20"}
    server = GoldenServer(GoldenSettings.from_env(environ), lambda: noting.now_ns)
    noting.answered = lambda: server.counts.answered
    thread = threading.Thread(target=server.run)
    thread.start()
    with connect(server) as client:
        client.sendall(request(1))
        assert answers(client, 1)[0][0] == 200
        while thread.is_alive() and (1, IDLE_S) not in noting.slept:
            time.sleep(0.001)
        _end(server, thread)
    after = [timeout for answered, timeout in noting.slept if answered == 1]
    assert after[:21] == [0.0] * 20 + [IDLE_S]


def test_the_log_is_what_was_sent_and_every_answer_left_when_it_was_due(serve: Serve) -> None:
    served = serve(delay="bimodal(1ms, 20ms, 0.3)", error_ratio="0.25", seed="3")
    statuses = []
    with connect(served[0]) as client:
        for number in range(1, 41):
            client.sendall(request(number))
            statuses.append(answers(client, 1)[0][0])
    log = ended(served)
    assert log.column(0) == list(range(1, 41))
    assert log.column(4) == statuses
    assert statuses.count(500) in (9, 10, 11)
    delays_ms = {(due - arrival) / MS for _, arrival, due, _, _ in log.rows}
    assert delays_ms == {1.0, 20.0}
    assert all(departure >= due for _, _, due, departure, _ in log.rows)
    assert served[0].summary()["arrivals"] == 40


def test_pipelined_requests_are_answered_in_order_and_each_is_logged(serve: Serve) -> None:
    served = serve(delay="bimodal(0ms, 30ms, 0.5)", seed="1")
    with connect(served[0]) as client:
        client.sendall(
            b"".join(request(number) for number in range(1, 301)) + request(301, more="Connection: close\r\n")
        )
        assert [status for status, _ in answers(client, 400)] == [200] * 301
    log = ended(served)
    assert log.column(0) == list(range(1, 302))
    assert log.column(2) == sorted(log.column(2))


def test_many_connections_lose_nothing(serve: Serve) -> None:
    served = serve(delay="lognormal(3ms, 0.5)")
    clients = [connect(served[0]) for _ in range(50)]
    for turn in range(8):
        for place, client in enumerate(clients):
            client.sendall(request(turn * 50 + place + 1))
        assert all(answers(client, 1)[0][0] == 200 for client in clients)
    for client in clients:
        client.close()
    log = ended(served)
    assert sorted(log.column(0)) == list(range(1, 401))
    assert set(log.column(4)) == {200}


def test_what_arrives_in_a_freeze_is_answered_after_it(serve: Serve) -> None:
    served = serve(delay="constant(1ms)", freeze="150ms/200ms")
    with connect(served[0]) as client:
        for number in range(1, 101):
            client.sendall(request(number))
            time.sleep(0.005)
        assert len(answers(client, 100)) == 100
    log = ended(served)
    started_ns = log.about["started_ns"]
    assert isinstance(started_ns, int)
    held = 0
    for _, arrival_ns, due_ns, departure_ns, _ in log.rows:
        periods, into_ns = divmod(arrival_ns - started_ns, 200 * MS)
        if periods >= 1 and into_ns < 150 * MS:
            held += 1
            assert due_ns == arrival_ns - into_ns + 151 * MS
        assert departure_ns >= due_ns
    assert held >= 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET /data HTTP/2.0\r\n\r\n", 400),
        (b"GET /data\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (request(1, method="POST", more="Content-Length: two\r\n"), 400),
        (request(1, method="POST", more="Content-Length: 2\r\nContent-Length: 3\r\n"), 400),
        (request(1, method="POST", more="Content-Length: 99999999999\r\n"), 413),
        (request(1, method="POST", more="Transfer-Encoding: chunked\r\n"), 501),
        (b"GET /" + b"a" * (MOST_HEAD_BYTES + 1), 431),
    ],
)
def test_what_is_no_request_is_refused_and_the_next_client_is_served(serve: Serve, sent: bytes, status: int) -> None:
    served = serve(delay="constant(1ms)")
    with connect(served[0]) as client:
        client.sendall(sent)
        assert answers(client, 2)[0][0] == status
    with connect(served[0]) as client:
        client.sendall(request(9))
        assert answers(client, 1)[0][0] == 200
    assert ended(served).column(0) == [9]
    assert served[0].counts.refused == 1


def test_slow_clients_hold_up_nobody_but_themselves(serve: Serve) -> None:
    served = serve(delay="constant(1ms)")
    with connect(served[0]) as byte_by_byte, connect(served[0]) as deaf, connect(served[0]) as quick:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.sendall(b"".join(request(number) for number in range(10_000, 10_400)))
        for at, byte in enumerate(request(1)):
            byte_by_byte.sendall(bytes([byte]))
            quick.sendall(request(at + 2))
            assert answers(quick, 1)[0][0] == 200
        assert answers(byte_by_byte, 1)[0][0] == 200
        assert [status for status, _ in answers(deaf, 400)] == [200] * 400
    log = ended(served)
    assert len(log.rows) == 400 + 1 + len(request(1))
    assert len(set(log.column(0))) == len(log.rows)


def test_a_client_that_leaves_is_in_the_log_without_an_answer(serve: Serve) -> None:
    served = serve(delay="constant(2500ms)")
    with connect(served[0]) as stays:
        with connect(served[0]) as leaves:
            leaves.sendall(request(1))
        stays.sendall(request(2))
        assert answers(stays, 1)[0][0] == 200
    log = ended(served)
    assert {(row[0], row[4]) for row in log.rows} == {(1, 0), (2, 200)}
    assert served[0].counts.unanswered == 1


def test_every_scenario_gets_an_answer_of_the_contract(serve: Serve) -> None:
    server, _ = serve(delay="constant(0ms)")
    body = "Content-Length: 2\r\n\r\n{}"
    asked = {"/data": 200, "/items/7": 200, "/items?limit=20": 200, "/cpu?n=5": 200, "/hold?s=1": 200, "/nowhere": 404}
    with connect(server) as client:
        for path, status in asked.items():
            client.sendall(request(1, path))
            assert answers(client, 1)[0][0] == status
        for path, status in {"/data": 201, "/payload": 200}.items():
            client.sendall(request(1, path, "POST", body)[: -len("\r\n")])
            assert answers(client, 1)[0][0] == status


def test_its_own_pages_are_in_no_log_and_tell_its_error(serve: Serve) -> None:
    served = serve(delay="constant(1ms)")
    with connect(served[0]) as client:
        client.sendall(request(0, "/readyz") + request(5) + request(0, "/counters") + request(0, "/metrics"))
        ready, data, counters, metrics = answers(client, 4)
    assert (ready[0], data[0]) == (200, 200)
    told = json.loads(counters[1])
    assert (told["arrivals"], told["refused"]) == (1, 0)
    assert b"golden_arrivals_total 1" in metrics[1]
    assert b'golden_schedule_error_seconds{quantile="0.99"}' in metrics[1]
    assert ended(served).column(0) == [5]


def test_sigterm_writes_the_log_out_and_tells_the_error(
    spawn: Callable[..., subprocess.Popen[str]],
    services_env: dict[str, str],
    free_port: int,
    tmp_path: Path,
    eventually: Callable[..., None],
) -> None:
    log = tmp_path / "golden.log"
    environ = services_env | {"GOLDEN_PORT": str(free_port), "GOLDEN_DELAY": "constant(20s)", "GOLDEN_LOG": str(log)}
    child = spawn("-m", "golden", env=environ)

    def connected() -> bool:
        try:
            socket.create_connection(("127.0.0.1", free_port), timeout=20).close()
        except OSError:
            return False
        return True

    eventually(connected, "the golden server to listen")
    with socket.create_connection(("127.0.0.1", free_port), timeout=20) as client:
        client.sendall(request(77) + request(0, "/nothing"))
        with socket.create_connection(("127.0.0.1", free_port), timeout=20) as watcher:

            def arrived() -> bool:
                watcher.sendall(request(0, "/counters"))
                return bool(json.loads(answers(watcher, 1)[0][1])["arrivals"] == 2)

            eventually(arrived, "the requests to arrive")
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=20)
    assert child.returncode == 0
    assert json.loads(out)["unanswered"] == 2
    assert [(row[0], row[3], row[4]) for row in Rows(log).rows] == [(77, 0, 0), (0, 0, 0)]


def test_a_bad_setting_is_one_line_and_code_2(
    spawn: Callable[..., subprocess.Popen[str]], services_env: dict[str, str]
) -> None:
    child = spawn("-m", "golden", env=services_env | {"GOLDEN_DELAY": "soon"})
    _, err = child.communicate(timeout=20)
    assert child.returncode == 2
    assert err.startswith("settings: GOLDEN_DELAY=soon: expected constant(5ms)")
    assert os.linesep not in err.rstrip()


def test_a_request_is_found_wherever_it_is_cut() -> None:
    whole = request(3, "/data?x=1", "POST", "Content-Length: 4\r\n") + b"body"
    assert [next_request(whole[:cut], 0) for cut in range(len(whole))] == [None] * len(whole)
    found = next_request(whole + b"GET", 0)
    assert found is not None
    assert (found.method, found.path, found.id, found.keep_alive, found.end) == (b"POST", b"/data", 3, True, len(whole))


def test_keep_alive_follows_the_version_and_the_header() -> None:
    def keeps(version: str, header: str) -> bool:
        found = next_request(f"GET / HTTP/1.{version}\r\n{header}\r\n".encode(), 0)
        assert found is not None
        return found.keep_alive

    assert [keeps("1", ""), keeps("0", ""), keeps("1", "Connection: close\r\n")] == [True, False, False]
    assert keeps("0", "Connection: Keep-Alive\r\n")


def test_a_refusal_has_a_status() -> None:
    with pytest.raises(BadRequest) as refused:
        next_request(b"GET\r\n\r\n", 0)
    assert refused.value.status == 400
