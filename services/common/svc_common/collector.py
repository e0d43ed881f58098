"""Python's garbage collector and what a process has imported, in which nothing is ever garbage."""

from __future__ import annotations

import gc

__all__ = ["freeze_imports"]


def freeze_imports(*, is_forked: bool = False) -> None:
    """Keep the collector off all that there is now: to be called once the process is ready, before its first request.

    Otherwise the first full collection looks through everything that was imported. It comes after some 2 600 requests
    and stops the process for tens of milliseconds: always in the same window of a process, and in no other.

    is_forked: nothing is collected first, since that writes to every object and thus copies what is shared with others.
    """
    if not is_forked:
        gc.collect()
    gc.freeze()
