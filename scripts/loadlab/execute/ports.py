"""The seams between the pipeline and the world. Both targets (local, Kubernetes) implement the same calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from loadlab.model.experiment import Scenario, Stack
from loadlab.model.plan import Block, Plan, Refinement
from loadlab.model.run import Demand, LoadWindow, Provenance, ResourceSample, RunData, Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a stack answers. metrics_url is None where the service exports none."""

    url: str
    metrics_url: str | None


IsolationLevel = Literal["pinned", "quota", "shared"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Isolation:
    """How far the stack under test is kept from everything else (Provenance.isolation)."""

    level: IsolationLevel
    detail: str
    cores: float | None = None
    """Of one replica, where it is given another number than the experiment asks for."""


class Deployer(Protocol):
    """Starts stacks and the upstream, makes one the measured one, ends them."""

    def isolation(self) -> Isolation:
        """How the stacks are kept apart on this target."""

    def prepare(self, block: int) -> Mapping[str, Endpoint]:
        """Start every stack fresh (and the upstream if it is down) and wait until each is ready.

        Raises:
            DeployError: a stack or the upstream did not get ready; the message ends with its last log lines.
        """

    def activate(self, stack: Stack) -> Endpoint:
        """Make this stack the measured one; every other one is idle from here on, and the upstream's steps begin.

        Raises:
            LoadError: the upstream does not do so.
        """

    def fallen(self) -> Sequence[str]:
        """One line for each stack or upstream, or whatever else was prepared, that has ended; empty when all live.

        A line begins with the name of what has ended, and a space or a colon.
        """

    def upstream_arrivals(self) -> int | None:
        """Requests that the upstream has counted since it started; None without an upstream."""

    def cpu_s(self, stack: str) -> float | None:
        """Processor seconds of the stack's process tree so far, read from outside; None where it cannot be."""

    def release(self) -> None:
        """End all stacks; safe to call twice."""

    def close(self) -> None:
        """End everything that was started, the upstream included; safe to call twice."""


class ResourceProbe(Protocol):
    """Reads a stack's resources at an instant."""

    def sample(self, stack: str) -> ResourceSample:
        """The stack's process tree and counters now; what cannot be read is None."""

    def take_scrapes(self, stack: str) -> str:
        """The raw expositions read since the last call, oldest first; empty for a stack that exports none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrivals:
    """An open load: arrivals per second, how they come, and beyond how many in flight they are dropped."""

    rate_rps: int
    pattern: str
    in_flight_max: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Swarm:
    """What the load generator shall do for one trial. users: of a closed load; an open one has arrivals instead."""

    trial: str
    url: str
    scenario: Scenario
    users: int
    think_s: float
    phase_s: float
    seed: int
    good_within_s: float
    arrivals: Arrivals | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveStatus:
    """What can be watched while it runs; the last two seconds."""

    users: int
    rps: float
    p50_s: float | None
    p99_s: float | None
    workers: int
    workers_expected: int
    in_flight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorBooks:
    """What the load generator counted over one trial. sent = answered + failed + in_flight + abandoned."""

    sent: int
    answered: int
    failed: int
    in_flight: int
    outcomes: Mapping[str, int]
    holes: tuple[str, ...] = ()
    abandoned: int = 0
    """Under way in a worker that quit; some of them may have been answered."""


def nothing() -> None:
    """What is done while waiting when there is nothing to do."""


class LoadGenerator(Protocol):
    """Sends the load and measures it."""

    def start(self) -> None:
        """Start it and wait for all workers. Raises LoadError."""

    def heal(self) -> Sequence[str]:
        """Replace workers that are gone; one line for each. Raises LoadError when that fails."""

    def swarm(self, swarm: Swarm) -> None:
        """Open the trial's books and start its users."""

    def open_window(self, window: str, *, opens_in_s: float, measure_s: float) -> None:
        """Ask for a measurement window that starts opens_in_s from now."""

    def status(self) -> LiveStatus:
        """Live figures; cheap."""

    def books(self, trial: str) -> GeneratorBooks:
        """The books of a trial now; exact once nothing is in flight."""

    def close_window(self, window: str) -> None:
        """End a window early; nothing when it is over."""

    def collect(self, window: str) -> LoadWindow:
        """Wait for the window's parts from all workers and return it, partial when one is missing."""

    def stop(self, trial: str, meanwhile: Callable[[], None] = nothing) -> GeneratorBooks:
        """Stop the users, let every request in flight be answered, and return the closed books.

        meanwhile is called again and again while requests are in flight; what it raises ends the waiting.
        """

    def abandon(self) -> None:
        """While it is being stopped: give up the requests in flight, which nobody will answer. They count as failed."""

    def tell(self, phase: Mapping[str, object]) -> str | None:
        """Say what the run is doing, for whoever watches; why it could not be said, None when it was. Never raises."""

    def scrape(self) -> None:
        """Read its own exposition, without waiting for it; nothing is read while the reading before goes on."""

    def take_scrapes(self) -> str:
        """The expositions read since the last call, oldest first, the one that is being read included."""

    def close(self) -> None:
        """End it; safe to call twice."""


class RunStore(Protocol):
    """The run bundle: only ever appended to; what it holds survives the end of this process at any moment."""

    def event(self, kind: str, fields: Mapping[str, object]) -> None:
        """Append one line to events.jsonl and make it durable."""

    def put_provenance(self, provenance: Provenance) -> None:
        """Write provenance.json (again on a resume, with its time added)."""

    def put_plan(self, plan: Plan) -> None:
        """Write plan.json once."""

    def put_refinement(self, refinement: Refinement) -> None:
        """Write refinement.json once, when the first of two stages is done."""

    def put_demands(self, demands: Sequence[Demand]) -> None:
        """Write demands.json once."""

    def put_window(self, window: Window, scrapes: str, generator_scrapes: str = "") -> None:
        """Write one finished window; after this returns it cannot be lost."""

    def load(self) -> RunData:
        """Everything measured so far; windows of unfinished blocks left out."""


class Clock(Protocol):
    """Time, as a port so that tests can own it."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never jumps."""

    def unix_s(self) -> float:
        """Seconds since 1970; may jump."""

    def sleep(self, seconds: float) -> None:
        """Wait; returns at once for zero or less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockProgress:
    """Where a run stands, read from a bundle: what a resume has to do."""

    plan: Plan | None
    demands: tuple[Demand, ...]
    finished: frozenset[int]
    attempts: Mapping[int, int] = field(default_factory=dict)
    """Block number to how many times it was begun."""
    refinement: Refinement | None = None
    """None where the experiment has one stage, or its first is not done."""

    def remaining(self, plan: Plan | None) -> tuple[Block, ...]:
        """The blocks of a plan that are still to run, in order."""
        return tuple(b for b in plan.blocks if b.number not in self.finished) if plan else ()
