"""What each stack asks of the machine, measured before the sweep (method.md section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from loadlab.analysis.validity import window_findings
from loadlab.errors import DeployError, LoadError
from loadlab.model.experiment import Stack
from loadlab.model.plan import Trial
from loadlab.model.run import Demand, LoadWindow, Window, seconds_between
from loadlab.pipeline.insist import insist
from loadlab.pipeline.rig import Rig
from loadlab.pipeline.trial import Timing, peek, run_trial
from loadlab.stats.histogram import decode

REQUESTS_AT_ONE_USER = 24
LEAST_REQUESTS = 20
PEEK_S = 1.0
LEAST_S = 1.0
"""Of a window of one user."""
CPU_WINDOW_S = 3.0
ONE_USER_WARMUP_S = 0.3
CPU_WARMUP_S = 0.5
IDLE_S = 0.5
SCRAPES = 10
SPREAD_PROBES = 6
SPREAD_S = 0.6
SPREAD_LOAD = 0.7
LONGEST_S = 60.0
DECIDING = frozenset({"lag", "steal", "generator_cpu", "throttled"})
"""Gates on the load generator and the machine, which hold at any number of users."""


def measure_demands(rig: Rig) -> tuple[Demand, ...]:
    """Service time, processor time per request and connection spread of every stack, at low load.

    Raises:
        DeployError: a stack did not get ready, or its requests fail.
        LoadError: the load generator did not do its part.
    """
    rig.progress.stage("starting both stacks and the load generator")
    rig.deployer.prepare(0)
    demands = tuple(_measure(rig, stack) for stack in rig.experiment.stacks)
    rig.deployer.release()
    return demands


def _measure(rig: Rig, stack: Stack) -> Demand:
    rig.progress.stage(f"measuring the demand of {stack.name}")
    alone = _one_user(rig, stack)
    _need_answers(rig, stack, alone.load)
    users = max(2, _slots(rig) // 4)
    ended = alone.load.ok + alone.load.failed
    service_s = alone.load.latency_sum_s / ended
    phase_s = service_s + (waits([alone]).mean_s or rig.load.think_s)
    idle = _idle_cores(rig, stack)
    scrape_s = _scrape_cpu_s(rig, stack, idle)
    timing = Timing(warmup_s=CPU_WARMUP_S, measure_s=CPU_WINDOW_S, phase_s=phase_s, scrape_cpu_s=scrape_s)
    busy = _window(rig, stack, users, "cpu", timing)
    waited = waits([alone, busy])
    return Demand(
        stack=stack.name,
        service_s=service_s,
        service_requests=alone.load.ok,
        cpu_s_per_request=_cpu_s_per_request(busy, idle),
        idle_cpu_cores=idle,
        scrape_cpu_s=scrape_s,
        workers=stack.processes,
        slots_per_worker=stack.slots_per_worker,
        connection_shares=_spread(rig, stack, phase_s) if stack.processes > 1 else (),
        service_sd_s=decode(alone.load.histogram).sd_s,
        doubts=tuple(sorted({*_doubts(rig, alone), *_doubts(rig, busy)})),
        replicas=stack.replicas,
        cores=rig.deployer.isolation().cores,
        own_waits=waited.classes,
        think_s=waited.mean_s,
        think_requests=waited.requests,
        service_ceil_s=alone.load.latency_ceil_ms_sum / 1000 / ended,
        good_requests=alone.load.good,
        ended_requests=ended,
    )


def _need_answers(rig: Rig, stack: Stack, load: LoadWindow) -> None:
    if load.ok:
        return
    if load.failed:
        raise DeployError(
            f"{stack.name}: none of {load.failed} requests at one user was answered as expected "
            f"(got {dict(load.outcomes)}); check its settings, the scenario and the upstream"
        )
    nothing = f"{stack.name}: no request of one user ended within {load.measure_s:g} s"
    if load.own_waits or rig.load.think_s:
        waits = f"a wait_time of {', '.join(load.own_waits)}" if load.own_waits else f"think_s = {rig.load.think_s:g}"
        longest = f"a demand is measured for {LONGEST_S:g} s at most, so take a shorter one"
        raise LoadError(f"{nothing}, with {waits} between two; {longest}")
    raise DeployError(f"{nothing}: it hangs; see its log in the bundle")


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnWaits:
    """What users waited by themselves: their classes, the mean for each request that ended, and how many did."""

    classes: tuple[str, ...]
    mean_s: float | None
    requests: int


def waits(windows: Sequence[Window]) -> OwnWaits:
    """The waits of the windows whose users waited as their own wait_time says.

    The mean is users' time outside requests over the requests that ended: what a cycle has beside its response time.
    """
    own = [window.load for window in windows if window.load.own_waits]
    ended = sum(load.ok + load.failed for load in own)
    waited_s = sum(load.user_time_s - load.request_time_s for load in own)
    return OwnWaits(
        classes=tuple(sorted({name for load in own for name in load.own_waits})),
        mean_s=max(0.0, waited_s) / ended if ended else None,
        requests=ended,
    )


def _one_user(rig: Rig, stack: Stack) -> Window:
    """A window of one user that holds LEAST_REQUESTS, or as many as fit into LONGEST_S."""
    seconds = insist(rig, f"demand-{stack.name}-peek", 0, lambda: _seconds_for_one_user(rig, stack))
    window = _window(rig, stack, 1, "s", Timing(warmup_s=ONE_USER_WARMUP_S, measure_s=seconds, phase_s=0.0))
    ended = window.load.ok + window.load.failed
    if ended >= LEAST_REQUESTS or seconds >= LONGEST_S:
        return window
    longer_s = min(LONGEST_S, seconds * REQUESTS_AT_ONE_USER / max(1, ended))
    return _window(rig, stack, 1, "s-longer", Timing(warmup_s=ONE_USER_WARMUP_S, measure_s=longer_s, phase_s=0.0))


def _slots(rig: Rig) -> int:
    pools = [s.processes * s.slots_per_worker for s in rig.experiment.stacks if s.slots_per_worker]
    return min(pools, default=16)


def _seconds_for_one_user(rig: Rig, stack: Stack) -> float:
    """How long one user needs for REQUESTS_AT_ONE_USER requests, from a short look."""
    trial = Trial(id=f"demand-{stack.name}-peek", block=0, stack=stack.name, users=1)
    p50_s, books = peek(rig, trial, PEEK_S)
    if p50_s is None and books.answered == 0:
        raise LoadError(f"{stack.name}: one user got no answer; see the service's log in the bundle")
    cycle_s = (p50_s or PEEK_S) + rig.load.think_s
    return min(LONGEST_S, max(LEAST_S, REQUESTS_AT_ONE_USER * cycle_s))


def _window(rig: Rig, stack: Stack, users: int, what: str, timing: Timing) -> Window:
    """A whole window without mishap; one that has a hole or a note, or fails a gate of DECIDING, is measured again.

    A gate that fails the second time too is left to the demand's doubts.

    Raises:
        LoadError: it did not come out whole in ATTEMPTS tries.
    """
    attempts = count(1)

    def measure() -> Window:
        suffix = "" if (attempt := next(attempts)) == 1 else f"-{attempt}"
        trial = Trial(id=f"demand-{stack.name}-{what}{suffix}", block=0, stack=stack.name, users=users)
        measured = run_trial(rig, trial, timing)
        rig.store.put_window(measured.window, measured.scrapes, measured.generator_scrapes)
        mishaps = (*measured.window.load.holes, *measured.window.notes)
        if mishaps:
            raise LoadError(f"{stack.name}: its demand was not measured: {'; '.join(mishaps)}")
        return measured.window

    window = insist(rig, f"demand-{stack.name}-{what}", 0, measure)
    return insist(rig, f"demand-{stack.name}-{what}", 0, measure) if _doubts(rig, window) else window


def _doubts(rig: Rig, window: Window) -> tuple[str, ...]:
    """The gates of DECIDING that it failed."""
    failed = (f.code for f in window_findings(window, rig.experiment) if f.level == "invalid")
    return tuple(code for code in failed if code in DECIDING)


def _idle_cores(rig: Rig, stack: Stack) -> float | None:
    """Processor seconds per second of the stack without load, scrapes excluded."""
    before, began_s = rig.deployer.cpu_s(stack.name), rig.clock.monotonic_s()
    rig.clock.sleep(IDLE_S)
    after, seconds = rig.deployer.cpu_s(stack.name), rig.clock.monotonic_s() - began_s
    return None if before is None or after is None else max(0.0, after - before) / seconds


def _scrape_cpu_s(rig: Rig, stack: Stack, idle_cores: float | None) -> float | None:
    """Processor seconds that one look at the idle stack costs it, beyond what it uses by itself."""
    before, began_s = rig.deployer.cpu_s(stack.name), rig.clock.monotonic_s()
    for _ in range(SCRAPES):
        rig.probe.sample(stack.name)
    after, seconds = rig.deployer.cpu_s(stack.name), rig.clock.monotonic_s() - began_s
    rig.probe.take_scrapes(stack.name)
    if before is None or after is None or idle_cores is None:
        return None
    return max(0.0, after - before - idle_cores * seconds) / SCRAPES


def _cpu_s_per_request(window: Window, idle_cores: float | None) -> float | None:
    first, last = window.resources[0], window.resources[-1]
    ended = window.load.ok + window.load.failed
    span_s = seconds_between(first, last)
    if first.cpu_s is None or last.cpu_s is None or not ended or span_s <= 0:
        return None
    scrapes_s = (len(window.resources) - 1) * (window.scrape_cpu_s or 0.0)
    cores = (last.cpu_s - first.cpu_s - scrapes_s) / span_s - (idle_cores or 0.0)
    return max(0.0, cores) * window.load.measure_s / ended


def _spread(rig: Rig, stack: Stack, phase_s: float) -> tuple[tuple[float, ...], ...]:
    """Shares of the connections that each worker got, largest first, for each of a few fresh sets of connections.

    Users start as in a trial, because the pace at which they connect decides which worker accepts.
    """
    users = max(2, round(SPREAD_LOAD * stack.processes * (stack.slots_per_worker or 1)))
    probes = []
    for number in range(SPREAD_PROBES):
        timing = Timing(warmup_s=phase_s + 0.3, measure_s=SPREAD_S, phase_s=phase_s)
        probes.append(shares(_window(rig, stack, users, f"spread{number}", timing)))
    return tuple(probe for probe in probes if probe)


def shares(window: Window) -> tuple[float, ...]:
    """Each worker's share of the open connections in the middle of a window, largest first; empty when unknown."""
    if not window.resources:
        return ()
    middle = window.resources[len(window.resources) // 2]
    held = [w.connections for w in middle.workers if w.role == "worker" and w.connections is not None]
    total = sum(held)
    return tuple(sorted((n / total for n in held), reverse=True)) if total else ()
