"""The Flask application: the contract's routes, a line or two each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from flask_gunicorn import schemas
from flask_gunicorn.process import WorkerProcess, process_opener
from flask_gunicorn.requests import (
    authenticated,
    json_response,
    parameters,
    problem_response,
    read_json,
    translate,
)
from svc_common import contract, problem, upstream_answer, work
from svc_common.auth import authenticator
from svc_common.injection import InjectedWsgi
from svc_common.metrics import ServiceMetrics
from svc_common.settings import Settings
from svc_common.wsgi_metrics import RouteOf, WsgiMetrics

__all__ = ["close_worker", "create_app", "create_from_environment", "start_worker"]

PROCESS = "worker_process"
OPENER = "worker_process_opener"


class _ContractRule(Rule):
    """A rule that answers the methods it names and no HEAD beside GET."""

    def __init__(self, string: str, **options: Any) -> None:
        super().__init__(string, **options)
        if self.methods is not None:
            self.methods.discard("HEAD")


class _ContractFlask(Flask):
    url_rule_class: type[Rule] = _ContractRule


def create_app(settings: Settings, metrics: ServiceMetrics | None) -> Flask:
    """The application. It opens nothing: each process calls `start_worker` once, after the fork.

    `metrics` None leaves the middleware out altogether.
    """
    app = _ContractFlask(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.extensions[OPENER] = process_opener(settings, metrics)
    _add_reads(app)
    _add_writes(app, settings)
    _add_waits_and_work(app)
    _add_probes(app)
    _add_error_handlers(app)
    if settings.injected_service_ratio > 0:
        app.wsgi_app = InjectedWsgi(app.wsgi_app, settings.injected_service_ratio)  # type: ignore[method-assign]
    if metrics is not None:
        app.wsgi_app = WsgiMetrics(app.wsgi_app, metrics, _route_finder(app))  # type: ignore[method-assign]
    return app


def create_from_environment() -> Flask:
    """The application as the environment's settings ask for it."""
    settings = Settings.from_env(os.environ, stack="sync")
    return create_app(settings, ServiceMetrics(stack="sync") if settings.metrics else None)


def start_worker(app: Flask, is_stopping: Callable[[], bool]) -> None:
    """Open what this process needs to answer; call it once in each worker."""
    app.extensions[PROCESS] = app.extensions[OPENER](is_stopping)


def close_worker(app: Flask) -> None:
    """Give back what `start_worker` opened; without it, nothing happens."""
    process: WorkerProcess | None = app.extensions.pop(PROCESS, None)
    if process is not None:
        process.close()


def _process(app: Flask) -> WorkerProcess:
    process: WorkerProcess = app.extensions[PROCESS]
    return process


def _add_reads(app: Flask) -> None:
    @app.get("/items/<id>")
    def get_item(id: str) -> Response:
        return json_response(work.item(id))

    @app.get("/items")
    def list_items() -> Response:
        return json_response(work.list_items(**schemas.load_list_query(parameters())))


def _add_writes(app: Flask, settings: Settings) -> None:
    @app.post("/data")
    @authenticated(authenticator(settings))
    def post_data() -> Response:
        return json_response(work.accept_order(**schemas.load_order(read_json(settings.max_body_bytes))), status=201)

    @app.post("/payload")
    def post_payload() -> Response:
        records = schemas.load_records(read_json(settings.max_body_bytes))
        return json_response(work.summarise((item["id"], item["value"], item["label"]) for item in records))


def _add_waits_and_work(app: Flask) -> None:
    @app.get("/data")
    def get_data() -> Response:
        return json_response(upstream_answer.reply(_process(app).upstream.quote()))

    @app.get("/cpu")
    def get_cpu() -> Response:
        iterations = schemas.load_burn_query(parameters())["n"]
        return json_response(work.burned(iterations, _process(app).burn(iterations)))

    @app.get("/hold")
    def get_hold() -> Response:
        duration_s = schemas.load_hold_query(parameters())["s"]
        time.sleep(duration_s)
        return json_response(work.held(duration_s))


def _add_probes(app: Flask) -> None:
    @app.get("/livez")
    def get_livez() -> Response:
        return json_response(work.ALIVE)

    @app.get("/readyz")
    def get_readyz() -> Response:
        if _process(app).is_stopping():
            raise problem.stopping()
        return json_response(work.READY)

    @app.get("/openapi.json")
    def get_contract() -> Response:
        return json_response(contract.document_json())


def _add_error_handlers(app: Flask) -> None:
    app.register_error_handler(problem.ProblemError, problem_response)

    @app.errorhandler(HTTPException)
    def answer_http_error(error: HTTPException) -> Response:
        return problem_response(translate(error))


def _route_finder(app: Flask) -> RouteOf:
    """Tells the metrics which route a request has matched, from the request that werkzeug leaves in the environment."""
    templates = {rule.rule: rule.rule.replace("<", "{").replace(">", "}") for rule in app.url_map.iter_rules()}

    def route_of(environ: dict[str, Any]) -> str:
        rule = environ["werkzeug.request"].url_rule
        return "" if rule is None else templates[rule.rule]

    return route_of
