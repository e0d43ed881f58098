"""A small session with known answers: a simulated run whose two sides tell their metrics as the real ones do.

The load generator's come from the exporter that runs inside Locust, over the books of the simulation; the stacks'
are written here, under names that tests hold to real scrapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from _exporter import Exporter, Now, Opened
from _ledger import Ledger
from _phase import check_phase
from _totals import BOUNDS_S
from _windows import OPENED_S

from builders import histogram, make_experiment, make_provenance
from loadlab.analysis.billing import make_tariffs
from loadlab.config import dump_experiment
from loadlab.config.prices import load_price_lists
from loadlab.execute.ports import GeneratorBooks, nothing
from loadlab.execute.prometheus import Exposition, absent_sample, to_sample
from loadlab.execute.store import BundleStore
from loadlab.model.experiment import ClosedLoad, Experiment, PriceRef
from loadlab.model.run import LoadWindow, ResourceSample
from loadlab.pipeline.finish import analyse_bundle
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.level_board import level_board
from loadlab.pipeline.phase import declared
from loadlab.pipeline.rig import Rig
from loadlab.pipeline.session import run_session
from simulated import FakeClock, SimulatedDeployer, SimulatedGenerator, SimulatedProbe, Truth, World
from simulated_lab import Watcher

WORKERS = 2
CPU_CORES, LAG_P50_S, LAG_P99_S, STEAL_RATIO = 0.4, 0.0002, 0.0015, 0.002
STOLEN_RATIO = 0.05
DRAIN_S = 0.3
QUEUE_BOUNDS_S = (0.001, 0.01, 0.1, 0.25, 0.5, 1.0)
LOOP_LAG_S = 0.0015
MIB = 1024**2
FARGATE_VCPU_HOUR = "0.04048"
PRICES = (
    PriceRef(list_id="aws-fargate-x86", billing="provisioned"),
    PriceRef(list_id="cloud-run-request", billing="request_billed"),
    PriceRef(list_id="opencost-default", billing="usage"),
    PriceRef(list_id="aws-lambda-x86", billing="per_request_memory"),
)
"""One of each billing model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mishaps:
    """What happens to single windows, by id. shares: of the answers that they should have; stolen: time taken away,
    which their gates refuse.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    stolen: frozenset[str] = frozenset()


class TellingGenerator(SimulatedGenerator):
    """A load generator with Locust's /metrics."""

    def __init__(self, world: World, mishaps: Mishaps) -> None:
        super().__init__(world)
        self._mishaps = mishaps
        self._ledger = Ledger()
        self._exporter = Exporter(self._now, self._ledger, world.clock.unix_s())
        self._phase: Mapping[str, Any] = {}
        self._opened: list[Opened] = []
        self._open = (0.0, 0.0)
        self._ended = _Counts()
        self._names = tuple(world.truths)

    def tell(self, phase: Mapping[str, object]) -> str | None:
        phase = orjson.loads(orjson.dumps(phase))
        check_phase(phase)
        self._count()
        self._phase = phase
        levels: Any = phase.get("levels", [])
        self._exporter.levels.tell(levels)
        self._ledger.turn_to(str(phase.get("stack", "")), self._names)
        return super().tell(phase)

    def open_window(self, window: str, *, opens_in_s: float, measure_s: float) -> None:
        super().open_window(window, opens_in_s=opens_in_s, measure_s=measure_s)
        opens_s = self._world.clock.monotonic_s() + opens_in_s
        self._open = (opens_s, opens_s + measure_s)
        opens_unix_s = self._world.clock.unix_s() + opens_in_s
        self._opened.append(Opened(window, opens_unix_s, str(self._phase["stack"]), str(self._phase["users"])))

    def collect(self, window: str) -> LoadWindow:
        load = super().collect(window)
        failed = round((load.ok + load.failed) * self._world.error_ratio)
        ok = round((load.ok + load.failed - failed) * self._mishaps.shares.get(window, 1.0))
        opened_s = self._open[0] - self._world.clock.monotonic_s() + self._world.clock.unix_s()
        good = ok if load.good else 0
        outcomes = {"200": ok, **({"503": failed} if failed else {})}
        steal_ratio = STOLEN_RATIO if window in self._mishaps.stolen else STEAL_RATIO
        health = replace(
            load.health, lag_p50_s=LAG_P50_S, lag_p99_s=LAG_P99_S, cpu_cores=CPU_CORES, steal_ratio=steal_ratio
        )
        answers = histogram(round(1e6 * load.latency_sum_s / (ok + failed)), ok)
        load = replace(load, ok=ok, failed=failed, good=good, half_ok=(ok // 2, ok - ok // 2), outcomes=outcomes)
        return replace(load, histogram=answers, opened_unix_s=opened_s, health=health)

    def stop(self, trial: str, meanwhile: Any = nothing) -> GeneratorBooks:
        self._count()
        self._ended = self._so_far()
        books = super().stop(trial, meanwhile)
        self._world.clock.sleep(DRAIN_S)
        return books

    def scrape(self) -> None:
        self._count()
        self._scrapes.append(
            f"# scraped {self._world.clock.unix_s():.6f}\n{self._exporter.text(with_levels=False).decode()}"
        )

    def _so_far(self) -> _Counts:
        if self._swarm is None:
            return self._ended
        return self._ended.plus(self.sent_so_far(self._stack()), self._world.error_ratio, self._latency_s())

    def _count(self) -> None:
        self._ledger.note("worker", self._so_far().message())

    def _latency_s(self) -> float:
        users = self._running().users
        return users / self._world.truths[self._stack()].throughput_rps(users)

    def _now(self) -> Now:
        users = 0 if self._swarm is None else self._swarm.users
        opens_s, closes_s = self._open
        is_open = opens_s <= self._world.clock.monotonic_s() < closes_s
        return Now(
            users=users,
            users_wanted=users,
            workers=WORKERS,
            workers_expected=WORKERS,
            in_flight=users,
            lag_p50_s=LAG_P50_S,
            lag_p99_s=LAG_P99_S,
            cpu_cores=CPU_CORES,
            steal_ratio=STEAL_RATIO,
            throttled_s=0.0,
            dropped=None,
            is_open=False,
            phase=self._phase,
            open_stack=str(self._phase.get("stack", "")) if is_open else None,
            opened=[one for one in self._opened if 0 <= self._world.clock.unix_s() - one.unix_s < OPENED_S],
        )


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of the one worker, since it began."""

    sent: int = 0
    failed: int = 0
    good: int = 0
    latency_sum_s: float = 0.0
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)

    def plus(self, sent: int, error_ratio: float, latency_s: float) -> _Counts:
        failed = round(sent * error_ratio)
        place = next((n for n, bound in enumerate(BOUNDS_S) if latency_s <= bound), len(BOUNDS_S))
        new = [sent - failed if n == place else 0 for n in range(len(self.buckets))]
        return _Counts(
            sent=self.sent + sent,
            failed=self.failed + failed,
            good=self.good + (sent - failed if latency_s <= 1.0 else 0),
            latency_sum_s=self.latency_sum_s + sent * latency_s,
            buckets=tuple(a + b for a, b in zip(self.buckets, new, strict=True)),
        )

    def message(self) -> dict[str, Any]:
        ended = {"200": self.sent - self.failed, **({"503": self.failed} if self.failed else {})}
        return {
            "sent": self.sent,
            "good": self.good,
            "failed": self.failed,
            "dropped": None,
            "ended": ended,
            "latency_sum_s": self.latency_sum_s,
            "buckets": list(self.buckets),
        }


class TellingProbe(SimulatedProbe):
    """A probe that reads what the simulated service exposes, as the engine reads a real one."""

    def __init__(self, world: World, generator: TellingGenerator) -> None:
        super().__init__(world, generator)
        self._read: dict[str, list[str]] = {}

    def sample(self, stack: str) -> ResourceSample:
        clock = self._world.clock
        if not self._world.truths[stack].has_metrics:
            return absent_sample(clock.unix_s())
        text = "".join(f"{line}\n" for line in self._lines(stack))
        self._read.setdefault(stack, []).append(f"# scraped {clock.unix_s():.6f}\n{text}")
        return replace(to_sample(Exposition.parse(text), clock.unix_s()), monotonic_s=clock.monotonic_s())

    def take_scrapes(self, stack: str) -> str:
        return "".join(self._read.pop(stack, []))

    def _lines(self, stack: str) -> Iterator[str]:
        truth, generator = self._world.truths[stack], self._generator
        served = self._world.served[stack] + generator.sent_so_far(stack)
        users = generator.users_on(stack)
        busy = min(users, truth.slots or users)
        wait_s = max(0.0, users / truth.throughput_rps(users) - truth.service_s) if users else 0.0
        yield from ("# TYPE http_requests_total counter",)
        yield f'http_requests_total{{method="GET",route="/data",status="200"}} {served}'
        yield "# TYPE http_requests_in_flight gauge"
        yield f"http_requests_in_flight {busy}"
        yield from _histogram("request_queue_seconds", QUEUE_BOUNDS_S, wait_s, served)
        yield "# TYPE upstream_requests_total counter"
        yield f'upstream_requests_total{{outcome="ok"}} {served}'
        yield "# TYPE upstream_requests_in_flight gauge"
        yield f"upstream_requests_in_flight {busy}"
        if truth.slots is None:
            yield from _histogram("event_loop_lag_seconds", QUEUE_BOUNDS_S, LOOP_LAG_S, served)
        else:
            yield f'# TYPE worker_slots gauge\nworker_slots{{pid="11"}} {truth.slots}'
            yield f'# TYPE worker_slots_busy gauge\nworker_slots_busy{{pid="11"}} {busy}'
        yield from _process(served * truth.cpu_s, users)


def _histogram(name: str, bounds: tuple[float, ...], value: float, count: int) -> Iterator[str]:
    yield f"# TYPE {name} histogram"
    for bound in bounds:
        yield f'{name}_bucket{{le="{bound}"}} {count if value <= bound else 0}'
    yield f'{name}_bucket{{le="+Inf"}} {count}'
    yield f"{name}_count {count}"
    yield f"{name}_sum {value * count}"


def _process(cpu_s: float, connections: int) -> Iterator[str]:
    figures = {
        "process_tree_cpu_seconds_total": ("counter", "", cpu_s),
        "process_tree_pss_bytes": ("gauge", "", 90 * MIB),
        "process_tree_rss_bytes": ("gauge", "", 120 * MIB),
        "worker_cpu_seconds_total": ("counter", '{pid="11",role="worker"}', cpu_s),
        "worker_pss_bytes": ("gauge", '{pid="11",role="worker"}', 80 * MIB),
        "worker_uss_bytes": ("gauge", '{pid="11",role="worker"}', 70 * MIB),
        "worker_rss_bytes": ("gauge", '{pid="11",role="worker"}', 100 * MIB),
        "worker_connections": ("gauge", '{pid="11",role="worker"}', connections),
        "cgroup_cpu_usage_seconds_total": ("counter", "", cpu_s),
        "cgroup_cpu_throttled_seconds_total": ("counter", "", 0.0),
        "cgroup_cpu_throttled_periods_total": ("counter", "", 0),
        "cgroup_cpu_limit_cores": ("gauge", "", 1.0),
        "cgroup_memory_usage_bytes": ("gauge", "", 150 * MIB),
        "cgroup_memory_anon_bytes": ("gauge", "", 85 * MIB),
        "cgroup_memory_working_set_bytes": ("gauge", "", 110 * MIB),
        "cgroup_memory_limit_bytes": ("gauge", "", 2048 * MIB),
    }
    for name, (kind, labels, value) in figures.items():
        yield f"# TYPE {name} {kind}\n{name}{labels} {value}"


def make_session(
    folder: Path,
    *,
    error_ratio: float = 0.0,
    has_metrics: bool = True,
    stacks: tuple[str, ...] = ("pool", "loop"),
    vcpu_hour: str = FARGATE_VCPU_HOUR,
    blocks: int = 1,
    measure_s: float = 30.0,
    mishaps: Mishaps | None = None,
) -> Experiment:
    """Run it into a bundle, with results: windows of 30 s at 6 and 12 users on a pool of 8 slots and on a loop.

    vcpu_hour: what it costs on the bundle's own list.
    """
    experiment = make_experiment(users=(6, 12), blocks=blocks, measure_s=measure_s, prices=PRICES)
    experiment = replace(experiment, stacks=tuple(s for s in experiment.stacks if s.name in stacks))
    truths = {"pool": Truth(slots=8, has_metrics=has_metrics), "loop": Truth(has_metrics=has_metrics)}
    world = World(clock=FakeClock(), truths={name: truths[name] for name in stacks}, error_ratio=error_ratio)
    layout = checkout()
    with BundleStore(folder, world.clock) as store:
        for ref in PRICES:
            text = (layout.prices / f"{ref.list_id}.toml").read_text(encoding="utf-8")
            store.put_text(f"prices/{ref.list_id}.toml", text.replace(FARGATE_VCPU_HOUR, vcpu_hour))
        store.put_text("experiment.toml", dump_experiment(experiment))
        store.put_provenance(make_provenance())
        run_session(_rig(experiment, world, store, mishaps or Mishaps()), store.progress())
    analyse_bundle(folder, layout)
    return experiment


def _rig(experiment: Experiment, world: World, store: BundleStore, mishaps: Mishaps) -> Rig:
    assert isinstance(experiment.load, ClosedLoad)
    generator = TellingGenerator(world, mishaps)
    tariffs = make_tariffs(experiment.prices, load_price_lists(checkout().prices), experiment.resources)
    return Rig(
        experiment=experiment,
        load=experiment.load,
        deployer=SimulatedDeployer(world),
        generator=generator,
        probe=TellingProbe(world, generator),
        store=store,
        clock=world.clock,
        progress=Watcher(),
        declared=declared(experiment, store.folder.name, tariffs),
        levels=level_board(experiment, tariffs),
    )
