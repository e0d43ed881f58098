"""Requests per second of one Locust process with the lab's recorder over the same user class without it.

Both processes live at once on one core; whoever is not measured is stopped by SIGSTOP. The server, on the other
core, counts the requests, so that neither side's own statistics decide.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import urllib3

from bench.arena import CHILDREN, HOST, Arena, MeasureError
from bench.figures import Figure, at_least
from bench.interleaved import Ratio, ratio_of_medians, turns
from loadlab.execute.processes import Child, free_port

BAR = at_least(0.97)
USERS = 32
ARMS = ("recorder", "plain")
SETTLE_S = 0.25
WARMUP_S = 1.5
SATURATED_CORES = 0.9


@dataclass(slots=True)
class _Arm:
    rate_rps: list[float] = field(default_factory=list)
    per_cpu_s: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    """One Locust process. lab_url: where it is asked for a window; None without the recorder."""

    child: Child
    lab_url: str | None


def measure_recorder(arena: Arena) -> Iterator[Figure]:
    """Two ratios, and what one request costs the generator."""
    seen = {arm: _Arm() for arm in ARMS}
    port = free_port()
    server = arena.start("raw-server", [str(CHILDREN / "raw_server.py"), str(port)], {}, arena.cores.sut)
    arena.wait_ready(server, f"http://{HOST}:{port}/")
    starts, rounds = arena.pick(4, 1), arena.pick(12, 4)
    with urllib3.PoolManager(retries=False, timeout=10.0) as http:
        for number in range(starts):
            arena.say(f"recorder: start {number + 1} of {starts}, {rounds} pairs of windows")
            _measure_pairs(arena, http, port, rounds, seen)
    arena.children.end([server])
    yield from _figures(seen)


def _measure_pairs(arena: Arena, http: urllib3.PoolManager, port: int, rounds: int, seen: dict[str, _Arm]) -> None:
    core = frozenset({min(arena.cores.rest)})
    running: dict[str, _Running] = {}
    try:
        for arm in ARMS:
            running[arm] = _start_locust(arena, http, arm, port, core)
        for number, turn in enumerate(turns(ARMS, rounds)):
            for arm in turn:
                measure_s = arena.span_s(1.0, 0.8)
                _resume(http, running[arm], f"bench-{number}", SETTLE_S + measure_s)
                _measure_one(http, port, running[arm].child, seen[arm], measure_s)
    finally:
        children = [each.child for each in running.values()]
        for child in children:
            os.kill(child.pid, signal.SIGCONT)
        arena.children.end(children)


def _start_locust(arena: Arena, http: urllib3.PoolManager, arm: str, port: int, core: frozenset[int]) -> _Running:
    """One Locust process with all its users at work, then stopped."""
    web_port = free_port()
    files = [str(CHILDREN / "plain_user.py")]
    if arm == "recorder":
        files.append(str(arena.root / "locustfiles" / "lab_plugin.py"))
    argv = ["-m", "locust", "-f", ",".join(files), "--host", f"http://{HOST}:{port}"]
    argv += ["--web-host", HOST, "--web-port", str(web_port), "--loglevel", "WARNING"]
    child = arena.start(f"locust-{arm}", argv, {}, core)
    url = f"http://{HOST}:{web_port}"
    arena.wait_ready(child, f"{url}/stats/requests")
    if arm == "recorder":
        _post(http, f"{url}/lab/trials", {"id": "bench", "good_within_s": 1.0})
    answer = http.request("POST", f"{url}/swarm", fields={"user_count": str(USERS), "spawn_rate": str(USERS)})
    if not answer.json().get("success"):
        raise MeasureError(f"Locust refused to start {USERS} users: {answer.data[:200]!r}")
    time.sleep(WARMUP_S)
    os.kill(child.pid, signal.SIGSTOP)
    return _Running(child=child, lab_url=f"{url}/lab/windows" if arm == "recorder" else None)


def _post(http: urllib3.PoolManager, url: str, body: dict[str, Any]) -> None:
    answer = http.request("POST", url, json=body)
    if answer.status >= 400:
        raise MeasureError(f"{url}: status {answer.status}: {answer.data[:200]!r}")


def _resume(http: urllib3.PoolManager, running: _Running, window: str, measure_s: float) -> None:
    """Let it go on, with a window of the lab open from now on where there is a recorder."""
    os.kill(running.child.pid, signal.SIGCONT)
    if running.lab_url is not None:
        _post(http, running.lab_url, {"id": window, "opens_in_s": 0.0, "measure_s": measure_s})
    time.sleep(SETTLE_S)


def _measure_one(http: urllib3.PoolManager, port: int, child: Child, arm: _Arm, measure_s: float) -> None:
    before = _counters(http, port, child.pid)
    time.sleep(measure_s)
    after = _counters(http, port, child.pid)
    os.kill(child.pid, signal.SIGSTOP)
    served, elapsed_s, cpu_s = (after[key] - before[key] for key in ("served", "at_s", "cpu_s"))
    if served <= 0 or cpu_s <= 0:
        raise MeasureError(f"{child.name}: sent nothing in {elapsed_s:.1f} s{child.log_tail()}")
    arm.rate_rps.append(served / elapsed_s)
    arm.per_cpu_s.append(served / cpu_s)
    arm.cores.append(cpu_s / elapsed_s)


def _counters(http: urllib3.PoolManager, port: int, pid: int) -> dict[str, float]:
    counters: dict[str, float] = http.request("GET", f"http://{HOST}:{port}/counters/{pid}").json()
    return counters


def _figures(seen: dict[str, _Arm]) -> Iterator[Figure]:
    recorder, plain = seen["recorder"], seen["plain"]
    rates, per_cpu = ratio_of_medians(recorder.rate_rps, plain.rate_rps), ratio_of_medians(
        recorder.per_cpu_s, plain.per_cpu_s
    )  # fmt: skip
    least = min(*recorder.cores, *plain.cores)
    busy = f"Locust's core busy at least {least:.0%}" + ("" if least >= SATURATED_CORES else " (NOT saturated)")
    middle = {name: sorted(arm.rate_rps)[len(arm.rate_rps) // 2] for name, arm in seen.items()}
    note = f"{busy}; medians {middle['recorder']:.0f}/s with, {middle['plain']:.0f}/s without"
    yield _ratio_figure("recorder", "requests/s", rates, note, bar=True)
    yield _ratio_figure("recorder, per CPU second", "requests per CPU second of the process", per_cpu, "", bar=False)
    for name, arm in seen.items():
        costs_us = sorted(1e6 / rate for rate in arm.per_cpu_s)
        yield Figure(
            name=f"generator CPU per request, {name}",
            value=costs_us[len(costs_us) // 2],
            lower=costs_us[0],
            upper=costs_us[-1],
            unit="us",
            how=f"processor time of the Locust process over requests, {len(costs_us)} windows, median",
        )


def _ratio_figure(name: str, what: str, ratio: Ratio, note: str, *, bar: bool) -> Figure:
    return Figure(
        name=name,
        value=ratio.value,
        lower=ratio.lower,
        upper=ratio.upper,
        unit="ratio",
        bar=BAR if bar else None,
        how=f"{what} of one Locust core, recorder and open window over none, {USERS} users, {ratio.pairs} "
        "interleaved pairs, medians; counted by the server",
        note="; ".join(part for part in (ratio.text(), note) if part),
    )
