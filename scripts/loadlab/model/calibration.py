"""What ``loadlab calibrate`` found out about one machine, and what a run keeps of it. None means absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Purpose = Literal["latency", "rate", "users", "pace", "doubling"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One step to be measured: a load against a golden server of constant delay.

    users: of a closed load; 0 where it is open. rate_rps: requests a second of an open one, None where it is closed;
    pattern: how they arrive, seed: of their schedule. generators: Locust workers that share the load. settle_s: load
    before the window.
    """

    id: str
    purpose: Purpose
    delay_s: float
    users: int
    measure_s: float
    settle_s: float
    think_s: float = 0.0
    generators: int = 1
    rate_rps: int | None = None
    pattern: str = "poisson"
    seed: int = 20261126

    @property
    def size(self) -> int:
        """How much load: users of a closed one, requests a second of an open one."""
        return self.users if self.rate_rps is None else self.rate_rps


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantiles:
    """p50, p95, p99 and p99.9 in seconds; None where fewer than 1, 20, 1 000 and 10 000 values stand behind it."""

    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    p999_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenFigures:
    """What an open step has more than a closed one.

    planned, started, dropped: arrivals of the window, as a run counts them. arrived: requests in the golden log that
    were intended in the window. Of the requests that ended in it: truth is the departure by the golden log less the
    intended start, recorded the response time as a run would report it, errors recorded less truth of the single
    requests, dispatch_lag the send less the intended start, which is the generator's part of both. off_schedule_s: how
    far intended starts are off the schedule at most, but for an offset that they share; None where some were dropped.
    """

    planned: int
    started: int
    dropped: int
    arrived: int
    truth: Quantiles
    recorded: Quantiles
    errors: Quantiles
    dispatch_lag: Quantiles
    off_schedule_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One measured step. All requests of its window, each joined with the golden server's row by its id.

    truth: departure less arrival by the golden log. recorded: as a run would report them, out of the window's
    histogram. errors: recorded less truth of the single requests, so with what kernel and loopback take.
    asked_rps: in a closed load users over the time that one turn takes by the truth, in an open one planned arrivals;
    delivered_rps: in a closed load arrivals at the server, in an open one those that were begun. unmatched: requests of
    the whole step that only one of both logs knows. golden_late: departure less due. open: None for a closed load.
    """

    order: Order
    requests: int
    asked_rps: float
    delivered_rps: float
    truth: Quantiles
    recorded: Quantiles
    errors: Quantiles
    golden_late: Quantiles
    unmatched: int
    failed: int
    generator_cpu_ratio: float
    lag_p99_s: float
    faults: tuple[str, ...]
    """Why the generator was not truthful in this step, one line each; empty where it was."""
    absolute_errors: Quantiles | None = None
    """The errors without their signs: a few that are too short hide behind a signed p99. None in files of before."""
    open: OpenFigures | None = None

    @property
    def truthful(self) -> bool:
        """Whether every check of the step held."""
        return not self.faults


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreQuality:
    """One core left alone with a process that only reads the clock, then one that only sleeps for a millisecond.

    pause: a step of the clock above 50 us. paused_ratio: share of the time that such steps took.
    """

    core: int
    clock_read_s: float
    clock_step_s: float
    paused_ratio: float
    longest_pause_s: float
    sleep_late_p50_s: float
    sleep_late_p99_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How far the generator is truthful: up to ``most``. beyond: the least at which it was not; None: not reached."""

    most: float
    beyond: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubling:
    """Two generators with half of the users each against one with all: ratios of rate, p50 and p99."""

    users: int
    rate_ratio: float
    p50_ratio: float
    p99_ratio: float
    agrees: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """All of one calibration. identity: what must be the same for it to hold (machine, kernel, cores, versions).

    bias_*_ratio: largest over the steps with a delay from 10 ms up; small_bias_s: largest below that.
    rate, users: None where not even the first step was truthful. failures: why it cannot be relied on; empty if it can.
    """

    made_unix_s: float
    took_s: float
    identity: Mapping[str, str]
    generator_cores: int
    cores: tuple[CoreQuality, ...]
    steps: tuple[Step, ...]
    rate: Reach | None
    users: Reach | None
    doubling: Doubling | None
    bias_p50_ratio: float | None
    bias_p99_ratio: float | None
    small_bias_s: float | None
    failures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TruthfulRange:
    """What a calibrated run keeps: up to where so many generators, one on each core, were found truthful here."""

    made_unix_s: float
    generators: int
    rate_rps: Reach
    users: Reach
