"""A locustfile whose requests say which arrival of an open load they are."""

# mypy: allow-untyped-calls

import sys
from pathlib import Path

from locust import FastHttpUser, task

sys.path.insert(0, str(Path(__file__).parents[2] / "locustfiles"))

import _window  # noqa: F401


class MarkedUser(FastHttpUser):
    """One request for each arrival."""

    @task
    def ask(self) -> None:
        """With its number."""
        headers = {"X-User": "marked", "X-Arrival": str(self.lab_arrival)}  # type: ignore[attr-defined]
        self.client.get("/items/1", headers=headers)


class QuittingUser(FastHttpUser):
    """Its task ends the user when it is over."""

    @task
    def ask(self) -> None:
        """Once."""
        self.client.get("/items/1")
        self.stop()
