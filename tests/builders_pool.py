"""A discrete-event simulation of worker pools around one processor: the slow oracle of the capacity model."""

from __future__ import annotations

import heapq
from collections import deque
from itertools import count
from random import Random

from loadlab.analysis.capacity import Pool


class _Simulation:
    """Users pinned to workers; slots first come, first served; the processor shared equally by all who need it."""

    def __init__(self, pool: Pool, connections: tuple[int, ...], seed: int, constant_delay: bool) -> None:
        assert pool.cores >= 1
        self.pool, self.random, self.constant_delay = pool, Random(seed), constant_delay
        self.now = self.shared = 0.0
        self.ended = 0
        self.order = count()
        self.free = [pool.slots or 10**9] * len(connections)
        self.waiting: list[deque[int]] = [deque() for _ in connections]
        self.on_cpu: list[tuple[float, int, int]] = []
        self.timers: list[tuple[float, int, str, int]] = []
        for worker, users in enumerate(connections):
            for _ in range(users):
                self.later(self.random.random() * (pool.service_s + pool.think_s), "arrive", worker)

    def later(self, delay_s: float, what: str, worker: int) -> None:
        heapq.heappush(self.timers, (self.now + delay_s, next(self.order), what, worker))

    def speed(self) -> float:
        return min(1.0, self.pool.servers / len(self.on_cpu))

    def step(self) -> None:
        timer_s = self.timers[0][0] if self.timers else float("inf")
        cpu_end_s = self.now + (self.on_cpu[0][0] - self.shared) / self.speed() if self.on_cpu else float("inf")
        until_s = min(timer_s, cpu_end_s)
        if self.on_cpu:
            self.shared += (until_s - self.now) * self.speed()
        self.now = until_s
        if cpu_end_s <= timer_s:
            self.wait_elsewhere(heapq.heappop(self.on_cpu)[2])
            return
        _, _, what, worker = heapq.heappop(self.timers)
        (self.arrive if what == "arrive" else self.leave)(worker)

    def arrive(self, worker: int) -> None:
        self.waiting[worker].append(1)
        self.admit(worker)

    def admit(self, worker: int) -> None:
        while self.free[worker] and self.waiting[worker]:
            self.waiting[worker].popleft()
            self.free[worker] -= 1
            work_s = self.random.expovariate(1 / self.pool.cpu_s)
            heapq.heappush(self.on_cpu, (self.shared + work_s, next(self.order), worker))

    def wait_elsewhere(self, worker: int) -> None:
        mean_s = self.pool.wait_s
        self.later(mean_s if self.constant_delay else self.random.expovariate(1 / mean_s), "leave", worker)

    def leave(self, worker: int) -> None:
        self.ended += 1
        self.free[worker] += 1
        think_s = self.pool.think_s
        if think_s:
            self.later(self.random.expovariate(1 / think_s), "arrive", worker)
        else:
            self.waiting[worker].append(1)
        self.admit(worker)


def simulated_rps(pool: Pool, connections: tuple[int, ...], *, requests: int, seed: int, constant_delay: bool) -> float:
    """Requests per second over ``requests`` after a fifth as many for warm-up."""
    simulation = _Simulation(pool, connections, seed, constant_delay)
    while simulation.ended < requests // 5:
        simulation.step()
    start_s, start = simulation.now, simulation.ended
    while simulation.ended < start + requests:
        simulation.step()
    return requests / (simulation.now - start_s)
