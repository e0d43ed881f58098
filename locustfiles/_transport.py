"""What geventhttpclient, FastHttpUser's client, does that a measurement cannot live with.

* It resends idempotent requests on a connection that broke, whatever ``max_retries`` says: sent twice, counted once.
* Before each request it looks with select whether a kept connection is still good. select knows no descriptor
  beyond 1023: from about a thousand users on, every request opened a connection of its own.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import select
from typing import Any

import gevent
import geventhttpclient
import geventhttpclient.client
from gevent.monkey import get_original
from geventhttpclient.connectionpool import ConnectionPool

RETRY_RULE = "_may_retry_after_send_error"
ALIVE_CHECK = "_is_socket_alive"
_poll = get_original("select", "poll")


def never_retry(method: str) -> bool:  # noqa: ARG001
    """Stands in for geventhttpclient's rule of what may be sent a second time."""
    return False


def is_idle_and_open(pool: Any, sock: Any) -> bool:  # noqa: ARG001
    """Stands in for ConnectionPool._is_socket_alive: an idle connection that can be read is closed or dirty.

    Like gevent's select it gives way to the other greenlets: they then send in batches, which costs a saturated
    generator a quarter less processor time per request than sending one by one.
    """
    descriptor = sock.fileno() if sock is not None else -1
    if descriptor < 0:
        return False
    poll = _poll()
    poll.register(descriptor, select.POLLIN)
    is_quiet = not poll.poll(0)
    gevent.sleep(0)
    return is_quiet


def make_exact() -> None:
    """Change both for this process; SystemExit with one line where the library is not the one that is known."""
    for owner, name, stand_in in (
        (geventhttpclient.client, RETRY_RULE, never_retry),
        (ConnectionPool, ALIVE_CHECK, is_idle_and_open),
    ):
        if not hasattr(owner, name):
            raise SystemExit(
                f"geventhttpclient {geventhttpclient.__version__} has no {name}, so the lab cannot keep it from"
                " resending requests; install the version that requirements.lock names"
            )
        setattr(owner, name, stand_in)
