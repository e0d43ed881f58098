"""The user class of the recorder's measure: nothing of the lab in it, no think time, one small GET after another."""

from locust import task
from locust.contrib.fasthttp import FastHttpUser


class PlainUser(FastHttpUser):
    """Reads one item for ever."""

    def wait_time(self) -> float:
        """No think time."""
        return 0.0

    @task
    def item(self) -> None:
        """One light read."""
        self.client.get("/items/17", name="/items/{id}")
