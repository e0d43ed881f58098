"""What one scrape of each service's metrics takes, and what scraping at the lab's interval costs the service."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from threading import Event, Thread

import urllib3
import yaml

from bench.arena import HOST, Arena, MeasureError
from bench.figures import Figure, at_least, at_most
from bench.interleaved import ratio_of_medians, turns
from bench.measure_services import PATH, STACKS, start_service
from bench.saturation import Load, Sample, load_once, saturation_note
from loadlab.execute.processes import process_cpu_s, process_tree

TIME_BAR, RATE_BAR, SHARE_BAR = at_most(20.0), at_least(0.99), at_most(0.01)
ARMS = ("scraped", "not scraped")
PROMETHEUS = "k8s/base/prometheus/prometheus.yml"


@dataclass(frozen=True, slots=True)
class Scraped:
    """One that runs. url: of its metrics."""

    stack: str
    pid: int
    port: int
    url: str


def measure_scrape(arena: Arena) -> Iterator[Figure]:
    """Milliseconds of a scrape on an idle core, its share of that core, and requests/s with scraping over without."""
    interval_s = scrape_interval_s(arena)
    for stack in STACKS:
        child, port, metrics_port = start_service(arena, stack, "metrics")
        service = Scraped(stack, child.pid, port, f"http://{HOST}:{metrics_port}/metrics")
        load_once(arena, port, child.pid, Load(path=PATH, measure_s=1.0))
        yield from _idle(arena, service, interval_s)
        yield _loaded(arena, service, interval_s)
        arena.children.end([child])


def scrape_interval_s(arena: Arena) -> float:
    """How often the lab's Prometheus reads a service."""
    text = (arena.root / PROMETHEUS).read_text(encoding="utf-8")
    return float(yaml.safe_load(text)["global"]["scrape_interval"].removesuffix("s"))


def _idle(arena: Arena, service: Scraped, interval_s: float) -> Iterator[Figure]:
    """How long a scrape takes, and what processor time it costs: free of the noise of a loaded machine."""
    scrapes = arena.pick(40, 10)
    arena.say(f"{service.stack}: {scrapes} scrapes")
    before_s = _cpu_s(service.pid)
    took_ms = sorted(_scrape_ms(service.url, scrapes))
    each_s = (_cpu_s(service.pid) - before_s) / scrapes
    yield Figure(
        name=f"{service.stack} scrape",
        value=median(took_ms),
        lower=took_ms[0],
        upper=took_ms[-1],
        unit="ms",
        bar=TIME_BAR,
        how=f"GET /metrics over one connection, idle after load, {scrapes} times, median",
    )
    yield Figure(
        name=f"{service.stack} scrape, share of a core",
        value=each_s / interval_s,
        unit="ratio",
        bar=SHARE_BAR,
        how=f"processor time of its process tree for each of {scrapes} scrapes, over the {interval_s:g} s between two",
        note=f"{each_s * 1e3:.2f} ms of processor time a scrape",
    )


def _loaded(arena: Arena, service: Scraped, interval_s: float) -> Figure:
    """Windows of two intervals, with scraping and without by turns."""
    pairs, measure_s = arena.pick(8, 1), arena.span_s(2 * interval_s, interval_s)
    arena.say(f"{service.stack}: {pairs} pairs of windows of {measure_s:g} s, scraped every {interval_s:g} s and not")
    seen: Mapping[str, list[Sample]] = {arm: [] for arm in ARMS}
    read = 0
    for turn in turns(ARMS, pairs):
        for arm in turn:
            with scraping(arena, service, interval_s if arm == ARMS[0] else None) as done:
                seen[arm].append(load_once(arena, service.port, service.pid, Load(path=PATH, measure_s=measure_s)))
            read += len(done)
    return rate_figure(service.stack, seen, f"{read} scrapes, one every {interval_s:g} s")


def rate_figure(stack: str, seen: Mapping[str, Sequence[Sample]], how: str) -> Figure:
    """Requests/s while it is scraped, over those while it is not."""
    ratio = ratio_of_medians(*([sample.rate_rps for sample in seen[arm]] for arm in ARMS))
    everything = [sample for samples in seen.values() for sample in samples]
    return Figure(
        name=f"{stack} while it is scraped",
        value=ratio.value,
        lower=ratio.lower,
        upper=ratio.upper,
        unit="ratio",
        bar=RATE_BAR,
        how=f"requests/s at saturation, scraped over not scraped ({how}), GET {PATH}, {ratio.pairs} interleaved pairs",
        note="; ".join((ratio.text(), saturation_note(everything))),
    )


@contextmanager
def scraping(arena: Arena, service: Scraped, interval_s: float | None) -> Iterator[list[float]]:
    """Scrape in the background, off the service's core, the first time after half an interval; None: not at all.

    What it yields grows by the milliseconds of each scrape. Raises MeasureError when there was none.
    """
    took_ms: list[float] = []
    if interval_s is None:
        yield took_ms
        return
    over = Event()
    scraper = Thread(target=_scrape_until, args=(over, arena, service.url, interval_s, took_ms), daemon=True)
    scraper.start()
    try:
        yield took_ms
    finally:
        over.set()
        scraper.join()
    if not took_ms:
        raise MeasureError(f"{service.stack}: no scrape of {service.url} was answered meanwhile")


def _scrape_until(over: Event, arena: Arena, url: str, interval_s: float, took_ms: list[float]) -> None:
    os.sched_setaffinity(0, arena.cores.rest)
    left_s = interval_s / 2
    while not over.wait(left_s):
        with contextlib.suppress(MeasureError, urllib3.exceptions.HTTPError):
            took_ms += _scrape_ms(url, 1)
        left_s = interval_s


def _cpu_s(pid: int) -> float:
    """Processor time of the whole tree so far."""
    return sum(process_cpu_s(one) or 0.0 for one in process_tree(pid))


def _scrape_ms(url: str, times: int) -> Iterator[float]:
    with urllib3.PoolManager(retries=False, timeout=5.0) as http:
        for _ in range(times):
            began = time.perf_counter()
            status = http.request("GET", url).status
            yield (time.perf_counter() - began) * 1e3
            if status != 200:
                raise MeasureError(f"{url}: status {status}")
