"""An open load: arrivals at --rate-rps, whether or not earlier ones have been answered, for --open-s seconds.

    locust -f locustfiles/io_bound.py,locustfiles/shapes/open.py --host http://127.0.0.1:8000 --headless \
        --rate-rps 200 --arrivals poisson --lab-seed 7 --open-s 60 --stop-timeout 150

Each worker gets one user, which leads its share of the arrivals; -u counts for nothing. Without this shape the same
options work with -u equal to the number of workers.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators

from typing import Any

from locust import LoadTestShape, events
from locust.runners import MasterRunner


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    group = parser.add_argument_group("shapes/open.py")
    group.add_argument("--open-s", type=float, default=60.0, env_var="LAB_OPEN_S", help="seconds of the open load")


@events.init.add_listener
def _require_rate(environment: Any, **_: Any) -> None:
    if environment.parsed_options.headless and not getattr(environment.parsed_options, "rate_rps", 0):
        raise SystemExit("--rate-rps: got none, expected arrivals per second above 0 for shapes/open.py")


class OpenShape(LoadTestShape):
    """One leading user on each worker."""

    def tick(self) -> tuple[int, float] | None:
        """As many users as workers; None at the end."""
        assert self.runner is not None
        options: Any = self.runner.environment.parsed_options
        if self.get_run_time() >= options.open_s:
            return None
        workers = self.runner.worker_count if isinstance(self.runner, MasterRunner) else 1
        return max(1, workers), float(max(1, workers))
