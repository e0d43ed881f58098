"""Slow, broken and hostile clients, many of them by a seed, against both stacks and the lab's routes in Locust."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from statistics import median

from bench.arena import HOST, Arena
from bench.figures import Figure, at_most
from bench.measure_services import STACKS, start_service
from loadlab.execute.processes import free_port
from odd_clients import Door, spoilt, talks
from siege import besiege

SPOILT, SHORT_SPOILT = 3000, 150
SEED = 20261126
WEB = "Locust's web application"
OURS = re.compile(r'File ".*(svc_common|flask_gunicorn|fastapi_uvicorn|locustfiles|flask|werkzeug|starlette|fastapi)/')
"""gevent tells by a traceback what it refuses itself; none may go through the code behind it."""


def measure_clients(arena: Arena) -> Iterator[Figure]:
    """For each server: talks that ended wrong, and good requests that were not served meanwhile."""
    for stack in STACKS:
        child, port, _ = start_service(arena, stack, "metrics")
        yield from _siege(arena, stack, Door(port=port, good="/items/1", posts="/data"))
        arena.children.end([child])
        yield _tracebacks(stack, (arena.folder / f"{child.name}.log").read_text(encoding="utf-8", errors="replace"))
    port = free_port()
    argv = ["-m", "locust", "-f", str(arena.root / "locustfiles" / "io_bound.py"), "--loglevel", "ERROR"]
    locust = arena.start("locust", [*argv, "--web-host", HOST, "--web-port", str(port)], {}, arena.cores.sut)
    arena.wait_ready(locust, f"http://{HOST}:{port}/lab/status")
    yield from _siege(arena, WEB, Door(port=port, good="/lab/status", posts="/lab/windows"))
    arena.children.end([locust])
    yield _tracebacks(WEB, (arena.folder / "locust.log").read_text(encoding="utf-8", errors="replace"))


def _siege(arena: Arena, server: str, door: Door) -> Iterator[Figure]:
    random, count = Random(SEED), arena.pick(SPOILT, SHORT_SPOILT)
    arena.say(f"clients: {count} spoilt requests to {server}")
    seen = besiege(door, (*talks(door), *(spoilt(door, random) for _ in range(count))))
    yield Figure(
        name=f"odd clients of {server} that went wrong",
        value=float(len(seen.faults)),
        unit="clients",
        bar=at_most(0.0),
        how=f"{seen.talks} slow, broken or hostile clients, 8 at a time beside 4 that never end their head: "
        "answered 500, left hanging, or refused a connection",
        note="; ".join(seen.faults[:3]),
    )
    asked = len(seen.good_s) + len(seen.missed)
    yield Figure(
        name=f"good requests to {server} not served meanwhile",
        value=float(len(seen.missed)),
        unit="requests",
        bar=at_most(0.0),
        how=f"{asked} good requests one after another beside those clients, each on a connection of its own",
        note="; ".join([_times(seen.good_s), *seen.missed[:3]]),
    )


def _tracebacks(server: str, log: str) -> Figure:
    found = OURS.search(log)
    return Figure(
        name=f"frames of tracebacks of {server}",
        value=float(len(OURS.findall(log))),
        unit="frames",
        bar=at_most(0.0),
        how="in its log, of the lab's code and the frameworks'",
        note="" if found is None else log[found.start() : found.start() + 200].replace("\n", " "),
    )


def _times(good_s: tuple[float, ...]) -> str:
    if not good_s:
        return "none was served"
    return f"served in {median(good_s) * 1e3:.1f} ms (median), {max(good_s) * 1e3:.0f} ms at most"
