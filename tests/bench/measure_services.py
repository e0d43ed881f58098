"""Each stack at saturation: with its metrics, without them, and against a bare application under its server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import urllib3

from bench.arena import CHILDREN, HOST, Arena, MeasureError
from bench.figures import Bar, Figure, at_least
from bench.hot_path import profile_note
from bench.interleaved import ratio_of_medians, turns
from bench.saturation import Load, Sample, load_once, saturation_note
from loadlab.execute.processes import Child, free_port

PATH = "/items/17"
METRICS_BAR, BARE_BAR = at_least(0.95), at_least(0.6)
STACKS = {"flask": ("flask_gunicorn", "bare_wsgi.py"), "fastapi": ("fastapi_uvicorn", "bare_asgi.py")}
ARMS = ("metrics", "plain", "bare")


@dataclass(slots=True)
class _Seen:
    """Samples by arm, in the order they were taken; the n-th of each belong together."""

    by_arm: dict[str, list[Sample]] = field(default_factory=lambda: {arm: [] for arm in ARMS})

    def figure(self, name: str, over: str, under: str, *, bar: Bar | None, per_cpu: bool, note: str = "") -> Figure:
        def pick(arm: str) -> list[float]:
            return [s.requests_per_cpu_s if per_cpu else s.rate_rps for s in self.by_arm[arm]]

        ratio = ratio_of_medians(pick(over), pick(under))
        what = "requests per CPU second of its process tree" if per_cpu else "requests/s at saturation"
        return Figure(
            name=name,
            value=ratio.value,
            lower=ratio.lower,
            upper=ratio.upper,
            unit="ratio",
            bar=bar,
            how=f"{what}, {over} over {under}, GET {PATH}, {ratio.pairs} interleaved pairs, medians",
            note="; ".join(part for part in (ratio.text(), note) if part),
        )


def measure_services(arena: Arena) -> Iterator[Figure]:
    """Metrics on over off, and the whole stack over the bare application, for both stacks."""
    for stack in STACKS:
        seen = _load_stack(arena, stack)
        everything = [s for samples in seen.by_arm.values() for s in samples]
        note = f"{saturation_note(everything)}; {_rates(seen)}"
        yield seen.figure(f"{stack} metrics", "metrics", "plain", bar=METRICS_BAR, per_cpu=False, note=note)
        yield seen.figure(f"{stack} metrics, per CPU second", "metrics", "plain", bar=None, per_cpu=True)
        where = profile_note(arena, stack) if arena.profile else "--profile says where the rest goes"
        yield seen.figure(f"{stack} over bare", "metrics", "bare", bar=BARE_BAR, per_cpu=False, note=where)
        yield seen.figure(f"{stack} over bare, per CPU second", "metrics", "bare", bar=None, per_cpu=True)
        yield seen.figure(f"{stack} without metrics over bare", "plain", "bare", bar=None, per_cpu=False)


def start_service(arena: Arena, stack: str, arm: str) -> tuple[Child, int, int]:
    """Start one arm of a stack on its core and wait until it is ready: the child, its port, its metrics' port."""
    module, bare = STACKS[stack]
    port, metrics_port = free_port(), free_port()
    env: Mapping[str, str] = {
        **arena.service_env,
        "SVC_HOST": HOST,
        "SVC_PORT": str(port),
        "SVC_METRICS_PORT": str(metrics_port),
        "SVC_METRICS": "on" if arm == "metrics" else "off",
        "SVC_LOG_LEVEL": "warning",
    }
    argv = [str(CHILDREN / bare)] if arm == "bare" else ["-m", module]
    child = arena.start(f"{stack}-{arm}", argv, env, arena.cores.sut)
    arena.wait_ready(child, f"http://{HOST}:{port}/readyz")
    return child, port, metrics_port


def _load_stack(arena: Arena, stack: str) -> _Seen:
    """Fresh processes several times, a few windows of every arm each time."""
    seen = _Seen()
    starts, rounds = arena.pick(3, 1), arena.pick(5, 2)
    load = Load(path=PATH, measure_s=arena.span_s(2.0, 1.0))
    for number in range(starts):
        arena.say(f"{stack}: start {number + 1} of {starts}, {rounds} windows for each of {', '.join(ARMS)}")
        running = {arm: start_service(arena, stack, arm) for arm in ARMS}
        if number == 0:
            _check_alike({arm: port for arm, (_, port, _) in running.items()})
        time.sleep(0.3)
        for turn in turns(ARMS, rounds):
            for arm in turn:
                child, port, _ = running[arm]
                seen.by_arm[arm].append(load_once(arena, port, child.pid, load))
        arena.children.end([child for child, _, _ in running.values()])
    return seen


def _check_alike(ports: Mapping[str, int]) -> None:
    """Every arm must answer the same bytes. Raises MeasureError."""
    with urllib3.PoolManager(retries=False, timeout=5.0) as http:
        answers = {}
        for arm, port in ports.items():
            answer = http.request("GET", f"http://{HOST}:{port}{PATH}", headers={"Connection": "close"})
            answers[arm] = (answer.status, answer.data, answer.headers["content-type"])
    if len(set(answers.values())) != 1:
        raise MeasureError(f"the arms do not answer alike: {answers}")


def _rates(seen: _Seen) -> str:
    best = {arm: sorted(s.rate_rps for s in samples)[len(samples) // 2] for arm, samples in seen.by_arm.items()}
    return "medians " + ", ".join(f"{arm} {rate:.0f}/s" for arm, rate in best.items())
