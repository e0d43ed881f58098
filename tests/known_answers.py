"""What each query of each board must say of the known session, out of its bundle alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from _totals import BOUNDS_S
from prometheus_client.parser import text_string_to_metric_families

from builders_session import QUEUE_BOUNDS_S
from loadlab.analysis.replicas import held_level
from loadlab.config.prices import load_price_list
from loadlab.execute.clock import SystemClock
from loadlab.execute.scrapes import read_scrapes
from loadlab.execute.store import BundleStore
from loadlab.model.run import RunData, Window
from loadlab.stats.histogram import decode

Key = tuple[tuple[str, str], ...]
"""The labels that tell the series of a query apart."""


@dataclass(frozen=True, slots=True)
class Answer:
    """From lower to upper; both the same for a number that must be met."""

    lower: float
    upper: float


Answers = Mapping[Key, Answer]


def exact(value: float) -> Answer:
    """That number, as far as floats keep it."""
    slack = abs(value) * 1e-9
    return Answer(value - slack, value + slack)


def about(value: float, *, ratio: float = 0.0, either_way: float = 0.0) -> Answer:
    """That number within a share of it, or within a fixed distance."""
    slack = abs(value) * ratio + either_way
    return Answer(value - slack, value + slack)


def bucket_of(value: float, bounds: Sequence[float]) -> Answer:
    """Anything in the bucket that the number is in: a histogram knows no more."""
    below = max((bound for bound in bounds if bound < value), default=0.0)
    return Answer(below, min((bound for bound in bounds if bound >= value), default=math.inf))


@dataclass(frozen=True)
class Session:
    """The bundle."""

    folder: Path

    @cached_property
    def run(self) -> RunData:
        """Its windows."""
        return BundleStore(self.folder, SystemClock()).load()

    @cached_property
    def results(self) -> Mapping[str, Any]:
        """What the report shows."""
        return dict(orjson.loads((self.folder / "results.json").read_bytes()))

    @property
    def prices(self) -> Path:
        """Its own price lists."""
        return self.folder / "prices"

    @property
    def sweep(self) -> list[Window]:
        """The windows that decide, in the order they were measured."""
        return sorted((w for w in self.run.windows if w.role == "sweep"), key=lambda w: w.load.opened_unix_s)

    def closes_s(self, window: Window) -> float:
        """When it closed."""
        return window.load.opened_unix_s + window.load.measure_s

    def scraped(self, window: Window, name: str, ending: str = ".om") -> float | None:
        """The sum over a metric's series as it was exposed when the window closed; None where it was not."""
        path = self.folder / "scrapes" / f"{window.id}{ending}"
        if not path.exists():
            return None
        pieces = path.read_text().split("# scraped ")[1:]
        stamped = [piece.partition("\n") for piece in pieces]
        text = next(text for stamp, _, text in stamped if abs(float(stamp) - self.closes_s(window)) < 1e-3)
        families = text_string_to_metric_families(text)
        found = [s.value for family in families for s in family.samples if s.name == name]
        return sum(found) if found else None

    @cached_property
    def generator_read_s(self) -> list[float]:
        """When the load generator's metrics were read."""
        return [one.unix_s for one in read_scrapes(self.folder) if one.labels["job"] == "locust"]

    def cost(self, stack: str, users: int, list_id: str) -> float | None:
        """Dollars per million good requests, from results.json."""
        rows = [c for c in self.results["cost"] if (c["stack"], c["users"], c["list"]) == (stack, users, list_id)]
        return None if rows[0]["usd_per_million_good"] is None else float(rows[0]["usd_per_million_good"])


@dataclass(frozen=True, kw_only=True)
class Case:
    """One window of the session, seen at its close; price: the list and billing that are chosen."""

    session: Session
    window: Window
    price: tuple[str, str]

    @property
    def stack(self) -> Key:
        return (("stack", self.window.stack),)

    @property
    def pod(self) -> Key:
        return (("pod", f"{self.window.stack}-b{self.window.block:02d}"),)

    @property
    def ended(self) -> int:
        return self.window.load.ok + self.window.load.failed

    def rate(self, count: int) -> Answer:
        """Per second. The last 20 s stand for the window's 30 s, and the counts are whole: 1 %."""
        return about(count / self.window.load.measure_s, ratio=0.01)

    def quantile(self, share: float) -> Answer:
        value = decode(self.window.load.histogram).quantile_s(share)
        assert value is not None
        return bucket_of(value, BOUNDS_S)

    @property
    def wait_s(self) -> float:
        """In front of the pool: what an answer takes longer than one at a single user."""
        alone = next(d.service_s for d in self.session.run.demands if d.stack == self.window.stack)
        return max(1e-9, self.window.load.latency_sum_s / self.ended - alone)

    @property
    def cores(self) -> float:
        """Processor seconds per second of the stack over the window."""
        first, last = self.window.resources[0], self.window.resources[-1]
        assert first.cpu_s is not None
        assert last.cpu_s is not None
        return (last.cpu_s - first.cpu_s) / (last.unix_s - first.unix_s)

    def of_stack(self, name: str) -> Answers:
        """The sum of a metric over the stack; nothing where the stack does not export it."""
        value = self.session.scraped(self.window, name)
        return {} if value is None else {self.stack: exact(value)}

    @property
    def is_told(self) -> bool:
        """Whether the stack exports anything."""
        return self.session.scraped(self.window, "http_requests_total") is not None

    @property
    def restarts(self) -> Answers:
        """None, of the process of this block and of the one that the demands were measured with."""
        before = (("pod", f"{self.window.stack}-b00"),)
        return {self.pod: exact(0), before: exact(0)} if self.is_told else {}

    @property
    def cores_used(self) -> Answers:
        """Of the last 20 s against the whole window."""
        return {self.stack: about(self.cores, either_way=0.002)} if self.is_told else {}

    @property
    def cores_left(self) -> Answers:
        return {self.stack: about(1 - self.cores, either_way=0.002)} if self.is_told else {}

    @property
    def throttled(self) -> Answers:
        """Over a minute; nothing where nobody looked twice in it."""
        closes_s = self.session.closes_s(self.window)
        looked = sum(closes_s - 60.0 < at_s <= closes_s for at_s in self.session.generator_read_s)
        return _one(self.window.load.health.throttled_s or 0.0) if looked >= 2 else NOTHING

    @property
    def lag_of_allowed(self) -> Answers:
        """Of the larger of 5 ms and 5 % of the measured p99, which is known by its bucket."""
        lag_s, p99_s = self.window.load.health.lag_p99_s, self.quantile(0.99)
        return {ALONE: Answer(lag_s / max(0.005, 0.05 * p99_s.upper), lag_s / max(0.005, 0.05 * p99_s.lower))}

    def of_sample(self, name: str, share: float = 1.0) -> Answers:
        """A figure of the engine's last look at the stack."""
        value = getattr(self.window.resources[-1], name)
        return {} if value is None else {self.stack: exact(value * share)}

    def of_pod(self, name: str) -> Answers:
        value = self.session.scraped(self.window, name)
        return {} if value is None else {self.pod: exact(value)}

    @property
    def usd_per_hour(self) -> float | None:
        """1 vCPU and 2 GiB of one replica, of which the session uses less; nothing where requests are billed."""
        list_id, billing = self.price
        if billing in ("request_billed", "per_request_memory"):
            return None
        (model,) = load_price_list(list_id, self.session.prices).billing
        return float(model.usd_per_vcpu_hour + 2 * model.usd_per_gib_hour)  # type: ignore[union-attr]

    def per_million(self, count: int) -> Answers:
        hourly = self.usd_per_hour
        if hourly is None:
            return {}
        return {self.stack: about(1e6 * hourly / 3600 / (count / self.window.load.measure_s), ratio=0.01)}

    @property
    def slots_busy(self) -> float | None:
        """Share of the slots; None for a stack without slots."""
        busy = self.session.scraped(self.window, "worker_slots_busy")
        slots = self.session.scraped(self.window, "worker_slots")
        return None if busy is None or slots is None else busy / slots

    def levels(self, of: Callable[[Window], float], *, ratio: float = 0.0) -> Answers:
        """A figure of every level measured so far, of this stack alone."""
        return {
            (("stack", w.stack), ("users", str(w.users))): about(of(w), ratio=ratio, either_way=1e-9)
            for w in self.session.sweep
            if w.stack == self.window.stack and self.session.closes_s(w) <= self.session.closes_s(self.window)
        }

    def costs(self, lists: Sequence[str]) -> Answers:
        """Within 1 % of results.json, which rounds to micro-dollars where the board has a float."""
        return {
            (("list", list_id), *key): about(cost, ratio=0.01)
            for list_id in lists
            for key in self.levels(lambda _: 0.0)
            if (cost := self.session.cost(key[0][1], int(key[1][1]), list_id)) is not None
        }

    @property
    def held(self) -> int:
        """The largest level so far that held the objective, as all below it did."""
        shares = {int(dict(key)["users"]): share for key, share in self.levels(good_share).items()}
        held = held_level({users: share.upper >= 0.95 for users, share in shares.items()})
        return held.users or max(shares)

    @property
    def ratios(self) -> Answers:
        """Of the levels that both stacks were measured at by now."""
        done = [w for w in self.session.sweep if self.session.closes_s(w) <= self.session.closes_s(self.window)]
        if len(self.session.results["stacks"]) < 2:
            return NOTHING
        first, second = (s["name"] for s in self.session.results["stacks"])
        both = {w.users for w in done if w.stack == first} & {w.users for w in done if w.stack == second}
        found: dict[Key, Answer] = {}
        for users in sorted(both):
            top, bottom = (self.session.cost(stack, users, self.price[0]) for stack in (first, second))
            assert top is not None
            assert bottom is not None
            found[("users", str(users)),] = about(top / bottom, ratio=0.01)
        return found

    def part(self, *, is_dearer: bool) -> Answers:
        """The lowest level at which the first stack is dearer by more than a tenth; or the highest below it."""
        ratios = {int(dict(key)["users"]): answer for key, answer in self.ratios.items()}
        over = [users for users, ratio in ratios.items() if ratio.lower > 1.1]
        under = [users for users, ratio in ratios.items() if ratio.upper <= 1.1 and users < min(over, default=math.inf)]
        assert len(over) + len(under) == len(ratios), "the session's ratios are clear of the margin"
        found = over[:1] if is_dearer else under[-1:]
        return _one(found[0]) if found else NOTHING

    @property
    def knee(self) -> int:
        """The lowest level so far with 95 % of the most that a level answered well."""
        rates = self.levels(lambda w: w.load.good / w.load.measure_s)
        most = max(rate.upper for rate in rates.values())
        return min(int(dict(key)["users"]) for key, rate in rates.items() if rate.lower >= 0.95 * most)

    @property
    def prices(self) -> Answers:
        (model,) = (m for m in load_price_list(self.price[0], self.session.prices).billing)
        fields = {name: getattr(model, name) for name in model.__dataclass_fields__ if name.startswith("usd_per_")}
        return {
            (("unit", name.removeprefix("usd_per_")),): exact(float(value))
            for name, value in fields.items()
            if value is not None
        }


def good_share(window: Window) -> float:
    """Of the requests that ended in it."""
    return window.load.good / (window.load.ok + window.load.failed)


Want = Callable[[Case], Answers]
ALONE: Key = ()
NOTHING: Answers = {}


def _one(value: float) -> Answers:
    return {ALONE: exact(value)}


QUEUE_WAIT = "How long do requests wait to be taken up?"
WANTED: Mapping[tuple[str, str, str], Want] = {
    ("threshold", "How many users are there?", "A"): lambda c: _one(c.window.users),
    ("threshold", "How many users are there?", "B"): lambda c: _one(c.window.users),
    # Whole requests in flight at both ends of the 20 s.
    ("threshold", "How much is sent?", "A"): lambda c: {c.stack: c.rate(c.ended)},
    ("threshold", "How much is sent?", "B"): lambda _: NOTHING,
    ("threshold", "How much is answered?", "A"): lambda c: {c.stack: c.rate(c.ended)},
    ("threshold", "How much is answered?", "B"): lambda c: {c.stack: c.rate(c.window.load.good)},
    ("threshold", "How long do answers take? (median)", "A"): lambda c: {c.stack: c.quantile(0.5)},
    ("threshold", "How long do answers take? (95 %)", "A"): lambda c: {c.stack: c.quantile(0.95)},
    ("threshold", "How long do answers take? (99 %)", "A"): lambda c: {c.stack: c.quantile(0.99)},
    ("threshold", "Are all slots busy?", "A"): lambda c: c.of_stack("worker_slots_busy"),
    ("threshold", "Are all slots busy?", "B"): lambda c: c.of_stack("worker_slots"),
    ("threshold", QUEUE_WAIT, "A"): lambda c: {c.stack: bucket_of(c.wait_s, QUEUE_BOUNDS_S)} if c.is_told else NOTHING,
    ("threshold", "Is the event loop late?", "A"): lambda c: (
        {c.stack: bucket_of(c.window.resources[-1].loop_lag_mean_s, QUEUE_BOUNDS_S)}
        if c.window.resources[-1].loop_lag_mean_s is not None
        else NOTHING
    ),
    # Whole failures among some thousand requests of 20 s.
    ("threshold", "How many requests fail?", "A"): lambda c: {
        c.stack: about(c.window.load.failed / c.ended, either_way=0.002)
    },
    ("threshold", "How many calls wait for the upstream?", "A"): lambda c: c.of_stack("upstream_requests_in_flight"),
    ("memory", "How much memory does a stack hold?", "A"): lambda c: c.of_sample("pss_bytes"),
    ("memory", "How much would RSS say?", "A"): lambda c: c.of_sample("rss_bytes"),
    ("memory", "How close is the limit?", "A"): lambda c: c.of_pod("cgroup_memory_working_set_bytes"),
    ("memory", "How close is the limit?", "B"): lambda c: c.of_pod("cgroup_memory_limit_bytes"),
    ("memory", "How much of it is the program's own?", "A"): lambda c: c.of_pod("cgroup_memory_anon_bytes"),
    ("memory", "What does each process hold?", "A"): lambda c: {
        (("pid", str(w.pid)), ("role", w.role)): exact(w.pss_bytes or 0) for w in c.window.resources[-1].workers
    },
    ("memory", "What does an open connection cost?", "A"): lambda c: c.of_sample("pss_bytes", 1 / c.window.users),
    ("memory", "Did anything restart or run out of memory?", "A"): lambda c: c.restarts,
    ("memory", "Did anything restart or run out of memory?", "B"): lambda _: NOTHING,
    ("cost", "What does the deployment cost by the hour?", "A"): lambda c: (
        NOTHING if c.usd_per_hour is None else {c.stack: exact(c.usd_per_hour)}
    ),
    ("cost", "What does a million good requests cost now?", "A"): lambda c: c.per_million(c.window.load.good),
    ("cost", "And a million requests, good or not?", "A"): lambda c: c.per_million(c.ended),
    ("cost", "How does the cost of a good request move?", "A"): lambda c: c.per_million(c.window.load.good),
    ("cost", "How much dearer is the first stack?", "A"): lambda c: c.ratios,
    ("cost", "How much dearer is the first stack?", "B"): lambda _: _one(1.1),
    ("cost", "Where do the costs part?", "A"): lambda c: c.costs([c.price[0]]),
    ("cost", "What did each level cost?", "A"): lambda c: {
        key[1:]: cost for key, cost in c.costs([c.price[0]]).items()
    },
    ("cost", "What does each price list say?", "A"): lambda c: c.costs(
        ["aws-fargate-x86", "cloud-run-request", "opencost-default", "aws-lambda-x86"]
    ),
    ("cost", "Between how many users do they part, so far?", "A"): lambda c: c.part(is_dearer=False),
    ("cost", "Between how many users do they part, so far?", "B"): lambda c: c.part(is_dearer=True),
    ("cost", "Which prices are these?", "A"): lambda c: c.prices,
    ("generator", "Are all workers there?", "A"): lambda c: _one(
        c.window.load.health.workers_expected - c.window.load.health.workers
    ),
    ("generator", "Has it processors to spare?", "A"): lambda c: _one(
        c.window.load.health.cpu_cores / c.window.load.health.cores
    ),
    ("generator", "Does it wake in time?", "A"): lambda c: _one(c.window.load.health.lag_p50_s),
    ("generator", "Do its latest wake-ups come in time?", "A"): lambda c: c.lag_of_allowed,
    ("generator", "Is it kept off its processors?", "A"): lambda c: c.throttled,
    ("generator", "Is its time given to others?", "A"): lambda c: _one(c.window.load.health.steal_ratio or 0.0),
    ("generator", "Are all users there?", "A"): lambda _: _one(0.0),
    ("generator", "Does it drop arrivals?", "A"): lambda _: NOTHING,
    ("generator", "Users asked for and there", "A"): lambda c: _one(c.window.users),
    ("generator", "Users asked for and there", "B"): lambda c: _one(c.window.users),
    ("generator", "Requests under way", "A"): lambda c: _one(c.window.users),
    ("generator", "Lag", "A"): lambda c: {
        (("quantile", "0.5"),): exact(c.window.load.health.lag_p50_s),
        (("quantile", "0.99"),): exact(c.window.load.health.lag_p99_s),
    },
    ("generator", "Processors used", "A"): lambda c: _one(c.window.load.health.cpu_cores),
    ("generator", "Processors used", "B"): lambda c: _one(c.window.load.health.cores),
    ("generator", "Processor time taken by others", "A"): lambda c: _one(c.window.load.health.steal_ratio or 0.0),
    ("generator", "Arrivals dropped", "A"): lambda _: NOTHING,
    ("capacity", "How many users does one deployment hold?", "A"): lambda c: {c.stack: exact(c.held)},
    ("capacity", "How many deployments for $target_users users?", "A"): lambda c: {
        c.stack: exact(math.ceil(1000 / c.held))
    },
    ("capacity", "How much head-room is left now?", "A"): lambda c: (
        NOTHING if c.slots_busy is None else {c.stack: exact(1 - c.slots_busy)}
    ),
    ("capacity", "How much head-room is left now?", "B"): lambda c: c.cores_left,
    ("capacity", "At how many users is the knee, so far?", "A"): lambda c: {c.stack: exact(c.knee)},
    ("capacity", "At how many users is the knee, so far?", "B"): lambda c: {
        c.stack: exact(max(int(dict(key)["users"]) for key in c.levels(good_share)))
    },
    ("capacity", "Head-room of the processor", "A"): lambda c: c.cores_left,
    ("capacity", "Where is the knee?", "A"): lambda c: c.levels(lambda w: w.load.good / w.load.measure_s),
    ("capacity", "What did each level answer?", "A"): lambda c: c.levels(lambda w: w.load.good / w.load.measure_s),
    ("capacity", "What did each level answer?", "B"): lambda c: c.levels(lambda _: 1),
    ("capacity", "What did each level answer?", "C"): lambda c: c.levels(lambda _: 0),
    ("capacity", "What held the objective?", "A"): lambda c: c.levels(good_share),
    ("capacity", "What is fuller, slots or processor?", "A"): lambda c: (
        NOTHING if c.slots_busy is None else {c.stack: exact(c.slots_busy)}
    ),
    ("capacity", "What is fuller, slots or processor?", "B"): lambda c: c.cores_used,
}
"""By board, title of the panel and letter of the query. A query that is not here fails the test."""
AFTER_THE_BOOKS = {
    ("capacity", "How many users does one deployment hold?"),
    ("capacity", "How many deployments for $target_users users?"),
    ("capacity", "Where is the knee?"),
    ("capacity", "What did each level answer?"),
    ("capacity", "What held the objective?"),
    ("cost", "How much dearer is the first stack?"),
    ("cost", "Where do the costs part?"),
    ("cost", "What did each level cost?"),
    ("cost", "What does each price list say?"),
    ("cost", "Between how many users do they part, so far?"),
    ("capacity", "At how many users is the knee, so far?"),
}
"""Panels of levels: a level is known once its window is whole, and its rules a few seconds later."""
