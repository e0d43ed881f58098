"""The load generator adapter over real Locust processes: what it measures, loses, and mends."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from loadlab.errors import LoadError
from loadlab.execute import locust_processes
from loadlab.execute.clock import SystemClock
from loadlab.execute.locust import LocustGenerator
from loadlab.execute.locust_processes import LocalLocust
from loadlab.execute.ports import Swarm
from loadlab.execute.processes import ChildProcesses, free_port
from loadlab.execute.scrape_targets import ScrapeTargets
from loadlab.model.experiment import Scenario
from loadlab.stats.histogram import decode

LOCUSTFILES = Path(__file__).parents[2] / "locustfiles"
ANSWER_S = 0.02


@pytest.fixture
def url() -> Iterator[str]:
    """A service that answers everything after 20 ms."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536

        def do_GET(self) -> None:
            time.sleep(ANSWER_S)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def on_cores(tmp_path: Path) -> Iterator[Callable[[int], LocalLocust]]:
    """Locust with a worker on each of so many cores, where there are as many."""
    with ChildProcesses() as children:

        def host(cores: int) -> LocalLocust:
            return LocalLocust(
                files=[LOCUSTFILES / "io_bound.py"],
                cpus=frozenset(sorted(os.sched_getaffinity(0))[:cores]),
                env={"PYTHONWARNINGS": "ignore"},
                children=children,
                logs=tmp_path,
                targets=ScrapeTargets(tmp_path / "targets.json"),
            )

        yield host


def test_a_web_port_that_is_taken_in_the_last_moment_is_given_up_for_another(
    on_cores: Callable[[int], LocalLocust], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = on_cores(1)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        ports = itertools.chain([stranger.getsockname()[1]], iter(free_port, None))
        monkeypatch.setattr(locust_processes, "free_port", lambda: next(ports))
        generator = LocustGenerator(host, SystemClock())
        generator.start()
        assert generator.status().workers == host.workers()
        assert host.url != f"http://127.0.0.1:{stranger.getsockname()[1]}"


def _swarm(url: str) -> Swarm:
    return Swarm(
        trial="t1",
        url=url,
        scenario=Scenario(user_class="IoBoundUser", locustfile=LOCUSTFILES / "io_bound.py"),
        users=4,
        think_s=0.0,
        phase_s=0.02,
        seed=7,
        good_within_s=1.0,
    )


def test_a_killed_worker_leaves_a_hole_is_replaced_and_the_trial_can_be_tried_again(
    on_cores: Callable[[int], LocalLocust], url: str
) -> None:
    host = on_cores(2)
    generator = LocustGenerator(host, SystemClock())
    generator.start()
    generator.swarm(_swarm(url))
    assert generator.status().users == 4
    generator.open_window("t1", opens_in_s=0.2, measure_s=1.5)
    time.sleep(0.7)
    lost = sorted(host.worker_pids())[0]
    os.kill(lost, signal.SIGKILL)
    partial = generator.collect("t1")
    books = generator.stop("t1")
    if host.workers() > 1:
        assert partial.state == "partial"
        assert partial.ok > 0
    assert any(str(lost) in hole for hole in (*partial.holes, *books.holes))

    (line,) = generator.heal()
    assert "was killed by SIGKILL" in line
    assert lost not in host.worker_pids()

    generator.swarm(_swarm(url))
    generator.open_window("t1", opens_in_s=0.3, measure_s=1.0)
    load = generator.collect("t1")
    books = generator.stop("t1")
    assert load.state == "complete"
    assert load.holes == ()
    assert load.user_time_s == pytest.approx(4.0, rel=0.02)
    assert decode(load.histogram).total == load.ok > 0
    assert load.health.workers == load.health.workers_expected == host.workers()
    assert books.sent == books.answered + books.failed > load.ok
    assert books.in_flight == 0

    generator.close()
    with pytest.raises(LoadError, match="got no answer"):
        generator.status()
