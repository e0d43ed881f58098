"""Waiting for somebody else: GET /data, which calls the slow upstream once.

locust -f locustfiles/io_bound.py --host http://127.0.0.1:8000
locust -f locustfiles/io_bound.py --host http://127.0.0.1:8000 --headless -u 50 -r 50 -t 30s --think-s 0.5
"""

from _user import LabUser
from locust import task


class IoBoundUser(LabUser):
    """Asks for data, again and again."""

    @task
    def data(self) -> None:
        """One call of the upstream."""
        self.get("/data")
