"""The times of the upstream's ``steps(...)``, which count from the start of each trial.

Counted from the upstream's own start they would tell when a window was measured: of two stacks that are compared one
would meet the first step and the other the second.
"""

from __future__ import annotations

import urllib3

from loadlab.errors import LoadError

RESET = "/schedule/reset"


def begin_anew(http: urllib3.PoolManager, url: str) -> None:
    """Its times count from now on. Raises LoadError, on which a trial is done again."""
    try:
        answer = http.request("POST", url + RESET)
        got = f"status {answer.status}"
    except urllib3.exceptions.HTTPError as error:
        got = type(error).__name__
    if got != "status 200":
        raise LoadError(
            f"upstream: {url}{RESET}: got {got}, expected 200, so that its steps count from the trial's start; "
            "see its log in the bundle"
        )
