"""Whole, valid records of the lab inside Locust."""

from __future__ import annotations

from _exporter import Now


def make_now() -> Now:
    """A master with one worker and nothing to do, of which only that is known."""
    return Now(
        users=0,
        users_wanted=0,
        workers=1,
        workers_expected=1,
        in_flight=0,
        lag_p50_s=None,
        lag_p99_s=None,
        cpu_cores=None,
        steal_ratio=None,
        throttled_s=None,
        dropped=None,
        is_open=False,
        phase={},
        open_stack=None,
        opened=(),
    )
