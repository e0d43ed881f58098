"""A rig without processes: a clock, a pair of stacks with known demands, and the ports of execute/ over them.

``pool`` has slots and saturates at ``slots / service_s``; ``loop`` has none. Their cost curves part where the law
says. Everything is a function of the clock and of crc32 of the trial's id, so that two runs agree.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from builders import make_arrivals, make_load_window
from loadlab.errors import LoadError
from loadlab.execute.ports import Endpoint, GeneratorBooks, Isolation, LiveStatus, Swarm, nothing
from loadlab.execute.prometheus import absent_sample
from loadlab.model.experiment import Stack
from loadlab.model.run import LoadWindow, ResourceSample

NOISE_RATIO = 0.003
NOISE_SEED = 7
Action = Callable[[], None]


class FakeClock:
    """Clock port that moves when it is slept on; alarms go off on the way."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._offset_s = 1_790_000_000.0
        self._alarms: list[tuple[float, Action]] = []

    def monotonic_s(self) -> float:
        return self._now_s

    def unix_s(self) -> float:
        return self._now_s + self._offset_s

    def sleep(self, seconds: float) -> None:
        until_s = self._now_s + max(0.0, seconds)
        for due in sorted((a for a in self._alarms if a[0] <= until_s), key=lambda a: a[0]):
            self._alarms.remove(due)
            self._now_s = max(self._now_s, due[0])
            due[1]()
        self._now_s = until_s

    def jump(self, seconds: float) -> None:
        """The wall clock is set."""
        self._offset_s += seconds

    def after(self, seconds: float, action: Action) -> None:
        """Do something when so many seconds have been slept."""
        self._alarms.append((self._now_s + seconds, action))


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What a simulated stack is made of."""

    service_s: float = 0.2
    slots: int | None = None
    cpu_s: float = 0.001
    has_metrics: bool = True
    own_wait_s: float = 0.0
    """How long its users wait by themselves between requests."""

    def throughput_rps(self, users: int) -> float:
        """Closed loop without think time but the users' own."""
        full_rps = (self.slots or users) / self.service_s
        return min(users / (self.service_s + self.own_wait_s), full_rps)

    def waited(self, load: LoadWindow) -> LoadWindow:
        """The window as the recorder tells it of users that wait by themselves."""
        if not self.own_wait_s:
            return load
        return replace(load, own_waits=("Shopper",), request_time_s=load.user_time_s - load.ok * self.own_wait_s)

    def answered_rps(self, rate_rps: int) -> float:
        """Open loop: what is asked for, as far as the slots go."""
        return min(rate_rps, self.slots / self.service_s if self.slots else rate_rps)

    def answer_s(self, swarm: Swarm) -> float:
        """What a request takes; with more arrivals than the slots can do it is a second longer."""
        if swarm.arrivals is None:
            return swarm.users / self.throughput_rps(swarm.users) - self.own_wait_s
        return self.service_s + (self.answered_rps(swarm.arrivals.rate_rps) < swarm.arrivals.rate_rps) * 0.5


@dataclass(slots=True)
class World:
    """The simulated machine: what lives, what was counted, and what shall go wrong when."""

    clock: FakeClock
    truths: Mapping[str, Truth]
    has_upstream: bool = True
    served: dict[str, int] = field(default_factory=dict)
    arrivals: int = 0
    fallen: dict[str, str] = field(default_factory=dict)
    lost_workers: int = 0
    prepared: list[int] = field(default_factory=list)
    during: dict[str, Action] = field(default_factory=dict)
    """Trial or window id to what happens in the middle of its window."""
    on_swarm: dict[str, Action] = field(default_factory=dict)
    """Trial id to what happens, once, when its users start."""
    refusals: dict[str, int] = field(default_factory=dict)
    """Trial id to how often its swarm is refused; "" for every trial."""
    live: dict[str, LiveStatus] = field(default_factory=dict)
    """Trial id to what its status says instead of the truth."""
    away: set[str] = field(default_factory=set)
    """Stacks whose metrics nobody can reach, while they go on serving."""
    hanging: set[str] = field(default_factory=set)
    """Trials of which no request is ever answered."""
    stolen: dict[str, int] = field(default_factory=dict)
    """Planned window to how many of its tries, from the first on, other machines take processor time from."""
    abandoned: list[str] = field(default_factory=list)
    closed_early: list[str] = field(default_factory=list)
    error_ratio: float = 0.0
    scrape_cpu_s: float = 0.0
    """What each scrape costs a stack that exports metrics."""
    scrapes: int = 0
    closed_generators: int = 0
    swarmed: list[str] = field(default_factory=list)
    told: list[Mapping[str, object]] = field(default_factory=list)
    """The phases that the load generator was told."""
    deaf: str | None = None
    """Why it cannot be told anything."""

    def kill(self, stack: str) -> None:
        self.fallen[stack] = f"{stack} was killed by SIGKILL; its log is empty"

    def steal_ratio(self, window: str) -> float:
        """What is taken from this window, which is 0 when nobody said otherwise."""
        planned = window.partition("-r")[0]
        left = self.stolen.get(planned, 0)
        self.stolen[planned] = max(left - 1, 0)
        return 0.05 if left else 0.0

    def lose_worker(self) -> None:
        self.lost_workers += 1


class SimulatedDeployer:
    """Deployer port."""

    def __init__(self, world: World) -> None:
        self._world = world

    def isolation(self) -> Isolation:
        return Isolation(level="pinned", detail="simulated")

    def prepare(self, block: int) -> Mapping[str, Endpoint]:
        self._world.prepared.append(block)
        self._world.fallen.clear()
        self._world.served = dict.fromkeys(self._world.truths, 0)
        return {name: self.endpoint(name) for name in self._world.truths}

    def endpoint(self, stack: str) -> Endpoint:
        metrics = "http://simulated/metrics" if self._world.truths[stack].has_metrics else None
        return Endpoint(url=f"http://{stack}", metrics_url=metrics)

    def activate(self, stack: Stack) -> Endpoint:
        return self.endpoint(stack.name)

    def fallen(self) -> Sequence[str]:
        return list(self._world.fallen.values())

    def upstream_arrivals(self) -> int | None:
        return self._world.arrivals if self._world.has_upstream else None

    def cpu_s(self, stack: str) -> float | None:
        truth = self._world.truths[stack]
        spent_s = self._world.served[stack] * truth.cpu_s + self._world.scrapes * self._world.scrape_cpu_s
        return spent_s if truth.has_metrics and stack not in self._world.away else None

    def release(self) -> None:
        self._world.fallen.clear()

    def close(self) -> None:
        self.release()


class SimulatedProbe:
    """ResourceProbe port."""

    def __init__(self, world: World, generator: SimulatedGenerator) -> None:
        self._world = world
        self._generator = generator

    def sample(self, stack: str) -> ResourceSample:
        truth, now_s = self._world.truths[stack], self._world.clock.unix_s()
        if not truth.has_metrics or stack in self._world.fallen or stack in self._world.away:
            return absent_sample(now_s)
        self._world.scrapes += 1
        served = self._world.served[stack] + self._generator.sent_so_far(stack)
        return replace(
            absent_sample(now_s),
            monotonic_s=self._world.clock.monotonic_s(),
            cpu_s=served * truth.cpu_s + self._world.scrapes * self._world.scrape_cpu_s,
            pss_bytes=90_000_000,
            rss_bytes=120_000_000,
            served=served,
            upstream_calls=served if self._world.has_upstream else None,
            slots=None if truth.slots is None else float(truth.slots),
        )

    def take_scrapes(self, stack: str) -> str:
        return f"# scraped {self._world.clock.unix_s():.6f}\n" if self._world.truths[stack].has_metrics else ""


class SimulatedGenerator:
    """LoadGenerator port: two workers, a closed or open loop."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._swarm: Swarm | None = None
        self._since_s = 0.0
        self._measure_s = self._opens_s = 0.0
        self._scrapes: list[str] = []

    def start(self) -> None:
        self._world.lost_workers = 0

    def heal(self) -> Sequence[str]:
        lost, self._world.lost_workers = self._world.lost_workers, 0
        return ["locust-worker-0 was killed by SIGKILL; its log is empty"] * lost

    def swarm(self, swarm: Swarm) -> None:
        self._world.swarmed.append(swarm.trial)
        for name in (swarm.trial, ""):
            if self._world.refusals.get(name, 0):
                self._world.refusals[name] -= 1
                raise LoadError(f"load generator: POST /swarm got no answer: simulated for {swarm.trial}")
        self._swarm, self._since_s = swarm, self._world.clock.monotonic_s()
        self._world.on_swarm.pop(swarm.trial, lambda: None)()

    def open_window(self, window: str, *, opens_in_s: float, measure_s: float) -> None:
        self._measure_s, self._opens_s = measure_s, self._world.clock.monotonic_s() + opens_in_s
        if action := self._world.during.pop(window, None):
            self._world.clock.after(opens_in_s + measure_s / 2, action)

    def close_window(self, window: str) -> None:
        self._world.closed_early.append(window)
        self._measure_s = self._world.clock.monotonic_s() - self._opens_s

    def status(self) -> LiveStatus:
        swarm = self._running()
        scripted = self._world.live.get(swarm.trial)
        if swarm.trial in self._world.hanging:
            return LiveStatus(
                users=swarm.users, rps=0.0, p50_s=None, p99_s=None, workers=2, workers_expected=2,
                in_flight=swarm.users,
            )  # fmt: skip
        return scripted or LiveStatus(
            users=swarm.users,
            rps=self._rate_rps(),
            p50_s=0.2,
            p99_s=0.2,
            workers=2,
            workers_expected=2,
            in_flight=swarm.users,
        )

    def books(self, trial: str) -> GeneratorBooks:
        sent = self.sent_so_far(self._stack()) if self._swarm else 0
        failed = round(sent * self._world.error_ratio)
        return GeneratorBooks(
            sent=sent, answered=sent - failed, failed=failed, in_flight=0, outcomes={"200": sent - failed}
        )

    def collect(self, window: str) -> LoadWindow:
        swarm, truth = self._running(), self._world.truths[self._stack()]
        ok = round(self._rate_rps() * self._measure_s)
        load = make_load_window(
            ok=ok, latency_s=truth.answer_s(swarm), measure_s=self._measure_s,
            users=swarm.users, good_within_s=swarm.good_within_s,
        )  # fmt: skip
        if swarm.arrivals:
            planned = round(swarm.arrivals.rate_rps * self._measure_s)
            load = replace(load, arrivals=make_arrivals(load, planned=planned))
        health = replace(load.health, workers=2, workers_expected=2, cores=2)
        load = truth.waited(replace(load, health=replace(health, steal_ratio=self._world.steal_ratio(window))))
        if self._world.lost_workers:
            return replace(load, state="partial", holes=("worker 0 disappeared",))
        return load

    def stop(self, trial: str, meanwhile: Callable[[], None] = nothing) -> GeneratorBooks:
        if self._swarm is None:
            return GeneratorBooks(sent=0, answered=0, failed=0, in_flight=0, outcomes={})
        while trial in self._world.hanging:
            self._world.clock.sleep(0.05)
            meanwhile()
        books, stack = self.books(trial), self._stack()
        self._world.served[stack] += books.sent
        self._world.arrivals += books.sent
        self._swarm = None
        return books

    def abandon(self) -> None:
        trial = self._running().trial
        self._world.abandoned.append(trial)
        self._world.hanging.discard(trial)

    def tell(self, phase: Mapping[str, object]) -> str | None:
        self._world.told.append(phase)
        return self._world.deaf

    def scrape(self) -> None:
        self._scrapes.append(f"# scraped {self._world.clock.unix_s():.6f}\n")

    def take_scrapes(self) -> str:
        taken, self._scrapes = self._scrapes, []
        return "".join(taken)

    def close(self) -> None:
        self._world.closed_generators += 1
        self._swarm = None

    def sent_so_far(self, stack: str) -> int:
        """Requests of the running trial to this stack."""
        if self._swarm is None or self._stack() != stack:
            return 0
        return round(self._rate_rps() * (self._world.clock.monotonic_s() - self._since_s))

    def users_on(self, stack: str) -> int:
        """Users that load this stack now."""
        return 0 if self._swarm is None or self._stack() != stack else self._swarm.users

    def _running(self) -> Swarm:
        assert self._swarm is not None, "no trial is running"
        return self._swarm

    def _stack(self) -> str:
        return self._running().url.removeprefix("http://")

    def _rate_rps(self) -> float:
        swarm = self._running()
        noise = Random(zlib.crc32(f"{NOISE_SEED} {swarm.trial}".encode())).gauss(1.0, NOISE_RATIO)
        truth = self._world.truths[self._stack()]
        if swarm.arrivals:
            return truth.answered_rps(swarm.arrivals.rate_rps) * noise
        return truth.throughput_rps(swarm.users) * noise
