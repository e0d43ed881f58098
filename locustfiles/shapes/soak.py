"""The same load for long, reached slowly: leaks and slow decay show here.

    locust -f locustfiles/mixed.py,locustfiles/shapes/soak.py --host http://127.0.0.1:8000 --headless \
        --soak-users 50 --soak-ramp-s 60 --soak-for-s 7200
"""

# mypy: allow-untyped-calls, allow-untyped-decorators

from typing import Any

from locust import LoadTestShape, events


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    group = parser.add_argument_group("shapes/soak.py")
    group.add_argument("--soak-users", type=int, default=50, env_var="LAB_SOAK_USERS", help="users once there")
    group.add_argument(
        "--soak-ramp-s", type=float, default=60.0, env_var="LAB_SOAK_RAMP_S", help="seconds until all are there"
    )
    group.add_argument("--soak-for-s", type=float, default=3600.0, env_var="LAB_SOAK_FOR_S", help="seconds after that")


class SoakShape(LoadTestShape):
    """A ramp, then a plateau."""

    def tick(self) -> tuple[int, float] | None:
        """Users now and how many may start per second; None at the end."""
        assert self.runner is not None
        options: Any = self.runner.environment.parsed_options
        if self.get_run_time() >= options.soak_ramp_s + options.soak_for_s:
            return None
        return options.soak_users, options.soak_users / max(1.0, options.soak_ramp_s)
