"""Which of all users this is: its number in the whole fleet, the host it asks, the seed of its randomness.

Locust deals users out to its workers one after another, in an order that the master knows. Worker r of w, counted
from 0, thus has the users r, r + w, r + 2 w ... of the fleet. With n hosts user i asks host i mod n.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import random
import re
from collections.abc import Callable
from random import Random
from typing import Any

BETWEEN_HOSTS = re.compile(r"\s*,\s*(?=https?://)")


def hosts_of(host: str) -> list[str]:
    """The base addresses of a host field: one, or several with commas between them."""
    return BETWEEN_HOSTS.split(host.strip())


def deal_ranks(environment: Any, **_: Any) -> None:
    """Listener of test_start on a master: the order in which it deals users out goes to the workers as an option."""
    runner = environment.runner
    order = getattr(runner._users_dispatcher, "_worker_nodes", None) or sorted(
        runner.clients.all, key=lambda node: str(node.id)
    )
    environment.parsed_options.lab_ranks = {node.id: rank for rank, node in enumerate(order)}


class Roster:
    """Numbers the users of this process, anew with each swarm."""

    def __init__(self) -> None:
        self._rank = 0
        self._workers = 1
        self._enrolled = 0
        self.own_waits: set[str] = set()
        """User classes of this swarm that wait as their own wait_time says and not --think-s."""

    def begin(self, environment: Any, **_: Any) -> None:
        """Listener of test_start on whoever makes load: count from 0, and seed what Locust and scenarios draw from."""
        runner, options = environment.runner, environment.parsed_options
        ranks = getattr(options, "lab_ranks", {})
        self._rank = ranks.get(runner.client_id, max(0, runner.worker_index))
        self._workers = max(1, len(ranks), self._rank + 1)
        self._enrolled = 0
        self.own_waits = set()
        if options.lab_seed:
            random.seed(f"{options.lab_seed}/{self._rank}")

    def enrols(self, make: Callable[..., None]) -> Callable[..., None]:
        """Wrap User.__init__: a user gets its number, and its host where there are several."""

        def making(user: Any, *args: Any, **kwargs: Any) -> None:
            make(user, *args, **kwargs)
            user.lab_number = self._enrolled * self._workers + self._rank
            self._enrolled += 1
            hosts = hosts_of(user.host or "")
            if len(hosts) > 1:
                user.host = hosts[user.lab_number % len(hosts)]

        return making


def randomness(user: Any, what: str = "") -> Random:
    """A stream of its own for one user; the same for the same seed and number, whichever worker has it."""
    return Random(f"{user.environment.parsed_options.lab_seed}/{user.lab_number}{what}")
