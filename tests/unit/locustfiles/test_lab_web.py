"""The lab's routes as HTTP, without a Locust around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from _phase import check_phase
from _web import BODY_MOST_BYTES, PHASE_MOST_BYTES, add_routes
from flask import Flask
from flask.testing import FlaskClient

from loadlab.analysis.board_levels import BoardLevel
from loadlab.pipeline.level_board import told

STACKS = ("flask-gunicorn-sync-two-workers", "fastapi-uvicorn-async", "fastapi-uvicorn-async-two-replicas")
UNITS = ("million_requests", "vcpu_s", "gib_s")


class PhaseOnly:
    """The part of the lab that needs no Locust; it takes a window as a phase."""

    def __init__(self) -> None:
        self.kept: list[Mapping[str, Any]] = []

    def set_phase(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        check_phase(body)
        self.kept.append(body)
        return body

    open_window = set_phase


@pytest.fixture
def lab() -> PhaseOnly:
    return PhaseOnly()


@pytest.fixture
def client(lab: PhaseOnly) -> Iterator[FlaskClient]:
    app, known = Flask("lab"), cast("Any", lab)
    add_routes(SimpleNamespace(app=app, auth_required_if_enabled=lambda view: view), known)
    with app.test_client() as client:
        yield client


def _levels(levels: int, lists: int) -> list[object]:
    """As the engine tells them, of every stack."""
    amounts = dict.fromkeys(UNITS, Fraction(123_456_789, 987_654_321))
    billed = {(f"price-list-of-cloud-{number}", "per_request_memory"): amounts for number in range(lists)}
    figures = {"seconds": 1234.5, "ok": 10**7, "failed": 10**5, "good": 10**7, "active_s": 1e3, "response_s": 1e9 / 7}
    return [
        told(BoardLevel(stack=stack, users=users, windows=9, left_out=9, billed=billed, **figures))  # type: ignore[arg-type]
        for users in range(1, levels + 1)
        for stack in STACKS
    ]


def test_a_phase_with_forty_levels_of_three_stacks_under_ten_prices_is_taken(
    client: FlaskClient, lab: PhaseOnly
) -> None:
    body = orjson.dumps({"stack": STACKS[1], "stacks": STACKS, "levels": _levels(levels=40, lists=10)})
    assert 4 * BODY_MOST_BYTES < len(body) < PHASE_MOST_BYTES / 4, "several times what other routes take, with room"
    assert client.post("/lab/phase", data=body).status_code == 200
    assert [len(phase["levels"]) for phase in lab.kept] == [40 * len(STACKS)]


@pytest.mark.parametrize(("path", "most_bytes"), [("/lab/phase", PHASE_MOST_BYTES), ("/lab/windows", BODY_MOST_BYTES)])
def test_a_body_beyond_what_its_route_takes_is_refused_in_one_line(
    client: FlaskClient, path: str, most_bytes: int
) -> None:
    answer = client.post(path, data=b'{"id":"' + b"x" * most_bytes + b'"}')
    assert (answer.status_code, answer.json) == (
        413,
        {"error": f"the body is too long; expected at most {most_bytes} bytes"},
    )
