"""A service's own metrics become a sample; what it does not export is absent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from loadlab.execute.ports import Endpoint
from loadlab.execute.prometheus import Exposition, MetricsProbe, absent_sample, lag_totals, to_sample
from simulated import FakeClock

POOL = """\
# HELP process_tree_cpu_seconds_total Processor time of the tree.
# TYPE process_tree_cpu_seconds_total counter
process_tree_cpu_seconds_total 0.502527991
process_tree_rss_bytes 7.1172096e+07
process_tree_pss_bytes 4.9613824e+07
worker_cpu_seconds_total{pid="21652",role="master"} 0.25
worker_cpu_seconds_total{pid="9669",role="worker"} 0.5
worker_pss_bytes{pid="21652",role="master"} 1.7409024e+07
worker_pss_bytes{pid="9669",role="worker"} 3.22048e+07
worker_uss_bytes{pid="21652",role="master"} 1.3611008e+07
worker_rss_bytes{pid="21652",role="master"} 3.047424e+07
worker_rss_bytes{pid="9669",role="worker"} 4.0697856e+07
worker_connections{pid="9669",role="worker"} 31.0
worker_slots{pid="9669"} 24.0
worker_slots{pid="9670"} 24.0
worker_slots_busy{pid="9669"} 7.0
cgroup_cpu_throttled_seconds_total 0.125
http_requests_in_flight 5.0
# TYPE http_requests_total counter
http_requests_total{method="GET",route="/readyz",status="200"} 40.0
http_requests_total{method="GET",route="/livez",status="200"} 4.0
http_requests_total{method="GET",route="/data",status="200"} 1000.0
http_requests_total{method="GET",route="/data",status="504"} 3.0
http_request_duration_seconds_bucket{le="0.5",method="GET",route="/data"} 900.0
something_else_entirely{le="x"} 1.0
"""


def _loop(lag_sum: float, count: int) -> str:
    return f"event_loop_lag_seconds_count {count}.0\nevent_loop_lag_seconds_sum {lag_sum}\n"


def test_an_exposition_becomes_a_sample() -> None:
    sample = to_sample(Exposition.parse(POOL), 12.5)
    assert sample.unix_s == 12.5
    assert sample.cpu_s == pytest.approx(0.502527991)
    assert (sample.pss_bytes, sample.rss_bytes) == (49613824, 71172096)
    assert sample.throttled_s == 0.125
    assert sample.in_flight == 5.0
    assert sample.slots == 48.0
    assert sample.loop_lag_mean_s is None


def test_requests_of_probes_are_not_counted_and_failed_ones_are() -> None:
    assert to_sample(Exposition.parse(POOL), 0.0).served == 1003


@pytest.mark.parametrize("label", ["handler", "path", "endpoint"])
def test_what_the_lab_itself_asks_of_a_service_of_ones_own_is_not_counted(label: str) -> None:
    """An exporter in the application sees each look at its own /metrics, once a second in every trial."""
    rows = {"/metrics": 12, "/quote": 100, "none": 3}
    text = "".join(f'http_requests_total{{{label}="{route}",status="2xx"}} {n}.0\n' for route, n in rows.items())
    assert to_sample(Exposition.parse(text), 0.0).served == 103
    assert to_sample(Exposition.parse('http_requests_total{status="2xx"} 9.0\n'), 0.0).served == 9


def test_workers_carry_their_pid_and_what_one_of_them_lacks_is_absent() -> None:
    worker, master = to_sample(Exposition.parse(POOL), 0.0).workers
    assert (worker.pid, worker.role, worker.cpu_s, worker.connections, worker.slots_busy) == (
        9669,
        "worker",
        0.5,
        31,
        7.0,
    )
    assert worker.uss_bytes is None
    assert (master.pid, master.role, master.connections, master.slots_busy) == (21652, "master", None, None)


def test_an_empty_exposition_is_absent_everywhere_and_not_zero() -> None:
    sample = to_sample(Exposition.parse("# nothing here\n"), 3.0)
    assert sample == absent_sample(3.0)
    assert {getattr(sample, f.name) for f in fields(sample) if f.name not in ("unix_s", "workers")} == {None}


def test_a_service_that_has_served_nothing_yet_has_served_zero() -> None:
    text = 'http_requests_total{route="/readyz"} 2\n'
    assert to_sample(Exposition.parse(text), 0.0).served == 0


def test_the_loop_lag_is_the_mean_since_the_last_sample() -> None:
    before = lag_totals(Exposition.parse(_loop(1.0, 100)))
    now = Exposition.parse(_loop(1.3, 110))
    assert to_sample(now, 0.0, before).loop_lag_mean_s == pytest.approx(0.03)
    assert to_sample(now, 0.0).loop_lag_mean_s == pytest.approx(1.3 / 110)
    assert to_sample(now, 0.0, lag_totals(now)).loop_lag_mean_s is None


@contextmanager
def _serving(answers: list[tuple[int, str]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answers.pop(0) if len(answers) > 1 else answers[0]
            body = text.encode("utf-8", "surrogateescape")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()


def _probe(url: str | None) -> MetricsProbe:
    return MetricsProbe(lambda _: Endpoint(url="http://127.0.0.1:9", metrics_url=url), FakeClock())


def test_the_probe_keeps_what_it_scraped_until_it_is_taken() -> None:
    with _serving([(200, _loop(1.0, 10)), (200, _loop(1.5, 20))]) as url:
        probe = _probe(url)
        assert probe.sample("loop").loop_lag_mean_s == pytest.approx(0.1)
        assert probe.sample("loop").loop_lag_mean_s == pytest.approx(0.05)
        taken = probe.take_scrapes("loop")
    assert taken.count("# scraped 17900") == 2
    assert taken.count("event_loop_lag_seconds_sum") == 2
    assert probe.take_scrapes("loop") == ""


@pytest.mark.parametrize(
    "answer",
    [
        (500, POOL),
        (200, "worker_slots{pid= 1\n"),
        (200, 'worker_rss_bytes{pid="main"} 1\n'),
        (200, "process_tree_pss_bytes NaN\n"),
        (200, "process_tree_pss_bytes +Inf\n"),
        (200, "<html>worker</html>\n"),
        (200, "\udcff\udcfe"),
    ],
)
def test_what_is_no_exposition_gives_absent_figures(answer: tuple[int, str]) -> None:
    clock = FakeClock()
    with _serving([answer]) as url:
        sample = _probe(url).sample("loop")
    assert sample == replace(absent_sample(clock.unix_s()), monotonic_s=clock.monotonic_s())


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1/metrics"])
def test_a_service_without_metrics_gives_absent_figures_and_no_scrapes(url: str | None) -> None:
    probe = _probe(url)
    assert probe.sample("loop").served is None
    assert probe.take_scrapes("loop") == ""
