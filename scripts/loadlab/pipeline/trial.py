"""One trial: users start, warm up, a window is measured, everything in flight is answered, the books are closed."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.execute.ports import Arrivals, GeneratorBooks, LiveStatus, Swarm
from loadlab.model.experiment import OpenLoad
from loadlab.model.plan import Trial
from loadlab.model.run import ResourceSample, TrialBooks, Window
from loadlab.pipeline.load_span import LoadSpan, loaded
from loadlab.pipeline.phase import PhaseRole, tell
from loadlab.pipeline.rig import Measured, Rig

SAMPLE_EVERY_S = 1.0
CLOCK_JUMP_S = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Seconds of one trial; phase_s is the span over which users' starts are spread.

    scrape_cpu_s: what each look at the service costs it, to be taken off.
    """

    warmup_s: float
    measure_s: float
    phase_s: float
    scrape_cpu_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counted:
    served: int | None
    calls: int | None
    arrivals: int | None


def run_trial(rig: Rig, trial: Trial, timing: Timing) -> Measured:
    """Measure one window.

    Raises:
        LoadError: the load generator did not do its part; nothing of this trial can be used.
        AbortedByRule: the experiment's abort rule was met; the load is stopped.
    """
    before = _counted(rig, trial.stack)
    rig.probe.take_scrapes(trial.stack)
    rig.generator.take_scrapes()
    with loaded(rig, trial, _swarm(rig, trial, timing)) as span:
        seen = _watch_window(rig, trial, timing, span)
        load = rig.generator.collect(trial.id)
        generator = span.stop()
    after = _counted(rig, trial.stack)
    rig.generator.scrape()
    window = Window(
        id=trial.id,
        block=trial.block,
        stack=trial.stack,
        users=trial.users,
        role=trial.role,
        repeats=trial.repeats,
        load=load,
        resources=seen.samples,
        idle_cpu_cores=seen.idle_cpu_cores,
        books=_books(generator, before, after),
        replicas=rig.stack(trial.stack).replicas,
        notes=(*(rig.deployer.fallen() or _ending(trial.stack, generator, before, after)), *seen.notes),
        scrape_cpu_s=timing.scrape_cpu_s,
    )
    measured = Measured(
        window=window,
        scrapes=rig.probe.take_scrapes(trial.stack),
        generator_scrapes=rig.generator.take_scrapes(),
    )
    tell(rig)
    return measured


def run_warmup(rig: Rig, trial: Trial, seconds: float) -> None:
    """Load without a window, as each stack gets at a block's start."""
    timing = Timing(warmup_s=0.0, measure_s=0.0, phase_s=0.0)
    with loaded(rig, trial, _swarm(rig, trial, timing, "warmup")) as span:
        span.sleep_until(rig.clock.monotonic_s() + seconds)
        span.stop()
    tell(rig)


def peek(rig: Rig, trial: Trial, seconds: float) -> tuple[float | None, GeneratorBooks]:
    """Load without a window; the live median of the last two seconds, and the books."""
    timing = Timing(warmup_s=0.0, measure_s=0.0, phase_s=0.0)
    with loaded(rig, trial, _swarm(rig, trial, timing)) as span:
        span.sleep_until(rig.clock.monotonic_s() + seconds)
        p50_s = rig.generator.status().p50_s
        books = span.stop()
    tell(rig)
    return p50_s, books


def _swarm(rig: Rig, trial: Trial, timing: Timing, role: PhaseRole = "") -> Swarm:
    endpoint = rig.deployer.activate(rig.stack(trial.stack))
    tell(rig, trial, role)
    return Swarm(
        trial=trial.id,
        url=endpoint.url,
        scenario=rig.load.scenario,
        users=trial.users,
        think_s=rig.load.think_s,
        phase_s=timing.phase_s,
        seed=_seed(rig) + trial.block,
        good_within_s=rig.experiment.objective.latency_s,
        arrivals=_arrivals(rig, trial),
    )


def _seed(rig: Rig) -> int:
    own = rig.load.seed if isinstance(rig.load, OpenLoad) else None
    return rig.experiment.blocks.seed if own is None else own


def _arrivals(rig: Rig, trial: Trial) -> Arrivals | None:
    """Of a trial whose level is a rate; the demands of an open load are measured with users too."""
    if trial.kind == "closed" or not isinstance(rig.load, OpenLoad):
        return None
    return Arrivals(rate_rps=trial.users, pattern=rig.load.arrivals, in_flight_max=rig.load.in_flight_max)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    samples: tuple[ResourceSample, ...]
    idle_cpu_cores: float | None
    notes: tuple[str, ...]


def _watch_window(rig: Rig, trial: Trial, timing: Timing, span: LoadSpan) -> _Seen:
    """Sleep through warm-up and window, reading resources at open, every second and at close."""
    clock = rig.clock
    tell(rig, trial, window=trial.id)
    rig.generator.open_window(trial.id, opens_in_s=timing.warmup_s, measure_s=timing.measure_s)
    opens_s = clock.monotonic_s() + timing.warmup_s
    closes_s = opens_s + timing.measure_s
    offset_s = clock.unix_s() - clock.monotonic_s()
    span.sleep_until(opens_s)
    idle_before = _cpu_s(rig, trial.stack)
    began_s = clock.monotonic_s()
    samples, sampled_s = [_look(rig, trial)], began_s
    while (left_s := closes_s - clock.monotonic_s()) > 0:
        clock.sleep(min(SAMPLE_EVERY_S, left_s))
        samples.append(_look(rig, trial))
        if (sampled_s := clock.monotonic_s()) < closes_s and _has_fallen(rig, span.look()):
            rig.generator.close_window(trial.id)
            closes_s = sampled_s
    if sampled_s < closes_s:
        samples.append(_look(rig, trial))
    idle_after, idle_s = _cpu_s(rig, trial.stack), clock.monotonic_s() - began_s
    jump_s = abs(clock.unix_s() - clock.monotonic_s() - offset_s)
    jumped = (f"the wall clock jumped by {jump_s:.1f} s",) if jump_s > CLOCK_JUMP_S else ()
    return _Seen(
        samples=tuple(samples),
        idle_cpu_cores=_rate(idle_before, idle_after, idle_s),
        notes=(*jumped, *_lost_processes(idle_before, idle_after)),
    )


def _has_fallen(rig: Rig, status: LiveStatus) -> bool:
    """Whether this window is lost, asked only when nothing was answered as expected in the last two seconds."""
    return status.p50_s is None and bool(rig.deployer.fallen())


def _look(rig: Rig, trial: Trial) -> ResourceSample:
    """Both sides at the same moment; the load generator's is read meanwhile and not waited for."""
    rig.generator.scrape()
    return rig.probe.sample(trial.stack)


def _cpu_s(rig: Rig, active: str) -> dict[str, float | None]:
    return {name: rig.deployer.cpu_s(name) for name in rig.others(active)}


def _rate(before: dict[str, float | None], after: dict[str, float | None], seconds: float) -> float | None:
    """The busiest idle stack's processor seconds per second; None when none could be read."""
    spent = [b - a for name, a in before.items() if a is not None and (b := after[name]) is not None]
    return max(spent) / seconds if spent and min(spent) >= 0 and seconds > 0 else None


def _lost_processes(before: dict[str, float | None], after: dict[str, float | None]) -> tuple[str, ...]:
    """The sum over the living processes of a stack only falls when one of them ends.

    That it is not known any more proves nothing: the way to it may be away, and a stack that fell is noted as fallen.
    """
    return tuple(
        f"{name}: a process of this stack, which was to be idle, ended"
        for name, was_s in before.items()
        if was_s is not None and (is_s := after[name]) is not None and is_s < was_s
    )


def _counted(rig: Rig, stack: str) -> _Counted:
    sample = rig.probe.sample(stack)
    return _Counted(served=sample.served, calls=sample.upstream_calls, arrivals=rig.deployer.upstream_arrivals())


def _books(generator: GeneratorBooks, before: _Counted, after: _Counted) -> TrialBooks:
    return TrialBooks(
        sent=generator.sent,
        answered=generator.answered,
        failed=generator.failed,
        served=_less(after.served, before.served),
        upstream_arrivals=_less(after.arrivals, before.arrivals),
        upstream_calls=_less(after.calls, before.calls),
        abandoned=generator.abandoned,
    )


def _ending(stack: str, generator: GeneratorBooks, before: _Counted, after: _Counted) -> tuple[str, ...]:
    """A stack that leaves requests without an answer and cannot be asked any more, though no process has ended yet.

    One that answers all and cannot be asked is out of the reach of whoever asks, and its window counts.
    """
    if not generator.failed or before.served is None or after.served is not None:
        return ()
    return (f"{stack}: {generator.failed} requests had no answer, and what it served cannot be asked after the window",)


def _less(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before
