"""LoadGenerator over Locust's own web interface; the same on one machine and in a cluster.

Windows, books and health come from the routes that ``locustfiles/_window.py`` adds to Locust's web app.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from loadlab.errors import LoadError, TooLongToLoad
from loadlab.execute.locust_web import HASTY, STARTING, LocustWeb
from loadlab.execute.own_scrapes import OwnScrapes
from loadlab.execute.ports import Arrivals, Clock, GeneratorBooks, LiveStatus, Swarm, nothing
from loadlab.model.run import GeneratorHealth, LoadWindow

POLL_S = 0.05
SWARM_TIMEOUT_S = 30.0
COLLECT_TIMEOUT_S = 20.0
DRAIN_TIMEOUT_S = 160.0
START_TIMEOUT_S = 30.0
START_ATTEMPTS = 2
HEALTH_FIELDS = tuple(GeneratorHealth.__dataclass_fields__)
WINDOW_FIELDS = tuple(LoadWindow.__dataclass_fields__)


class LocustHost(Protocol):
    """Whatever runs Locust's processes: children here, pods in a cluster."""

    @property
    def url(self) -> str:
        """Base address of the master's web interface."""

    def start(self) -> None:
        """Start master and workers."""

    def fallen(self) -> Sequence[str]:
        """One line for each process that has ended by itself."""

    def replace_fallen(self) -> None:
        """Start new ones in their place. Raises LoadError when the master is gone."""

    def workers(self) -> int:
        """How many workers there shall be."""

    def worker_pids(self) -> frozenset[int] | None:
        """The processes that shall be the workers; None where their ids are not known here."""

    def worker_names(self) -> frozenset[str] | None:
        """Names of the hosts that the workers run on; None where all run on one."""

    def close(self) -> None:
        """End them."""


def _arrival_fields(arrivals: Arrivals | None) -> dict[str, str]:
    """Form fields of an open load, which has one leading user on each worker. Locust keeps them from swarm to swarm."""
    if arrivals is None:
        return {"rate_rps": "0"}
    return {
        "rate_rps": str(arrivals.rate_rps),
        "arrivals": arrivals.pattern,
        "in_flight_max": str(arrivals.in_flight_max),
    }


class LocustGenerator:
    """LoadGenerator port."""

    def __init__(self, host: LocustHost, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._web = LocustWeb(lambda: host.url, host.fallen)
        self._tries: dict[str, int] = {}
        self._own = OwnScrapes(clock)

    def start(self) -> None:
        """Start Locust and wait until every worker has joined.

        Once more when a process ended on the way: its ports may have been taken in the last moment.
        """
        for left in reversed(range(START_ATTEMPTS)):
            self._host.start()
            try:
                self._wait_for_workers()
                break
            except LoadError:
                if not left or not self._host.fallen():
                    raise
                self._host.close()

    def heal(self) -> Sequence[str]:
        """Replace what has fallen."""
        fallen = self._host.fallen()
        if fallen:
            self._host.replace_fallen()
            self._wait_for_workers()
        return fallen

    def swarm(self, swarm: Swarm) -> None:
        """Open the trial's books, then start its users and wait until all are there.

        Locust gives each id once: a trial that is tried again goes by its id and the number of the try there.
        """
        self._tries[swarm.trial] = self._tries.get(swarm.trial, 0) + 1
        self._web.call("POST", "/lab/trials", {"id": self._name(swarm.trial), "good_within_s": swarm.good_within_s})
        wanted = swarm.users if swarm.arrivals is None else self._host.workers()
        form = {
            "user_count": str(wanted),
            "spawn_rate": str(max(wanted * 10, 100)),
            "host": swarm.url,
            "user_classes": swarm.scenario.user_class,
            "think_s": str(swarm.think_s),
            "phase_s": str(swarm.phase_s),
            "lab_seed": str(swarm.seed),
            "good_within_s": str(swarm.good_within_s),
            **_arrival_fields(swarm.arrivals),
        }
        answer = self._web.form("/swarm", form)
        if not answer.get("success"):
            raise LoadError(f"Locust refused to start {swarm.scenario.user_class}: {answer.get('message')}")
        deadline = self._clock.monotonic_s() + SWARM_TIMEOUT_S
        while (users := self.status().users) != wanted:
            self._give_up_after(deadline, f"only {users} of {wanted} users were started")

    def open_window(self, window: str, *, opens_in_s: float, measure_s: float) -> None:
        """Ask for a window."""
        order = {"id": self._name(window), "opens_in_s": opens_in_s, "measure_s": measure_s}
        self._web.call("POST", "/lab/windows", order)

    def close_window(self, window: str) -> None:
        """Close it early."""
        self._web.call("DELETE", f"/lab/windows/{self._name(window)}")

    def status(self) -> LiveStatus:
        """Live figures of the last two seconds."""
        raw = self._web.call("GET", "/lab/status")
        return LiveStatus(
            users=raw["users"],
            rps=raw["rps"],
            p50_s=raw["p50_s"],
            p99_s=raw["p99_s"],
            workers=raw["workers"],
            workers_expected=self._host.workers(),
            in_flight=raw["in_flight"],
        )

    def books(self, trial: str) -> GeneratorBooks:
        """The books now."""
        raw = self._web.call("GET", f"/lab/trials/{self._name(trial)}")
        return GeneratorBooks(
            sent=raw["sent"],
            answered=raw["answered"],
            failed=raw["failed"],
            in_flight=raw["in_flight"],
            outcomes=raw["outcomes"],
            holes=tuple(raw["holes"]),
            abandoned=raw["abandoned"],
        )

    def collect(self, window: str) -> LoadWindow:
        """Wait for the parts of all workers."""
        deadline = self._clock.monotonic_s() + COLLECT_TIMEOUT_S
        path = f"/lab/windows/{self._name(window)}"
        while (raw := self._web.call("GET", path))["state"] not in ("complete", "partial"):
            self._give_up_after(deadline, f"window {window} is still {raw['state']}")
        health = {**raw["health"], "workers_expected": self._host.workers()}
        record = {name: raw[name] for name in WINDOW_FIELDS if name in raw}
        record["health"] = {name: health[name] for name in HEALTH_FIELDS if name in health}
        try:
            return TypeAdapter(LoadWindow).validate_python(record)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            lost = "; ".join(map(str, raw.get("holes") or ()))
            why = f"nothing of it is known: {lost}" if lost else f"Locust sent {where}: {first['msg']}"
            raise LoadError(f"window {window}: {why}") from None

    def stop(self, trial: str, meanwhile: Callable[[], None] = nothing) -> GeneratorBooks:
        """Stop, drain, close the books."""
        self._web.call("POST", "/lab/drain", {})
        deadline = self._clock.monotonic_s() + DRAIN_TIMEOUT_S
        while (books := self._drained(trial)) is None:
            meanwhile()
            self._give_up_after(deadline, f"trial {trial} still has requests in flight")
        return books

    def abandon(self) -> None:
        """Give up what the drain waits for."""
        self._web.call("POST", "/lab/abandon", {})

    def tell(self, phase: Mapping[str, object]) -> str | None:
        """Post the phase; at most a second is spent on it.

        One that is too long is posted without its levels: what is counted from here on belongs to its stack.
        """
        try:
            self._web.call("POST", "/lab/phase", phase, timeout=HASTY)
        except TooLongToLoad as error:
            if "levels" not in phase:
                return str(error)
            rest = self.tell({name: said for name, said in phase.items() if name != "levels"})
            return rest or f"{error}; told without its levels"
        except LoadError as error:
            return str(error)
        return None

    def scrape(self) -> None:
        """Read Locust's /metrics in the background, without the levels: the bundle itself knows better."""
        if self._web.reached is not None:
            self._own.begin(f"{self._web.reached}/metrics?levels=0")

    def take_scrapes(self) -> str:
        """What was read of /metrics."""
        return self._own.take()

    def close(self) -> None:
        """End Locust. One that outlives the run, as in a cluster, is told to send nothing more."""
        self._web.leave("/lab/drain")
        self._host.close()

    def _name(self, trial: str) -> str:
        tries = self._tries.get(trial, 1)
        return trial if tries == 1 else f"{trial}~{tries}"

    def _drained(self, trial: str) -> GeneratorBooks | None:
        if self._web.call("GET", "/lab/status")["state"] == "draining":
            return None
        books = self.books(trial)
        return books if books.in_flight == 0 else None

    def _wait_for_workers(self) -> None:
        deadline = self._clock.monotonic_s() + START_TIMEOUT_S
        while not self._are_all_there():
            if fallen := self._host.fallen():
                raise LoadError(f"the load generator did not start: {fallen[0]}")
            self._give_up_after(deadline, f"not all of its {self._host.workers()} Locust workers joined")

    def _are_all_there(self) -> bool:
        """Whether exactly the workers that shall be there have joined; one that was killed is seen for a while."""
        try:
            status = self._web.call("GET", "/lab/status", timeout=STARTING)
        except LoadError:
            return False
        pids, names = self._host.worker_pids(), self._host.worker_names()
        return (
            status["workers"] == self._host.workers()
            and (pids is None or pids == set(status["worker_pids"]))
            and (names is None or names == set(status.get("worker_names", names)))
        )

    def _give_up_after(self, deadline_s: float, what: str) -> None:
        if self._clock.monotonic_s() > deadline_s:
            fallen = self._host.fallen()
            raise LoadError(f"load generator: {what}{'; ' + fallen[0] if fallen else ''}; see the logs in the bundle")
        self._clock.sleep(POLL_S)
