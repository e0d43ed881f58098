"""The books of trials: what was sent, answered and failed from a trial's start to the end of its drain.

What a worker that quit had under way is ``abandoned``: it was sent, and nobody is left to hear its answer.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from _fleet import Fleet, Worker
from _refusal import Refusal

KEPT_TRIALS = 64
COUNTED = ("sent", "answered", "failed", "in_flight", "abandoned")


class Trials:
    """One trial at a time keeps books; finished ones keep their last answer."""

    def __init__(self, fleet: Fleet, good_within_s: float) -> None:
        self._fleet = fleet
        self._finished: dict[str, dict[str, Any]] = {}
        self._members: set[str] = set()
        self.crew: frozenset[str] = frozenset()
        """The workers that were there when the active trial began."""
        self.active: str | None = None
        self.good_within_s = good_within_s

    def start(self, trial_id: str, good_within_s: float | None) -> dict[str, Any]:
        """Close the active trial's books and begin new ones; refused while there is load, whose requests go on."""
        if trial_id == self.active or trial_id in self._finished:
            raise Refusal(409, f"trial {trial_id!r} exists already; choose another id")
        self._require_calm()
        if self.active is not None:
            self._finish(self.get(self.active))
        if good_within_s is not None:
            self.good_within_s = good_within_s
        self._fleet.ask("reset", good_within_s=self.good_within_s)
        self._fleet.compare_clocks()
        self._members = {worker.id for worker in self._fleet.living}
        self.crew = frozenset(self._members)
        self.active = trial_id
        self._fleet.forget_recent()
        return {"id": trial_id, "good_within_s": self.good_within_s, "workers": len(self._members)}

    def get(self, trial_id: str) -> dict[str, Any]:
        """The books of a trial, fresh from every worker if it is the active one."""
        if trial_id in self._finished:
            return self._finished[trial_id]
        if trial_id != self.active:
            raise Refusal(404, f"trial {trial_id!r} is not known; start it with POST /lab/trials")
        answers = self._fleet.ask("books")
        holes: list[str] = []
        books, users = [], 0
        for worker in self._fleet.workers.values():
            if worker.id in answers:
                books.append(answers[worker.id]["books"])
                users += answers[worker.id]["users"]
                if worker.id not in self.crew:
                    holes.append(f"{worker.label} joined after the trial had begun")
            elif worker.id in self._members:
                books += self._last_books(worker, holes)
        return {
            "id": trial_id,
            **_added_up(books),
            "users": users,
            "workers": len(answers),
            "holes": holes,
        }

    def greet(self, worker: Worker) -> None:
        """A worker that joins has sent nothing yet: its books begin with it."""
        if self.active is not None:
            self._members.add(worker.id)

    def _require_calm(self) -> None:
        answers = self._fleet.ask("books").values()
        users = sum(answer["users"] for answer in answers)
        in_flight = sum(answer["books"]["in_flight"] for answer in answers)
        if users or in_flight:
            trial = f"trial {self.active!r}" if self.active else "the load that runs"
            load = f"{users} users and {in_flight} requests in flight"
            raise Refusal(409, f"{trial} has {load}; drain it first (POST /lab/drain)")

    def _finish(self, last: dict[str, Any]) -> None:
        self._finished[last["id"]] = last
        while len(self._finished) > KEPT_TRIALS:
            del self._finished[next(iter(self._finished))]

    @staticmethod
    def _last_books(worker: Worker, holes: list[str]) -> list[dict[str, Any]]:
        books = worker.last_books
        if books is None:
            why = worker.gone or "did not answer"
            holes.append(f"{worker.label} {why}; what it sent in this trial is unknown")
            return []
        with_it = f" with {books['in_flight']} requests in flight" if books["in_flight"] else ""
        holes.append(f"{worker.label} quit during the trial{with_it}")
        return [{**books, "in_flight": 0, "abandoned": books["in_flight"]}]


def _added_up(books: list[dict[str, Any]]) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    for page in books:
        outcomes.update(page["outcomes"])
    totals: dict[str, Any] = {name: sum(page.get(name, 0) for page in books) for name in COUNTED}
    return {**totals, "outcomes": dict(sorted(outcomes.items()))}
