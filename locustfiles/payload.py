"""Large bodies: POST /payload with a list of records, validated one by one.

locust -f locustfiles/payload.py --host http://127.0.0.1:8000
locust -f locustfiles/payload.py --host http://127.0.0.1:8000 --headless -u 20 -r 20 -t 30s --payload-records 2000
"""

# mypy: allow-untyped-decorators

import json
from functools import lru_cache
from random import Random
from typing import Any

from _user import LabUser
from locust import events, task

HIGHEST_VALUE = 1_000_000_000


@events.init_command_line_parser.add_listener
def _add_options(parser: Any, **_: Any) -> None:
    parser.add_argument(
        "--payload-records",
        type=int,
        default=500,
        env_var="LAB_PAYLOAD_RECORDS",
        help="records in a body of POST /payload, at most 10000; about 55 bytes each",
    )


@lru_cache(maxsize=4)
def payload(records: int, seed: int) -> bytes:
    """A body of so many valid records; the same for the same seed."""
    random = Random(f"payload/{seed}")
    rows = [
        {"id": number, "value": random.randint(-HIGHEST_VALUE, HIGHEST_VALUE), "label": f"record-{number:05d}"}
        for number in range(1, records + 1)
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


class PayloadUser(LabUser):
    """Sends the same large body again and again, so that the generator pays for it once."""

    @task
    def send(self) -> None:
        """One body."""
        self.post("/payload", payload(self.options.payload_records, self.options.lab_seed))
