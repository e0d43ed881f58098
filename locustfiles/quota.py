"""A third party with a quota: GET /data until it answers 429, which the service passes on.

A refused call counts as failed. The user is polite and waits as long as Retry-After says; with
--quota-impatient it asks again at once.

    locust -f locustfiles/quota.py --host http://127.0.0.1:8000
    locust -f locustfiles/quota.py --host http://127.0.0.1:8000 --headless -u 50 -r 50 -t 60s --quota-impatient
"""

# mypy: allow-untyped-decorators

from typing import Any

from _user import LabUser
from locust import events, task

REFUSED = 429
LONGEST_WAIT_S = 60.0


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    parser.add_argument(
        "--quota-impatient",
        action="store_true",
        default=False,
        env_var="LAB_QUOTA_IMPATIENT",
        help="do not wait for Retry-After after a 429",
    )


def retry_after_s(header: str | None) -> float:
    """Seconds out of a Retry-After header; zero when it is absent or a date, one minute at most."""
    return min(float(header), LONGEST_WAIT_S) if header and header.isdecimal() else 0.0


class QuotaUser(LabUser):
    """Asks for data and waits when the quota is used up."""

    @task
    def data(self) -> None:
        """One call of the upstream, and the wait that its refusal asks for."""
        response = self.get("/data")
        if response.status_code == REFUSED and not self.options.quota_impatient:
            self.pause(retry_after_s(response.headers.get("Retry-After")))
