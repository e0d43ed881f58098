"""What the lab's routes on Locust's web application do (`_web.py` puts them there)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from _drain import Drain
from _exporter import Exporter, Now
from _fleet import Fleet
from _phase import check_phase
from _refusal import number_field, text_field
from _trials import Trials
from _windows import Windows

LONGEST_WINDOW_S = 7 * 86400.0
LONGEST_DELAY_S = 3600.0


class Lab:
    """What the routes do, without HTTP: every method takes the request's JSON object."""

    def __init__(self, runner: Any, fleet: Fleet, trials: Trials, windows: Windows) -> None:
        self._runner = runner
        self._fleet = fleet
        self._trials = trials
        self._windows = windows
        self._drain = Drain(runner, fleet)
        self._phase: Mapping[str, Any] = {}
        self.exporter = Exporter(self.now, fleet.ledger, time.time())

    def start_trial(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /lab/trials {"id", "good_within_s"?}."""
        good_within_s = None
        if "good_within_s" in body:
            good_within_s = number_field(body, "good_within_s", 1e-6, 600.0)
        return self._trials.start(text_field(body, "id"), good_within_s)

    def trial(self, trial_id: str) -> dict[str, Any]:
        """GET /lab/trials/ID."""
        return self._trials.get(trial_id)

    def open_window(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /lab/windows {"id", "opens_in_s", "measure_s"}."""
        return self._windows.open(
            text_field(body, "id"),
            number_field(body, "opens_in_s", 0.0, LONGEST_DELAY_S),
            number_field(body, "measure_s", 0.01, LONGEST_WINDOW_S),
            self._trials.good_within_s,
            self._trials.crew,
            stack=str(self._phase.get("stack", "")),
            users=str(self._phase.get("users", "")),
        )

    def window(self, window_id: str) -> dict[str, Any]:
        """GET /lab/windows/ID."""
        return self._windows.get(window_id)

    def close_window(self, window_id: str) -> dict[str, Any]:
        """DELETE /lab/windows/ID closes it early."""
        return self._windows.close(window_id)

    def drain(self) -> dict[str, Any]:
        """POST /lab/drain ends the swarm without cutting a request; GET /lab/status tells when it is over."""
        self._drain.start()
        return self.status()

    def abandon(self) -> dict[str, Any]:
        """POST /lab/abandon gives up what a drain waits for, because nobody will answer it; it counts as failed."""
        self._drain.give_up()
        return self.status()

    def set_phase(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """POST /lab/phase keeps what the engine is doing; counts from here on belong to its "stack"."""
        check_phase(body)
        self._fleet.ledger.turn_to(str(body.get("stack", "")), body.get("stacks", ()))
        self._phase = body
        self.exporter.levels.tell(body.get("levels", []))
        return body

    def phase(self) -> Mapping[str, Any]:
        """GET /lab/phase."""
        return self._phase

    def status(self) -> dict[str, Any]:
        """GET /lab/status: what goes on now, from the workers' last pulses (at most 0.25 s old)."""
        living = self._fleet.living
        state = "draining" if self._drain.running else self._runner.state
        return {
            "state": state,
            "users": max(int(self._runner.user_count), sum(worker.users for worker in living)),
            "workers": len(living),
            "workers_expected": self._fleet.expected,
            "in_flight": sum(worker.in_flight for worker in living),
            **self._fleet.recent(),
            "worker_pids": sorted(worker.pid for worker in living),
            "worker_names": sorted(worker.name for worker in living),
            "trial": self._trials.active,
        }

    def now(self) -> Now:
        """What `/metrics` says of this moment."""
        living = self._fleet.living
        return Now(
            users=self.status()["users"],
            users_wanted=int(self._runner.target_user_count),
            workers=len(living),
            workers_expected=self._fleet.expected,
            in_flight=sum(worker.in_flight for worker in living),
            dropped=self._fleet.ledger.dropped,
            is_open=self._fleet.is_open,
            phase=self._phase,
            open_stack=self._windows.open_stack,
            opened=self._windows.opened,
            **self._fleet.recent_health(),
        )
