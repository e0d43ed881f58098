"""The user class of bare Locust in the side by side: nothing of the lab in it, five requests a second of each user."""

from locust import constant_throughput, task
from locust.contrib.fasthttp import FastHttpUser


class PacedUser(FastHttpUser):
    """Asks five times a second, as Locust paces it: late ones are never made up for."""

    wait_time = constant_throughput(5)

    @task
    def data(self) -> None:
        """What the lab's own user asks for."""
        self.client.get("/data")
