"""What a business application sees: orders read and written, items looked up.

The key for POST /data comes from the environment variable LAB_API_KEY, if the service wants one.

    locust -f locustfiles/mixed.py --host http://127.0.0.1:8000
    LAB_API_KEY=... locust -f locustfiles/mixed.py --host http://127.0.0.1:8000 --headless -u 50 -r 50 -t 30s
"""

import json
import os

from _user import LabUser
from locust import task

ITEMS = 1000
TAGS = ("small", "steel", "urgent", "spare")


def _key_header() -> dict[str, str]:
    key = os.environ.get("LAB_API_KEY")
    return {"X-API-Key": key} if key else {}


class MixedUser(LabUser):
    """Of 18 tasks: ten items, five calls of the upstream, two orders, one page."""

    @task(10)
    def item(self) -> None:
        """One item."""
        self.get(f"/items/{self.random.randint(1, ITEMS)}", name="/items/{id}")

    @task(5)
    def data(self) -> None:
        """One call of the upstream."""
        self.get("/data")

    @task(2)
    def order(self) -> None:
        """A valid order, answered 201."""
        body = {
            "name": f"part-{self.random.randint(1, ITEMS):04d}",
            "quantity": self.random.randint(1, 100),
            "tags": self.random.sample(TAGS, k=2),
        }
        self.post("/data", json.dumps(body).encode(), headers=_key_header())

    @task(1)
    def page(self) -> None:
        """The first page."""
        self.get("/items?limit=20&offset=0", name="/items")
