"""Processor time: GET /cpu?n=..., a fixed amount of work.

locust -f locustfiles/cpu_bound.py --host http://127.0.0.1:8000
locust -f locustfiles/cpu_bound.py --host http://127.0.0.1:8000 --headless -u 8 -r 8 -t 30s --cpu-n 200000
"""

# mypy: allow-untyped-decorators

from typing import Any

from _user import LabUser
from locust import events, task


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    parser.add_argument(
        "--cpu-n", type=int, default=100_000, env_var="LAB_CPU_N", help="steps of work of GET /cpu, 1 to 10000000"
    )


class CpuBoundUser(LabUser):
    """Has the service compute."""

    @task
    def cpu(self) -> None:
        """One piece of work."""
        self.get(f"/cpu?n={self.options.cpu_n}", name="/cpu")
