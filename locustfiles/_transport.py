"""What geventhttpclient, FastHttpUser's client, does that a measurement cannot live with.

* It resends idempotent requests on a connection that broke, whatever ``max_retries`` says: sent twice, counted once.
* Before each request it looks with select whether a kept connection is still good. select knows no descriptor
  beyond 1023: from about a thousand users on, every request opened a connection of its own.
* That look gives way to all other greenlets while the clock of the request runs. It still gives way, because users
  then send in batches, which costs a saturated generator a tenth less processor time than sending one by one; but the
  request counts as sent only after that, when nothing but the system call is left (``Recorder.send``).
* It asks for an answer that cannot be there yet, and does not say when one came (``_answer.py``, ``_arrived.py``).
* It works out the same text for each request (``_known_requests.py``).
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import gevent
import geventhttpclient
import geventhttpclient.client
from _answer import timed_answer
from _arrived import ArrivalStamps, keep_stamping, stamp, stamped_sockets
from _known_requests import OF_AN_URL, parsed_once, written_once
from _recorder import UNSENT, Recorder
from gevent import getcurrent
from gevent.monkey import get_original
from gevent.socket import socket as PlainSocket  # type: ignore[attr-defined]  # its stubs leave it out
from geventhttpclient.client import HTTPClient
from geventhttpclient.connectionpool import ConnectionPool
from geventhttpclient.url import URL
from geventhttpclient.useragent import CompatRequest

RETRY_RULE = "_may_retry_after_send_error"
ANSWER = "HTTPSocketPoolResponse"
ALIVE_CHECK = "_is_socket_alive"
CONNECT = "_create_socket"
SET_URL = "set_url"
HEAD = "_build_request"
OF_AN_ANSWER = ("feed", "_read_headers")
OF_A_SOCKET = ("_wait", "_read_event", "recvmsg")
"""What `_answer.py` and `_arrived.py` build upon."""
_poll = get_original("select", "poll")


def never_retry(method: str) -> bool:  # noqa: ARG001
    """Stands in for geventhttpclient's rule of what may be sent a second time."""
    return False


def give_way_and_look(recorder: Recorder) -> Callable[[Any, Any], bool]:
    """Stands in for ConnectionPool._is_socket_alive: an idle connection that can be read is closed or dirty.

    The hop after a redirect is under way already, so it gives way to nobody.
    """
    in_flight, clock = recorder.in_flight, recorder.clock

    def is_idle_and_open(pool: Any, sock: Any) -> bool:
        me = getcurrent()
        is_first = in_flight.get(me) is UNSENT
        if is_first:
            gevent.sleep(0)
        if sock is None or sock.fileno() < 0:
            return False
        if getattr(pool, "lab_looks_at", None) is not sock:
            pool.lab_looks_at, pool.lab_look = sock, _look_at(sock)
        if pool.lab_look(0):
            return False
        if is_first:
            in_flight[me] = clock()
        return True

    return is_idle_and_open


def _look_at(sock: Any) -> Callable[[int], list[Any]]:
    """Asks, of one descriptor, whether it can be read; made once for a connection, not for each request."""
    poll = _poll()
    poll.register(sock.fileno(), select.POLLIN)
    look: Callable[[int], list[Any]] = poll.poll
    return look


def sent_with_its_connection(
    create: Callable[[Any], Any], recorder: Recorder, near: type[Any], far: type[Any]
) -> Callable[[Any], Any]:
    """Wrap ConnectionPool._create_socket: a request that needs a new connection is sent when that is begun."""

    def creating(pool: Any) -> Any:
        recorder.send()
        return stamp(create(pool), near, far)

    return creating


def _check_names() -> None:
    answer = getattr(geventhttpclient.client, ANSWER, None)
    for library, owner, names in (
        (geventhttpclient, geventhttpclient.client, (RETRY_RULE, ANSWER)),
        (geventhttpclient, ConnectionPool, (ALIVE_CHECK, CONNECT)),
        (geventhttpclient, CompatRequest, (SET_URL,)),
        (geventhttpclient, URL, OF_AN_URL),
        (geventhttpclient, HTTPClient, (HEAD,)),
        (geventhttpclient, answer, OF_AN_ANSWER),
        (gevent, PlainSocket, OF_A_SOCKET),
    ):
        for name in names:
            if not hasattr(owner, name):
                raise SystemExit(
                    f"{library.__name__} {library.__version__} has no {name}, so the lab cannot keep it from resending"
                    " requests or say when one was sent and answered; install the version that requirements.lock names"
                )


def make_exact(recorder: Recorder) -> None:
    """Change all of it for this process; SystemExit with one line where a library is not the one that is known."""
    _check_names()
    stamps = ArrivalStamps(recorder.clock)
    stamped = near, far = stamped_sockets(stamps)
    near.lab_keeper = keep_stamping()  # open as long as there are such sockets
    replaced: list[tuple[Any, str, Callable[[Any], Any]]] = [
        (geventhttpclient.client, RETRY_RULE, lambda _: never_retry),
        (geventhttpclient.client, ANSWER, lambda answer: timed_answer(answer, recorder.clock, stamps, stamped)),
        (ConnectionPool, ALIVE_CHECK, lambda _: give_way_and_look(recorder)),
        (ConnectionPool, CONNECT, lambda create: sent_with_its_connection(create, recorder, near, far)),
        (CompatRequest, SET_URL, parsed_once),
        (HTTPClient, HEAD, written_once),
    ]
    for owner, name, wrap in replaced:
        setattr(owner, name, wrap(getattr(owner, name)))
