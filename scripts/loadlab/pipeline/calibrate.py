"""`loadlab calibrate`: the load generator of this machine against the golden server, step by step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from loadlab.analysis import calibration as analysis
from loadlab.analysis.calibration_logs import StepLogs
from loadlab.design import calibration as design
from loadlab.errors import UsageError
from loadlab.execute.activity import left_over_processes
from loadlab.execute.calibration_file import identity, write_calibration
from loadlab.execute.clock import SystemClock
from loadlab.execute.cores import Cores, split_cores
from loadlab.execute.golden import Golden, take_request_logs
from loadlab.execute.locust import LocustGenerator
from loadlab.execute.locust_processes import LocalLocust
from loadlab.execute.machine import Machine
from loadlab.execute.ports import Arrivals, Swarm
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.quietness import watch_cores
from loadlab.execute.wakefulness import KeptAwake, check_quota
from loadlab.model.calibration import Calibration, CoreQuality, Doubling, Order, Step
from loadlab.model.experiment import Scenario
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.shell import check_shell

SCENARIO = "IoBoundUser"
WATCH_S = 4.0
WATCH_MS = "20"
"""The golden server has its core alone: it need not sleep between requests and be woken by each."""
TRIES = 2
"""A step in which the generator was not truthful is measured once more: something else may have disturbed it."""
IN_FLIGHT_MAX = 2000
"""Of an open step, as a run has it unless it says otherwise."""

Say = Callable[[str], None]


class Bench:
    """Generators on their cores, a golden server on the other, and whatever is measured with them."""

    def __init__(
        self, *, golden: Golden, folder: Path, locustfiles: Path, cores: Cores, children: ChildProcesses
    ) -> None:
        self._golden = golden
        self._folder = folder
        self._locustfiles = locustfiles
        self._children = children
        self._cores = sorted(cores.rest)
        self._clock = SystemClock()
        self._generator: LocustGenerator | None = None
        self._generators = 0

    def measure(self, order: Order, program: Mapping[str, str] | None = None) -> Step:
        """Measure one step. ``program``: other settings of the golden server than its delay alone."""
        generator = self._with_generators(order.generators)
        take_request_logs(self._folder)
        url = self._golden.start({"watch_ms": WATCH_MS, **(program or {"delay": f"constant({order.delay_s:.9f}s)"})})
        try:
            generator.swarm(self._swarm(order, url))
            generator.open_window(order.id, opens_in_s=order.settle_s, measure_s=order.measure_s)
            self._clock.sleep(order.settle_s + order.measure_s)
            window = generator.collect(order.id)
            generator.stop(order.id)
        except BaseException:
            self._golden.close()
            raise
        logs = StepLogs(
            golden=self._golden.stop(),
            requests=take_request_logs(self._folder),
            window=window,
            opened_s=window.opened_unix_s - (self._clock.unix_s() - self._clock.monotonic_s()),
        )
        return analysis.judge_step(order, logs)

    def close(self) -> None:
        """End everything."""
        self._golden.close()
        if self._generator is not None:
            self._generator.close()

    def _with_generators(self, count: int) -> LocustGenerator:
        """So many Locust workers, one after another over the cores."""
        if self._generator is not None and count == self._generators:
            return self._generator
        if self._generator is not None:
            self._generator.close()
        locust = LocalLocust(
            files=[self._locustfiles / "io_bound.py"],
            cpus=frozenset(self._cores),
            env={"PYTHONWARNINGS": "ignore", "LAB_REQUEST_LOG": str(self._folder)},
            children=self._children,
            logs=self._folder,
            worker_cores=[self._cores[number % len(self._cores)] for number in range(count)],
        )
        self._generator, self._generators = LocustGenerator(locust, self._clock), count
        self._generator.start()
        return self._generator

    def _swarm(self, order: Order, url: str) -> Swarm:
        return Swarm(
            trial=order.id,
            url=url,
            scenario=Scenario(user_class=SCENARIO, locustfile=self._locustfiles / "io_bound.py"),
            users=order.users,
            think_s=order.think_s,
            phase_s=order.delay_s + order.think_s,
            seed=order.seed,
            good_within_s=60.0,
            arrivals=_arrivals(order),
        )


def _arrivals(order: Order) -> Arrivals | None:
    """None for a closed load."""
    if order.rate_rps is None:
        return None
    return Arrivals(rate_rps=order.rate_rps, pattern=order.pattern, in_flight_max=IN_FLIGHT_MAX)


@contextmanager
def open_bench(layout: Layout, *, awake: bool = False) -> Iterator[Bench]:
    """A bench on this machine; all that it started is ended when the block is left. awake: idle cores are kept so.

    Raises:
        UsageError: the golden server cannot have a core of its own, or a quota leaves nothing to keep cores awake with.
    """
    cores = split_cores(frozenset(os.sched_getaffinity(0)), 1)
    if cores.shared:
        raise UsageError(
            "calibrate: got 1 core, expected 2 or more: the golden server has to be alone on one; "
            "give this machine or container another core"
        )
    mine = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="loadlab-calibrate-") as name, ChildProcesses() as children:
        folder = Path(name)
        kept = KeptAwake(children, (cores.sut | cores.rest) if awake else frozenset(), folder)
        if awake:
            check_quota("calibrate: --keep-awake", len(mine), Machine().cpu_quota_cores())
        kept.start()
        golden = Golden(children=children, services=layout.services, folder=folder, cpus=cores.sut, clock=SystemClock())
        bench = Bench(golden=golden, folder=folder, locustfiles=layout.locustfiles, cores=cores, children=children)
        os.sched_setaffinity(0, cores.rest)
        try:
            yield bench
            kept.check()
        finally:
            os.sched_setaffinity(0, mine)
            bench.close()


def calibrate(layout: Layout, say: Say, *, awake: bool = False) -> Calibration:
    """Measure everything, keep it in the user's state folder, and return it. awake: for runs with window.keep_awake.

    An interrupt or an error leaves the calibration that was there. One that shows that the generator cannot be
    believed is kept all the same, so that runs say so.

    Raises:
        UsageError: this machine cannot be calibrated, or settings of Locust lie about.
        LoadError, DeployError: generator or golden server failed.
    """
    clock = SystemClock()
    began_s = clock.monotonic_s()
    cores = split_cores(frozenset(os.sched_getaffinity(0)), 1)
    if layout.state is None:
        raise UsageError("calibrate: no folder for states is known; set LOADLAB_STATE")
    check_shell(os.environ, Path.cwd())
    with open_bench(layout, awake=awake) as bench:
        if others := left_over_processes():
            names = ", ".join(sorted({other.name for other in others}))
            say(f"there are {len(others)} of another run's processes ({names}): what they do will be in the figures")
        say(f"clock, timers and quiet of {len(cores.sut | cores.rest)} cores, {WATCH_S:g} s")
        quality = _core_quality(cores)
        climb = Climb(bench, say, len(cores.rest))
        steps = climb.all()
    found = _sum_up(
        steps,
        quality,
        climb.doubling,
        made_with=identity(Machine(), layout.root, keep_awake=awake),
        generators=len(cores.rest),
        took_s=clock.monotonic_s() - began_s,
    )
    write_calibration(layout.state, found)
    return found


class Climb:
    """The steps in their order."""

    def __init__(self, bench: Bench, say: Say, generators: int) -> None:
        self._bench = bench
        self._say = say
        self._generators = generators
        self.doubling: Doubling | None = None

    def all(self) -> list[Step]:
        """Latencies, pace, both ladders, doubling."""
        steps = [self._insist(order) for order in (*design.LATENCY_ORDERS, *design.PACE_ORDERS)]
        rates = self._ladder(design.RATES_RPS, design.rate_order)
        users = self._ladder(design.USERS, design.users_order)
        good = max((step.order.size for step in rates if step.truthful), default=0) / self._generators
        orders = design.doubling_orders(design.doubling_users(good or design.RATES_RPS[0]))
        return [*steps, *rates, *users, *self._doubled(orders)]

    def _ladder(self, rungs: Sequence[int], order: Callable[[int, int, int], Order]) -> list[Step]:
        """Up to the first rung that does not hold, tried again there."""
        climbed: list[Step] = []
        for rung in rungs:
            for attempt in range(TRIES):
                climbed.append(self._measure(order(rung, self._generators, attempt + 1)))
                if climbed[-1].truthful:
                    break
            else:
                break
        return climbed

    def _insist(self, order: Order) -> Step:
        """The first try that was truthful, or the last."""
        step = self._measure(order)
        return step if step.truthful else self._measure(_again(order))

    def _doubled(self, orders: tuple[Order, Order]) -> tuple[Step, Step]:
        """One generator and two; both are tried again where one of them was not truthful or they do not agree."""
        one, two = self._measure(orders[0]), self._measure(orders[1])
        found = analysis.doubling(one, two)
        if not (one.truthful and two.truthful and found is not None and found.agrees):
            one, two = self._measure(_again(orders[0])), self._measure(_again(orders[1]))
            found = analysis.doubling(one, two)
        self.doubling = found
        return one, two

    def _measure(self, order: Order) -> Step:
        step = self._bench.measure(order)
        self._say(f"{order.id}: {step.delivered_rps:.0f} req/s" + ("" if step.truthful else f"; {step.faults[0]}"))
        return step


def _again(order: Order) -> Order:
    return replace(order, id=f"{order.id}-again")


def _core_quality(cores: Cores) -> tuple[CoreQuality, ...]:
    watched = watch_cores(cores.sut | cores.rest, WATCH_S)
    return tuple(CoreQuality(core=core, **figures) for core, figures in watched.items())


def _sum_up(
    steps: Sequence[Step],
    cores: tuple[CoreQuality, ...],
    doubling: Doubling | None,
    *,
    made_with: Mapping[str, str],
    generators: int,
    took_s: float,
) -> Calibration:
    rate = analysis.reach([s for s in steps if s.order.purpose == "rate"], "rate")
    users = analysis.reach([s for s in steps if s.order.purpose == "users"], "users")
    return Calibration(
        made_unix_s=SystemClock().unix_s(),
        took_s=took_s,
        identity=made_with,
        generator_cores=generators,
        cores=cores,
        steps=tuple(steps),
        rate=rate,
        users=users,
        doubling=doubling,
        bias_p50_ratio=analysis.largest_bias(steps, "p50_s"),
        bias_p99_ratio=analysis.largest_bias(steps, "p99_s"),
        small_bias_s=analysis.largest_small_bias_s(steps),
        failures=analysis.failures(steps, cores, rate, users, doubling),
    )
