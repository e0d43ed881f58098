"""A staircase of users: each step of --steps-users for --step-s seconds, then the end.

    locust -f locustfiles/io_bound.py,locustfiles/shapes/steps.py --host http://127.0.0.1:8000 --headless \
        --steps-users 10,20,40,80 --step-s 30
"""

# mypy: allow-untyped-calls, allow-untyped-decorators

from typing import Any

from locust import LoadTestShape, events


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    group = parser.add_argument_group("shapes/steps.py")
    group.add_argument("--steps-users", default="10,20,40,80", env_var="LAB_STEPS_USERS", help="users of each step")
    group.add_argument("--step-s", type=float, default=30.0, env_var="LAB_STEP_S", help="seconds of each step")


def parse_steps(text: str) -> list[int]:
    """Users of each step; SystemExit with one line where it is not a list of whole numbers from 1 on."""
    try:
        users = [int(step) for step in text.split(",")]
    except ValueError:
        users = []
    if not users or min(users) < 1:
        raise SystemExit(f"--steps-users: got {text!r}, expected whole numbers from 1 on, as in 10,20,40")
    return users


def length_s(seconds: float) -> float:
    """The length of a step as it is; SystemExit with one line where it never ends or never lasts."""
    if not 0 < seconds < float("inf"):
        raise SystemExit(f"--step-s: got {seconds:g}, expected seconds above 0, as in 30")
    return seconds


class StepsShape(LoadTestShape):
    """Users by step; each step starts at once."""

    def tick(self) -> tuple[int, float] | None:
        """Users now and how many may start per second; None at the end."""
        assert self.runner is not None
        options: Any = self.runner.environment.parsed_options
        users = parse_steps(options.steps_users)
        step = int(self.get_run_time() // length_s(options.step_s))
        return (users[step], float(max(users))) if step < len(users) else None
