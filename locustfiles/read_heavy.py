"""Light reads from memory: mostly GET /items/{id}, sometimes a page of GET /items.

locust -f locustfiles/read_heavy.py --host http://127.0.0.1:8000
locust -f locustfiles/read_heavy.py --host http://127.0.0.1:8000 --headless -u 100 -r 100 -t 30s
"""

from _user import LabUser
from locust import task

ITEMS = 1000
PAGE = 20


class ReadHeavyUser(LabUser):
    """Reads nine single items for each page."""

    @task(9)
    def item(self) -> None:
        """One item."""
        self.get(f"/items/{self.random.randint(1, ITEMS)}", name="/items/{id}")

    @task(1)
    def page(self) -> None:
        """One page, anywhere in the catalogue."""
        offset = self.random.randrange(0, ITEMS, PAGE)
        self.get(f"/items?limit={PAGE}&offset={offset}", name="/items")
