"""A locustfile that knows nothing of the lab: asks for quotes, one after the other.

locust -f quote_user.py --host http://127.0.0.1:8000
"""

from locust import FastHttpUser, task


class QuoteUser(FastHttpUser):
    """Asks for a quote, again and again."""

    @task
    def quote(self) -> None:
        """One quote."""
        self.client.get("/quote")
