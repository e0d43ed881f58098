"""A service on its core and the light client on another, for a short window."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bench.arena import Arena, MeasureError
from loadlab.execute.processes import process_tree

CONNECTIONS = 24
WARMUP_S = 0.4
SATURATED_CORES = 0.9
CLIENT_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One window. server_cores, client_cores: processor seconds per second over the process tree."""

    rate_rps: float
    requests_per_cpu_s: float
    server_cores: float
    client_cores: float
    p50_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What the client shall do."""

    path: str
    measure_s: float
    connections: int = CONNECTIONS
    warmup_s: float = WARMUP_S
    stagger_s: float = 0.0


def load_once(arena: Arena, port: int, root_pid: int, load: Load) -> Sample:
    """Load one server for one window. Raises MeasureError when a request failed or nothing was answered."""
    order = {
        "port": port,
        "path": load.path,
        "connections": load.connections,
        "warmup_s": load.warmup_s,
        "measure_s": load.measure_s,
        "stagger_s": load.stagger_s,
        "server_pids": process_tree(root_pid),
    }
    seen = arena.ask_child("raw_client.py", json.dumps(order), timeout_s=CLIENT_TIMEOUT_S, cpus=arena.cores.rest)
    if seen["failed"] or seen["lost"] or not seen["answered"] or seen["server_cpu_s"] <= 0:
        raise MeasureError(f"port {port}{load.path}: the load went wrong: {seen}")
    return Sample(
        rate_rps=seen["answered"] / seen["elapsed_s"],
        requests_per_cpu_s=seen["answered"] / seen["server_cpu_s"],
        server_cores=seen["server_cpu_s"] / seen["elapsed_s"],
        client_cores=seen["client_cpu_s"] / seen["elapsed_s"],
        p50_s=seen["p50_s"],
    )


def saturation_note(samples: Sequence[Sample]) -> str:
    """Says how busy the server was, and whether that was saturation."""
    least, client = min(s.server_cores for s in samples), max(s.client_cores for s in samples)
    doubt = "" if least >= SATURATED_CORES else " (NOT saturated throughout)"
    return f"server core busy at least {least:.0%}{doubt}, client at most {client:.0%}"
