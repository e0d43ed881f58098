"""The rate that open arrivals deliver against the rate that is asked for, counted by the server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import urllib3

from bench.arena import CHILDREN, HOST, Arena, MeasureError
from bench.figures import Figure, at_most
from loadlab.execute.clock import SystemClock
from loadlab.execute.locust import LocustGenerator
from loadlab.execute.locust_processes import LocalLocust
from loadlab.execute.ports import Arrivals, Swarm
from loadlab.execute.processes import Child, free_port
from loadlab.model.experiment import Scenario
from loadlab.stats.histogram import Latencies, decode
from loadlab.units import counted

RATES_RPS = (100, 1000, 3000)
SHARED_RPS = RATES_RPS[-1]
"""The rate that two workers share too: one has to work nearly without a break for it."""
BAR = at_most(0.001)
SETTLE_S = 2.0
PATIENCE_S = 20.0


def measure_arrivals(arena: Arena) -> Iterator[Figure]:
    """One figure for each rate: evenly spaced arrivals, so that every count has one right answer."""
    port = free_port()
    server = arena.start("raw-server", [str(CHILDREN / "raw_server.py"), str(port)], {}, arena.cores.sut)
    arena.wait_ready(server, f"http://{HOST}:{port}/")
    with urllib3.PoolManager(retries=False, timeout=10.0) as http:
        for rate_rps in RATES_RPS:
            measure_s = arena.span_s(60.0, 5.0)
            arena.say(f"arrivals: {measure_s:g} s at {rate_rps} req/s")
            yield _measure_rate(arena, http, port, rate_rps, measure_s)
        measure_s = arena.span_s(60.0, 5.0)
        arena.say(f"arrivals: {measure_s:g} s at {SHARED_RPS} req/s, two workers")
        yield _measure_shared(arena, http, port, measure_s)
    arena.children.end([server])


def _measure_rate(arena: Arena, http: urllib3.PoolManager, port: int, rate_rps: int, measure_s: float) -> Figure:
    locust, url = _start_locust(arena, http, port)
    form = {"user_count": "1", "spawn_rate": "1", "rate_rps": str(rate_rps), "arrivals": "constant"}
    answer = http.request("POST", f"{url}/swarm", fields=form)
    if not answer.json().get("success"):
        raise MeasureError(f"Locust refused an open load: {answer.data[:200]!r}")
    time.sleep(SETTLE_S)
    _ask(http, "POST", f"{url}/lab/windows", {"id": "rate", "opens_in_s": 0.0, "measure_s": measure_s})
    before = _served(http, port, locust.pid)
    time.sleep(measure_s)
    after = _served(http, port, locust.pid)
    window = _window(http, url)
    arena.children.end([locust])
    return _figure(
        f"rate error of open arrivals at {rate_rps} req/s",
        rate_rps,
        (before, after),
        window,
        how=f"evenly spaced arrivals of one Locust process for {measure_s:g} s: the worse of what the server counted "
        "on its own clock against what was asked, and what was begun in the window of what was planned in it",
    )


def _measure_shared(arena: Arena, http: urllib3.PoolManager, port: int, measure_s: float) -> Figure:
    """Two workers under a master; with two cores in all, the second one is beside the server."""
    two = [*sorted(arena.cores.rest), *sorted(arena.cores.sut)][:2]
    files = [CHILDREN / "plain_user.py", arena.root / "locustfiles" / "lab_plugin.py"]
    locust = LocalLocust(
        files=files, cpus=arena.cores.rest, env={}, children=arena.children, logs=arena.folder, worker_cores=two
    )
    generator, clock = LocustGenerator(locust, SystemClock()), SystemClock()
    try:
        generator.start()
        generator.swarm(_shared_swarm(f"http://{HOST}:{port}", files[0]))
        generator.open_window("shared", opens_in_s=SETTLE_S, measure_s=measure_s)
        clock.sleep(SETTLE_S)
        before = _served(http, port, 0)
        clock.sleep(measure_s)
        after = _served(http, port, 0)
        window = generator.collect("shared")
    finally:
        generator.close()
    if window.arrivals is None or window.state != "complete":
        raise MeasureError(f"two workers: the window is {window.state}: {'; '.join(window.holes) or 'no open load'}")
    told: dict[str, Any] = {"arrivals": asdict(window.arrivals), "health": asdict(window.health)}
    told["histogram"] = window.histogram
    return _figure(
        f"rate error of open arrivals at {SHARED_RPS} req/s, two workers",
        SHARED_RPS,
        (before, after),
        told,
        how=f"the same with the schedule spread over two Locust workers, one of them on the server's core where there "
        f"are two cores in all; {measure_s:g} s",
    )


def _figure(
    name: str,
    asked_rps: int,
    served: tuple[dict[str, float], dict[str, float]],
    window: dict[str, Any],
    *,
    how: str,
) -> Figure:
    """served: what the server said at the window's open and close."""
    before, after = served
    rate = (after["served"] - before["served"]) / (after["at_s"] - before["at_s"])
    error = rate_error(rate, asked_rps, window["arrivals"])
    return Figure(name=name, value=error, unit="ratio", bar=BAR, how=how, note=_note(rate, window))


def _shared_swarm(url: str, locustfile: Path) -> Swarm:
    return Swarm(
        trial="shared",
        url=url,
        scenario=Scenario(user_class="PlainUser", locustfile=locustfile),
        users=0,
        think_s=0.0,
        phase_s=0.0,
        seed=1,
        good_within_s=60.0,
        arrivals=Arrivals(rate_rps=SHARED_RPS, pattern="constant", in_flight_max=2000),
    )


def rate_error(served_rps: float, asked_rps: float, arrivals: Mapping[str, int]) -> float:
    """The first alone could be right by what was late before the window and is made up for in it."""
    return max(abs(served_rps / asked_rps - 1.0), 1.0 - arrivals["started"] / arrivals["planned"])


def _note(rate: float, window: dict[str, Any]) -> str:
    arrivals, lags = window["arrivals"], decode(window["arrivals"]["dispatch_histogram"])
    service = decode(window["histogram"])
    return (
        f"{rate:.3f}/s; {arrivals['started']} of {arrivals['planned']} planned begun, {arrivals['dropped']} dropped; "
        f"dispatch lag p50 {_ms(lags, 0.5)}, p99 {_ms(lags, 0.99)}; service p99 {_ms(service, 0.99)}; "
        f"{window['health']['cpu_cores']:.2f} of the load generator's {counted(window['health']['cores'], 'core')}"
    )


def _ms(latencies: Latencies, share: float) -> str:
    value_s = latencies.quantile_s(share)
    return "absent" if value_s is None else f"{value_s * 1e3:.2f} ms"


def _start_locust(arena: Arena, http: urllib3.PoolManager, port: int) -> tuple[Child, str]:
    web_port = free_port()
    files = f"{CHILDREN / 'plain_user.py'},{arena.root / 'locustfiles' / 'lab_plugin.py'}"
    argv = ["-m", "locust", "-f", files, "--host", f"http://{HOST}:{port}"]
    argv += ["--web-host", HOST, "--web-port", str(web_port), "--loglevel", "WARNING"]
    child = arena.start("locust-open", argv, {}, frozenset({min(arena.cores.rest)}))
    url = f"http://{HOST}:{web_port}"
    arena.wait_ready(child, f"{url}/stats/requests")
    _ask(http, "POST", f"{url}/lab/trials", {"id": "rate"})
    return child, url


def _window(http: urllib3.PoolManager, url: str) -> dict[str, Any]:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        window = _ask(http, "GET", f"{url}/lab/windows/rate", None)
        if window["state"] in ("complete", "partial"):
            return window
        time.sleep(0.1)
    raise MeasureError(f"the window did not close within {PATIENCE_S:g} s")


def _ask(http: urllib3.PoolManager, method: str, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
    answer = http.request(method, url, json=body)
    if answer.status >= 400:
        raise MeasureError(f"{url}: status {answer.status}: {answer.data[:200]!r}")
    record: dict[str, Any] = answer.json()
    return record


def _served(http: urllib3.PoolManager, port: int, pid: int) -> dict[str, float]:
    counters: dict[str, float] = http.request("GET", f"http://{HOST}:{port}/counters/{pid}").json()
    return counters
