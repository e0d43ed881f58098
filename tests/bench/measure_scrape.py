"""How long one scrape of each service's metrics takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import urllib3

from bench.arena import HOST, Arena, MeasureError
from bench.figures import Figure
from bench.measure_services import PATH, STACKS, start_service
from bench.saturation import Load, load_once


def measure_scrape(arena: Arena) -> Iterator[Figure]:
    """Milliseconds of one scrape of a service that has been loaded and is idle again."""
    scrapes = arena.pick(40, 10)
    for stack in STACKS:
        arena.say(f"{stack}: {scrapes} scrapes")
        child, port, metrics_port = start_service(arena, stack, "metrics")
        load_once(arena, port, child.pid, Load(path=PATH, measure_s=1.0))
        took_ms = sorted(_scrape_ms(f"http://{HOST}:{metrics_port}/metrics", scrapes))
        arena.children.end([child])
        yield Figure(
            name=f"{stack} scrape",
            value=median(took_ms),
            lower=took_ms[0],
            upper=took_ms[-1],
            unit="ms",
            how=f"GET /metrics over one connection, idle after load, {scrapes} times, median",
        )


def _scrape_ms(url: str, times: int) -> Iterator[float]:
    with urllib3.PoolManager(retries=False, timeout=5.0) as http:
        for _ in range(times):
            began = time.perf_counter()
            status = http.request("GET", url).status
            yield (time.perf_counter() - began) * 1e3
            if status != 200:
                raise MeasureError(f"{url}: status {status}")
