"""Redirects that a client follows: each was a request of its own to whoever answered it.

The lab's users follow none. Others follow them as Locust does: the books count every request that went out, so that
they agree with what the service counted, while a window counts what the scenario asked for, with the latency of the
whole chain. Headers out of the environment stay with the origin that they were meant for.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from _recorder import Recorder
from gevent import getcurrent


def followed_by_fast_session(
    redirect: Callable[..., None], recorder: Recorder, headers: Collection[str]
) -> Callable[..., None]:
    """Wrap geventhttpclient's CompatRequest.redirect, which is called for each redirect that will be followed."""

    def redirecting(request: Any, code: int, location: str) -> None:
        redirect(request, code, location)
        recorder.follow(code)
        if not request._is_same_origin():
            for name in headers:
                request.headers.discard(name)

    return redirecting


def followed_by_session(rebuild_auth: Callable[..., None], headers: Collection[str]) -> Callable[[Any, Any, Any], None]:
    """Wrap requests' Session.rebuild_auth, which sees a redirect before it is followed."""

    def rebuilding(session: Any, request: Any, response: Any) -> None:
        rebuild_auth(session, request, response)
        session.lab_redirect = response.status_code
        if session.should_strip_auth(response.request.url, request.url):
            for name in headers:
                request.headers.pop(name, None)

    return rebuilding


def counted_sends(send: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]:
    """Wrap requests' Session.send: a send inside a send follows a redirect."""
    sending: set[Any] = set()

    def watched(session: Any, request: Any, **kwargs: Any) -> Any:
        me = getcurrent()
        if me in sending:
            recorder.follow(session.lab_redirect)
            return send(session, request, **kwargs)
        sending.add(me)
        recorder.send()
        try:
            return send(session, request, **kwargs)
        finally:
            sending.discard(me)

    return watched
