"""The lab's routes on Locust's web application. JSON in and out; errors are {"error": one line} with a 4xx."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from _refusal import Refusal
from flask import Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.exceptions import RequestEntityTooLarge

if TYPE_CHECKING:
    from _routes import Lab

BODY_MOST_BYTES = 65_536
"""Far beyond anything that the engine sends, except a phase."""
PHASE_MOST_BYTES = 2_097_152
"""A phase has every level of its run, and the bill of each by every price: some 0.4 MB at forty levels of three stacks
under ten prices.
"""


def _json_object(most_bytes: int = BODY_MOST_BYTES) -> Mapping[str, Any]:
    request.max_content_length = most_bytes
    try:
        body = request.get_json(force=True, silent=True)
    except OSError:  # gevent's, for a body that ends early or whose chunks make no sense
        raise Refusal(400, "the body ended early or is broken; send all of it") from None
    except RequestEntityTooLarge:
        raise Refusal(413, f"the body is too long; expected at most {most_bytes} bytes") from None
    if not isinstance(body, dict):
        raise Refusal(400, "the body is not a JSON object; send one with Content-Type: application/json")
    return body


def _answer(status: int, act: Callable[[], Mapping[str, Any]]) -> Response:
    try:
        response = jsonify(act())
        response.status_code = status
    except Refusal as refusal:
        response = jsonify({"error": str(refusal)})
        response.status_code = refusal.status
    return response


def add_routes(web_ui: Any, lab: Lab) -> None:
    """Put the routes on the web application; with --web-login they ask for the login as Locust's own do."""

    def route(path: str, method: str, view: Callable[..., Response]) -> None:
        guarded = web_ui.auth_required_if_enabled(view)
        web_ui.app.add_url_rule(path, f"lab {method} {path}", guarded, methods=[method])

    def trial(key: str) -> Response:
        return _answer(200, lambda: lab.trial(key))

    def window(key: str) -> Response:
        return _answer(200, lambda: lab.window(key))

    def close_window(key: str) -> Response:
        return _answer(200, lambda: lab.close_window(key))

    def metrics() -> Response:
        text = lab.exporter.text(with_levels=request.args.get("levels") != "0")
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    route("/lab/trials", "POST", lambda: _answer(201, lambda: lab.start_trial(_json_object())))
    route("/lab/trials/<path:key>", "GET", trial)
    route("/lab/windows", "POST", lambda: _answer(202, lambda: lab.open_window(_json_object())))
    route("/lab/windows/<path:key>", "GET", window)
    route("/lab/windows/<path:key>", "DELETE", close_window)
    route("/lab/drain", "POST", lambda: _answer(202, lab.drain))
    route("/lab/abandon", "POST", lambda: _answer(202, lab.abandon))
    route("/lab/status", "GET", lambda: _answer(200, lab.status))
    route("/lab/phase", "POST", lambda: _answer(200, lambda: lab.set_phase(_json_object(PHASE_MOST_BYTES))))
    route("/lab/phase", "GET", lambda: _answer(200, lab.phase))
    route("/metrics", "GET", metrics)
