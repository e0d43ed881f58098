"""Which of all users this is: its number in the whole fleet, the host it asks, the seed of its randomness.

Locust deals users out to its workers one after another, in an order that the master knows. Worker r of w, counted
from 0, thus has the users r, r + w, r + 2 w ... of the fleet. With n hosts user i asks host i mod n.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

logger = logging.getLogger(__name__)

BETWEEN_HOSTS = re.compile(r"\s*,\s*(?=https?://)")


def hosts_of(host: str) -> list[str]:
    """The base addresses of a host field: one, or several with commas between them."""
    return BETWEEN_HOSTS.split(host.strip())


def deal_ranks(environment: Any, **_: Any) -> None:
    """Listener of test_start on a master: the order in which it deals users out goes to the workers as an option.

    Of an open load one user on each worker leads the arrivals; a warning says where there are fewer.
    """
    runner, options = environment.runner, environment.parsed_options
    order = getattr(runner._users_dispatcher, "_worker_nodes", None) or sorted(
        runner.clients.all, key=lambda node: str(node.id)
    )
    options.lab_ranks = {node.id: rank for rank, node in enumerate(order)}
    users, workers = runner.target_user_count, len(options.lab_ranks)
    if options.rate_rps and users < workers:
        logger.warning(
            "open load: got %d users for %d workers, expected one on each to lead its arrivals; what is due on %d "
            "workers is not sent: start with -u %d -r %d",
            *(users, workers, workers - users, workers, workers),
        )


class Roster:
    """Numbers the users of this process, anew with each swarm."""

    def __init__(self) -> None:
        self._rank = 0
        self._workers = 1
        self._enrolled = 0
        self._host: int | None = None
        self.hosts = 1
        """How many addresses the users of this swarm ask."""
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

    @property
    def place(self) -> tuple[int, int]:
        """Which of how many workers this is."""
        return self._rank, self._workers

    @contextmanager
    def placed_at(self, host: int) -> Iterator[None]:
        """Users that are made inside ask this host, whatever their number."""
        self._host = host
        try:
            yield
        finally:
            self._host = None

    def enrols(self, make: Callable[..., None]) -> Callable[..., None]:
        """Wrap User.__init__: a user gets its number, and its host where there are several."""

        def making(user: Any, *args: Any, **kwargs: Any) -> None:
            make(user, *args, **kwargs)
            user.lab_number = self._enrolled * self._workers + self._rank
            self._enrolled += 1
            hosts = hosts_of(user.host or "")
            self.hosts = len(hosts)
            if len(hosts) > 1:
                number = user.lab_number if self._host is None else self._host
                user.host = hosts[number % len(hosts)]

        return making


def randomness(user: Any, what: str = "") -> Random:
    """A stream of its own for one user; the same for the same seed and number, whichever worker has it."""
    return Random(f"{user.environment.parsed_options.lab_seed}/{user.lab_number}{what}")
