"""What the slow third party costs: 2000 requests/s of 200 ms each."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.arena import HOST, Arena
from bench.figures import Figure, at_least, at_most
from bench.saturation import Load, load_once
from loadlab.execute.processes import free_port

WANTED_RPS = 2000.0
LATENCY_S = 0.2
SPARE_RATIO = 1.04
"""More users than the rate asks for, because an answer takes a little longer than the latency."""


def measure_upstream(arena: Arena) -> Iterator[Figure]:
    """Cores used, and the rate that was reached meanwhile."""
    port = free_port()
    env = {
        **arena.service_env,
        "UPSTREAM_HOST": HOST,
        "UPSTREAM_PORT": str(port),
        "UPSTREAM_LATENCY": "constant(200ms)",
    }
    upstream = arena.start("upstream", ["-m", "upstream"], env, arena.cores.sut)
    arena.wait_ready(upstream, f"http://{HOST}:{port}/readyz")
    load = Load(
        path="/quote",
        connections=round(WANTED_RPS * LATENCY_S * SPARE_RATIO),
        measure_s=arena.span_s(4.0, 2.0),
        warmup_s=1.0,
        stagger_s=LATENCY_S,
    )
    rounds = arena.pick(5, 2)
    arena.say(f"upstream: {rounds} windows of {load.connections} users")
    seen = [load_once(arena, port, upstream.pid, load) for _ in range(rounds)]
    arena.children.end([upstream])
    cores, rates = [s.server_cores for s in seen], [s.rate_rps for s in seen]
    how = f"closed loop of {load.connections} keep-alive users, {rounds} windows, median"
    yield Figure(
        name="upstream cores at 2000 req/s",
        value=median(cores),
        lower=min(cores),
        upper=max(cores),
        unit="cores",
        bar=at_most(0.5),
        how=f"processor seconds per second of the upstream process, {how}",
        note=f"p50 of {median(s.p50_s for s in seen) * 1e3:.1f} ms at a latency of 200 ms",
    )
    yield Figure(
        name="upstream rate reached",
        value=median(rates),
        lower=min(rates),
        upper=max(rates),
        unit="req/s",
        bar=at_least(WANTED_RPS),
        how=how,
    )
