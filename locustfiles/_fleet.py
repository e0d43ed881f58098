"""The master's view of its workers: who they are, whether they live, how their clocks differ, what they report.

Windows are defined on the master's monotonic clock. Each answer to a question is also an echo: the worker's clock
is read somewhere between the question and the answer, so its offset is known within half the round trip; of the
last rounds the shortest counts. Wall clocks never enter, so a step of one cannot move a window.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from math import inf
from time import perf_counter
from typing import Any

import gevent
from _histogram import LatencyCounts
from _ledger import Ledger
from gevent.event import Event

SILENT_S = 5.0
"""A worker that said nothing for so long is gone; a living one speaks four times a second."""
QUIT = "quit"
RECENT_S = 2.0
ECHO_ROUNDS = 8
ASK_TIMEOUT_S = 5.0


@dataclass(slots=True)
class Worker:
    """One process that makes load, as the master knows it."""

    id: str
    pid: int
    name: str
    """Its host's, which in a cluster is its pod's; every process id there is 1."""
    heard_s: float
    gone: str | None = None
    users: int = 0
    in_flight: int = 0
    last_books: dict[str, Any] | None = None
    """What it sent when it quit."""
    echoes: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=2 * ECHO_ROUNDS))
    pulses: deque[tuple[float, dict[str, Any]]] = field(default_factory=deque)

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"worker {self.name} (pid {self.pid})"

    @property
    def offset_s(self) -> float:
        """What to add to the master's clock to get this worker's."""
        return min(self.echoes)[1] if self.echoes else 0.0

    @property
    def offset_error_s(self) -> float | None:
        """How far off that may be; None before the first echo."""
        return min(self.echoes)[0] / 2 if self.echoes else None


@dataclass(slots=True)
class _Question:
    awaited: set[str]
    asked_s: float
    answers: dict[str, dict[str, Any]]
    done: Event


class Fleet:
    """All workers that ever said hello. ``runner`` is a MasterRunner or a LocalRunner."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._questions: dict[int, _Question] = {}
        self._numbers = count(1)
        self.workers: dict[str, Worker] = {}
        self.ledger = Ledger()
        self.on_join: list[Callable[[Worker], None]] = []
        self._recent_from_s = -inf

    def listen(self) -> None:
        """Register for the workers' messages about themselves."""
        self._runner.register_message("lab_hello", self._on_hello)
        self._runner.register_message("lab_pulse", self._on_pulse)
        self._runner.register_message("lab_reply", self._on_reply)
        self._runner.register_message("lab_bye", self._on_bye)

    @property
    def living(self) -> list[Worker]:
        """Workers that spoke lately and did not quit."""
        now_s = perf_counter()
        for worker in self.workers.values():
            if worker.gone is None and now_s - worker.heard_s > SILENT_S:
                worker.gone = f"said nothing for {SILENT_S:g} s"
        return [worker for worker in self.workers.values() if worker.gone is None]

    @property
    def expected(self) -> int:
        """How many workers there should be: --expect-workers, or those that live if they are more."""
        wanted = getattr(self._runner.environment.parsed_options, "expect_workers", 1)
        return max(int(wanted or 1), len(self.living))

    @property
    def is_open(self) -> bool:
        """Whether the load of the last swarm comes by a schedule: its users then only lead the arrivals."""
        return bool(getattr(self._runner.environment.parsed_options, "rate_rps", 0.0))

    @property
    def offsets_s(self) -> dict[str, float]:
        """Of each living worker, what to add to this clock to get its own."""
        return {worker.id: worker.offset_s for worker in self.living}

    def send(self, worker: Worker, kind: str, data: dict[str, Any]) -> None:
        """Send one message to one worker."""
        self._runner.send_message(kind, data, client_id=worker.id)

    def ask(self, op: str, workers: list[Worker] | None = None, **details: float) -> dict[str, dict[str, Any]]:
        """Ask workers (all that live) and wait for their answers, at most 5 s; by worker id, those that came."""
        asked = self.living if workers is None else workers
        number = next(self._numbers)
        question = _Question({worker.id for worker in asked}, perf_counter(), {}, Event())
        self._questions[number] = question
        for worker in asked:
            self.send(worker, "lab_ask", {"seq": number, "op": op, **details})
        if asked:
            question.done.wait(ASK_TIMEOUT_S)
        del self._questions[number]
        return question.answers

    def recent(self) -> dict[str, Any]:
        """Requests per second, share of failures and quantiles over the last 2 s; None where nothing ended.

        What was under way before the last ``forget_recent`` is not among them.
        """
        now_s = perf_counter()
        latencies, ended, failed, since_s = LatencyCounts(), 0, 0, now_s
        for worker in self.living:
            for at_s, pulse in worker.pulses:
                if now_s - at_s <= RECENT_S and at_s - pulse["span_s"] >= self._recent_from_s:
                    latencies.merge(pulse["latencies"])
                    ended += pulse["ended"]
                    failed += pulse["failed"]
                    since_s = min(since_s, at_s - pulse["span_s"])
        return {
            "rps": ended / (now_s - since_s) if ended else 0.0,
            "error_ratio": failed / ended if ended else None,
            "p50_s": latencies.quantile_s(0.50),
            "p99_s": latencies.quantile_s(0.99),
        }

    def forget_recent(self) -> None:
        """A trial begins: what ended before it belongs to another stack or level, as does a pulse from before."""
        self._recent_from_s = perf_counter()

    def recent_health(self) -> dict[str, float | None]:
        """Lag quantiles, processors used and the worst steal of the last pulses; None where nothing is known."""
        lags, cpu_cores, steals = LatencyCounts(), [], []
        for worker in self.living:
            for _, pulse in worker.pulses:
                lags.merge(pulse["lags"])
            if worker.pulses:
                health = worker.pulses[-1][1]["health"]
                cpu_cores.append(health["cpu_cores"])
                steals += [health["steal_ratio"]] if health["steal_ratio"] is not None else []
        return {
            "lag_p50_s": lags.quantile_s(0.50),
            "lag_p99_s": lags.quantile_s(0.99),
            "cpu_cores": sum(cpu_cores) if cpu_cores else None,
            "steal_ratio": max(steals, default=None),
            "throttled_s": self.ledger.throttled_s,
        }

    def compare_clocks(self) -> None:
        """Ask every living worker for its clock, so often that the shortest of the rounds is a short one."""
        for _ in range(ECHO_ROUNDS):
            self.ask("echo")

    def _on_hello(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        self._join(msg.node_id, msg.data)

    def _join(self, worker_id: str, identity: Mapping[str, Any]) -> None:
        worker = Worker(worker_id, identity["pid"], identity["name"], perf_counter())
        self.workers[worker_id] = worker
        gevent.spawn(self._echo, worker)

    def _echo(self, worker: Worker) -> None:
        for _ in range(ECHO_ROUNDS):
            self.ask("echo", [worker])
        for greet in self.on_join:
            greet(worker)

    def _hear(self, worker_id: str) -> Worker | None:
        worker = self.workers.get(worker_id)
        if worker is not None:
            worker.heard_s = perf_counter()
            if worker.gone != QUIT:  # what it had sent before its farewell may come after it
                worker.gone = None
        return worker

    def _on_pulse(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        pulse = msg.data
        worker = self._hear(msg.node_id)
        if worker is None:
            self._meet(msg.node_id, pulse)
            return
        worker.users, worker.in_flight = pulse["users"], pulse["in_flight"]
        self.ledger.note(worker.id, pulse["totals"])
        self.ledger.note_throttled(pulse["health"]["group"], pulse["throttled_total_s"])
        worker.pulses.append((worker.heard_s, pulse))
        while worker.heard_s - worker.pulses[0][0] > RECENT_S:
            worker.pulses.popleft()

    def _meet(self, worker_id: str, pulse: Mapping[str, Any]) -> None:
        """A worker that never said hello here: it did so before this master listened, or to the master before it.

        Locust gives the latter no users, and would leave it alone for a minute: it is told to end.
        """
        known = getattr(self._runner, "clients", None)
        if known is None or worker_id in known:
            self._join(worker_id, pulse)
        else:
            self._runner.send_message("quit", None, client_id=worker_id)

    def _on_reply(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        worker, question = self._hear(msg.node_id), self._questions.get(msg.data["seq"])
        if worker is None or question is None:
            return
        answer = msg.data
        round_s = worker.heard_s - question.asked_s
        worker.echoes.append((round_s, answer["clock_s"] - (question.asked_s + round_s / 2)))
        worker.users, worker.in_flight = answer["users"], answer["books"]["in_flight"]
        self.ledger.note(worker.id, answer["totals"])
        question.answers[worker.id] = answer
        if question.awaited <= question.answers.keys():
            question.done.set()

    def _on_bye(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        worker = self._hear(msg.node_id)
        if worker is not None:
            worker.gone = QUIT
            worker.last_books = msg.data["books"]
            self.ledger.note(worker.id, msg.data["totals"])
            worker.users = worker.in_flight = 0
