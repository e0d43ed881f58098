"""Calm, a sudden crowd, calm again: does the service come back?

    locust -f locustfiles/io_bound.py,locustfiles/shapes/spike.py --host http://127.0.0.1:8000 --headless \
        --spike-base 10 --spike-peak 200 --spike-at-s 30 --spike-for-s 20 --spike-after-s 60
"""

# mypy: allow-untyped-calls, allow-untyped-decorators

from typing import Any

from locust import LoadTestShape, events


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    group = parser.add_argument_group("shapes/spike.py")
    group.add_argument("--spike-base", type=int, default=10, env_var="LAB_SPIKE_BASE", help="users when calm")
    group.add_argument("--spike-peak", type=int, default=200, env_var="LAB_SPIKE_PEAK", help="users in the spike")
    group.add_argument(
        "--spike-at-s", type=float, default=30.0, env_var="LAB_SPIKE_AT_S", help="calm seconds before it"
    )
    group.add_argument(
        "--spike-for-s", type=float, default=20.0, env_var="LAB_SPIKE_FOR_S", help="seconds that it lasts"
    )
    group.add_argument(
        "--spike-after-s", type=float, default=60.0, env_var="LAB_SPIKE_AFTER_S", help="calm seconds after it"
    )


class SpikeShape(LoadTestShape):
    """A rectangle on top of a base."""

    def tick(self) -> tuple[int, float] | None:
        """Users now and how many may start per second; None at the end."""
        assert self.runner is not None
        options: Any = self.runner.environment.parsed_options
        over_s = options.spike_at_s + options.spike_for_s
        now_s = self.get_run_time()
        if now_s >= over_s + options.spike_after_s:
            return None
        spiking = options.spike_at_s <= now_s < over_s
        return (options.spike_peak if spiking else options.spike_base), float(options.spike_peak)
