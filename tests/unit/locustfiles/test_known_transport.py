"""The private names of two libraries that the recorder depends on."""

from __future__ import annotations

import re

import gevent
import geventhttpclient
import geventhttpclient.client
import pytest
from _recorder import Recorder
from _transport import ANSWER, RETRY_RULE, make_exact
from geventhttpclient.client import HTTPClient
from geventhttpclient.connectionpool import ConnectionPool
from geventhttpclient.url import URL
from geventhttpclient.useragent import CompatRequest

CLIENT, GEVENT = f"geventhttpclient {geventhttpclient.__version__}", f"gevent {gevent.__version__}"


class NoHeaders:
    def feed(self) -> None: ...


class NoEvent:
    def _wait(self) -> None: ...


class NoMessages(NoEvent):
    _read_event = None


@pytest.mark.parametrize(
    ("owner", "name", "instead", "message"),
    [
        (geventhttpclient.client, RETRY_RULE, None, f"{CLIENT} has no {RETRY_RULE}"),
        (geventhttpclient.client, ANSWER, None, f"{CLIENT} has no {ANSWER}"),
        (ConnectionPool, "_is_socket_alive", None, f"{CLIENT} has no _is_socket_alive"),
        (ConnectionPool, "_create_socket", None, f"{CLIENT} has no _create_socket"),
        (CompatRequest, "set_url", None, f"{CLIENT} has no set_url"),
        (HTTPClient, "_build_request", None, f"{CLIENT} has no _build_request"),
        (URL, "quoted_uri", None, f"{CLIENT} has no quoted_uri"),
        (geventhttpclient.client, ANSWER, NoEvent, f"{CLIENT} has no feed"),
        (geventhttpclient.client, ANSWER, NoHeaders, f"{CLIENT} has no _read_headers"),
        ("_transport", "PlainSocket", NoHeaders, f"{GEVENT} has no _wait"),
        ("_transport", "PlainSocket", NoEvent, f"{GEVENT} has no _read_event"),
        ("_transport", "PlainSocket", NoMessages, f"{GEVENT} has no recvmsg"),
    ],
)
def test_a_library_without_a_name_that_the_lab_needs_ends_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, instead: type | None, message: str
) -> None:
    if isinstance(owner, str):
        monkeypatch.setattr(f"{owner}.{name}", instead)
    elif instead is None:
        monkeypatch.delattr(owner, name)
    else:
        monkeypatch.setattr(owner, name, instead)
    before = _as_it_is()
    with pytest.raises(SystemExit, match=f"^{re.escape(message)}, [^\\n]*$"):
        make_exact(Recorder())
    assert _as_it_is() == before, "all or nothing is changed"


def _as_it_is() -> list[dict[str, object]]:
    return [dict(vars(owner)) for owner in (geventhttpclient.client, ConnectionPool, CompatRequest, HTTPClient)]
