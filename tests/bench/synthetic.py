"""A full-strength run with any number of requests, made by the real pipeline and store over the simulated rig.

Only the requests are made up: each window's latencies are drawn from a seed and encoded as the load generator's
side does. The number of windows, their length and their samples do not depend on the number of requests.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _histogram import LatencyCounts

from loadlab.config import load_experiment
from loadlab.execute.process_probe import ProcessProbe
from loadlab.execute.store import BundleStore
from loadlab.model.run import LoadWindow
from loadlab.pipeline.rig import Rig
from simulated import FakeClock, SimulatedGenerator, SimulatedProbe, Truth, World
from simulated_lab import Lab

SLOTS = 48
SPREAD_LOG = 0.15
CHUNK = 4096
SIZE = ("blocks.levels=14", "blocks.count=8", "window.measure_s=8")
REQUESTS_AT_1_S = 92_400
"""What the windows of the plan hold together when every request takes a second; a little less than they do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A bundle that was made."""

    folder: Path
    windows: int
    requests: int


class SpreadGenerator(SimulatedGenerator):
    """The simulated generator with latencies that differ from one request to the next."""

    def collect(self, window: str) -> LoadWindow:
        """The window with a histogram of ``ok`` single draws (log-normal around the mean), all of them good."""
        load = super().collect(window)
        mean_s = load.latency_sum_s / max(1, load.ok + load.failed)
        draws = np.random.default_rng(zlib.crc32(window.encode()))
        counts = LatencyCounts()
        for begin in range(0, load.ok, CHUNK):
            size = min(CHUNK, load.ok - begin)
            counts.record(draws.lognormal(math.log(mean_s) - SPREAD_LOG**2 / 2, SPREAD_LOG, size))
        return replace(load, good=load.ok, histogram=counts.encode())


class SpreadLab(Lab):
    """A simulated lab whose requests spread."""

    def rig(self, store: BundleStore) -> Rig:
        """The ports over this world."""
        generator = SpreadGenerator(self.world)
        probe = ProcessProbe(SimulatedProbe(self.world, generator), lambda _: None)
        return replace(super().rig(store), generator=generator, probe=probe)


def make_bundle(folder: Path, requests: int) -> Made:
    """Run ``threshold-50`` at 14 levels x 8 blocks with about so many requests in all, never fewer."""
    service_s = REQUESTS_AT_1_S / requests
    bounds = (f"objective.latency_s={5 * service_s:.6f}", f"abort.p99_s={60 * service_s + 60:.6f}")
    experiment = load_experiment("threshold-50", (*SIZE, *bounds))
    first, second = (stack.name for stack in experiment.stacks)
    truth = Truth(service_s=service_s, cpu_s=service_s / 400)
    world = World(clock=FakeClock(), truths={first: replace(truth, slots=SLOTS), second: truth})
    lab = SpreadLab(experiment=experiment, folder=folder, world=world)
    lab.run()
    with lab.opened() as store:
        windows = store.load().windows
    return Made(folder=folder, windows=len(windows), requests=sum(w.load.ok + w.load.failed for w in windows))
