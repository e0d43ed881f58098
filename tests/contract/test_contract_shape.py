"""Both stacks answer requests generated from the contract, well-formed ones and others, and answer them alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
import yaml
from fastapi.openapi.utils import get_openapi
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from fastapi_uvicorn.app import create_app as create_fastapi_app
from flask_gunicorn.app import create_app as create_flask_app
from svc_common.contract import CONTRACT_FILE
from svc_common.settings import Settings

CONTRACT: dict[str, Any] = yaml.safe_load(CONTRACT_FILE.read_text(encoding="utf-8"))
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "12"))
"""Requests for each operation at most; `make bench` asks for more, of its measure `contract`."""

REFUSED = ["400", "401", "404", "405", "413", "415", "422"]
"""How the contract refuses a request; schemathesis leaves 413 out, though too many records may be too long a body."""


def _schema() -> schemathesis.BaseSchema:
    config = SchemathesisConfig.from_dict(
        {
            "generation": {"deterministic": True, "max-examples": EXAMPLES, "database": "none"},
            "seed": 20261123,
            "checks": {"negative_data_rejection": {"expected-statuses": REFUSED}},
        }
    )
    return schemathesis.openapi.from_dict(CONTRACT, config=config)


schema = _schema()


def _make_cheap(case: schemathesis.Case[Any]) -> None:
    """Keep valid waits and bursts valid, but short."""
    query = case.query or {}
    if case.operation.path == "/hold" and _within(query.get("s"), 0, 120):
        query["s"] = 0.01
    if case.operation.path == "/cpu" and _within(query.get("n"), 1, 10_000_000):
        query["n"] = 1000


def _whole(value: Any) -> Any:
    """Whole numbers as integers: to JSON Schema `1.0` is one, to the contract it is not (see the table of traps)."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _within(value: object, low: float, high: float) -> bool:
    try:
        return low <= float(str(value)) <= high
    except ValueError:
        return False


@schema.parametrize()
@settings(suppress_health_check=list(HealthCheck))
def test_generated_requests_are_answered_as_the_contract_says_and_alike(
    case: schemathesis.Case[Any], both: tuple[Any, Any], comparable: Callable[[Any], object]
) -> None:
    _make_cheap(case)
    case.body = _whole(case.body)
    answers = []
    for service in both:
        response = case.call(base_url=service.url)
        case.validate_response(response)
        answers.append(comparable(response))
    assert answers[0] == answers[1]


def test_fastapi_generates_the_same_paths_methods_and_statuses_as_the_contract() -> None:
    app = create_fastapi_app(Settings.from_env({}, stack="async"), None, lambda: False)
    generated = get_openapi(title="generated", version="1", routes=app.routes)
    assert _statuses(generated) == _statuses(CONTRACT)


def test_flask_routes_the_same_paths_and_methods_as_the_contract() -> None:
    app = create_flask_app(Settings.from_env({}, stack="sync"), None)
    routed = {
        (rule.rule.replace("<", "{").replace(">", "}"), method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    assert routed == {(path, method) for path, method, _ in _statuses(CONTRACT)}


def test_both_serve_the_contract_itself(both: tuple[Any, Any]) -> None:
    assert [service.get("/openapi.json").json() for service in both] == [CONTRACT, CONTRACT]


def test_every_listed_difference_names_both_stacks_and_a_reason() -> None:
    expected = {"id", "where", "flask_gunicorn", "fastapi_uvicorn", "reason"}
    assert [set(item) for item in CONTRACT["x-stack-differences"]] == [expected] * len(CONTRACT["x-stack-differences"])


def _statuses(document: dict[str, Any]) -> set[tuple[str, str, frozenset[str]]]:
    return {
        (path, method.upper(), frozenset(operation["responses"]))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


@pytest.mark.parametrize(
    ("path", "flask_status", "fastapi_status"), [("/docs", 404, 200), ("//items", 200, 404), ("/items%0A", 404, 200)]
)
def test_a_listed_difference_is_as_it_is_listed(
    both: tuple[Any, Any], path: str, flask_status: int, fastapi_status: int
) -> None:
    assert [service.get(path).status_code for service in both] == [flask_status, fastapi_status]


@pytest.mark.parametrize(
    ("path", "flask_field", "fastapi_field"), [("/items?_schema=1", "", "_schema"), ("/items?%FF=1", "%FF", "\ufffd")]
)
def test_odd_names_are_told_as_it_is_listed(
    both: tuple[Any, Any], path: str, flask_field: str, fastapi_field: str
) -> None:
    answers = [service.get(path) for service in both]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert [answer.json()["error"]["details"][0]["field"] for answer in answers] == [flask_field, fastapi_field]
