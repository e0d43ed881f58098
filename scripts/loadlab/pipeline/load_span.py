"""Load on one stack from its first user to its last answer, looked at every second by the abort rule."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from loadlab.errors import AbortedByRule, LoadlabError
from loadlab.execute.ports import GeneratorBooks, LiveStatus, Swarm
from loadlab.model.plan import Trial
from loadlab.pipeline.abort import has_bounds, needs_books
from loadlab.pipeline.rig import Rig

LOOK_EVERY_S = 1.0
UPSTREAM = "upstream"
"""How deployers call it."""


class _Watcher:
    """Looks every second, while requests are waited for, whether those who shall answer them are still there."""

    def __init__(self, rig: Rig, stack: str) -> None:
        self._rig = rig
        self._loaded = tuple(f"{name}{sign}" for name in (stack, UPSTREAM) for sign in " :")
        self._looked_s = rig.clock.monotonic_s()

    def look_if_due(self) -> None:
        """What is in flight to a stack that has fallen is given up: it would keep the drain for its whole time-out.

        A stack that is idle meanwhile has nothing in flight: its fall cuts no request of the other.
        """
        if self._rig.clock.monotonic_s() - self._looked_s < LOOK_EVERY_S:
            return
        if any(line.startswith(self._loaded) for line in self._rig.deployer.fallen()):
            self._rig.generator.abandon()
        self._looked_s = self._rig.clock.monotonic_s()


class LoadSpan:
    """The load of one trial. ``loaded`` makes one; whoever waits while load is on waits through it."""

    def __init__(self, rig: Rig, trial: Trial) -> None:
        self._rig = rig
        self._trial = trial
        self._looked_s = rig.clock.monotonic_s()
        rig.watch.load_on(trial.stack, self._looked_s)

    def sleep_until(self, until_s: float) -> None:
        """Wait, and look every second. Raises AbortedByRule."""
        clock = self._rig.clock
        while (left_s := until_s - clock.monotonic_s()) > LOOK_EVERY_S:
            clock.sleep(min(LOOK_EVERY_S, left_s - LOOK_EVERY_S / 2))
            self.look()
        clock.sleep(until_s - clock.monotonic_s())

    def look(self) -> LiveStatus:
        """Show the live figures, and judge them. Raises AbortedByRule."""
        rig = self._rig
        status = rig.generator.status()
        books = rig.generator.books(self._trial.id) if needs_books(rig.experiment.abort) else None
        there = f"{status.users} users" if self._trial.kind == "closed" else f"{status.in_flight} in flight"
        rig.progress.tick(there, status.rps, status.p50_s, status.p99_s)
        self._looked_s = rig.clock.monotonic_s()
        rig.watch.observe(rig.experiment.abort, self._looked_s, status, books)
        return status

    def stop(self) -> GeneratorBooks:
        """End the users and wait for what is in flight, looking on. Raises AbortedByRule."""
        if has_bounds(self._rig.experiment.abort):
            self.look()
        watcher = _Watcher(self._rig, self._trial.stack)

        def meanwhile() -> None:
            watcher.look_if_due()
            self._look_if_due()

        return self._rig.generator.stop(self._trial.id, meanwhile)

    def _look_if_due(self) -> None:
        if self._rig.clock.monotonic_s() - self._looked_s >= LOOK_EVERY_S:
            self.look()


@contextlib.contextmanager
def loaded(rig: Rig, trial: Trial, swarm: Swarm) -> Iterator[LoadSpan]:
    """Start the users; what goes wrong before ``stop`` was called ends them.

    After an abort the generator is ended at once: what hangs would keep a drain waiting, and a service that hurts
    shall not get more load. After anything else the users are drained, and a drain that fails too must not hide why.
    """
    try:
        rig.generator.swarm(swarm)
        yield LoadSpan(rig, trial)
    except AbortedByRule:
        rig.generator.close()
        raise
    except LoadlabError:
        with contextlib.suppress(LoadlabError):
            rig.generator.stop(trial.id, _Watcher(rig, trial.stack).look_if_due)
        raise
