"""Open connections: long-held answers (GET /hold) and connections that stay idle between two requests.

locust -f locustfiles/connections.py --host http://127.0.0.1:8000
locust -f locustfiles/connections.py --host http://127.0.0.1:8000 --headless -u 500 -r 500 -t 60s --hold-s 10
"""

# mypy: allow-untyped-decorators

from typing import Any

from _user import LabUser
from locust import events, task


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    group = parser.add_argument_group("connections.py")
    group.add_argument(
        "--hold-s", type=float, default=5.0, env_var="LAB_HOLD_S", help="how long GET /hold is held, 0 to 120"
    )
    group.add_argument(
        "--idle-s",
        type=float,
        default=10.0,
        env_var="LAB_IDLE_S",
        help="how long a connection stays open without a request; keep it below the server's keep-alive",
    )


class ConnectionsUser(LabUser):
    """Holds its one connection, half the time waiting for an answer and half the time idle."""

    @task
    def hold(self) -> None:
        """An answer that takes its time."""
        self.get(f"/hold?s={self.options.hold_s:g}", name="/hold")

    @task
    def idle(self) -> None:
        """A light request, then silence on the open connection."""
        self.get("/items/1", name="/items/{id}")
        self.pause(self.options.idle_s)
