"""The FastAPI application: the contract's routes, a line or two each."""

# FastAPI reads the annotations of the routes: they must be values here, not postponed texts.

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.telemetry import TelemetryConfig
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException

from fastapi_uvicorn.process import ServiceProcess, open_process
from fastapi_uvicorn.requests import (
    credentials_checked_by,
    json_body_of,
    json_response,
    parameters_of,
    problem_response,
    translate,
)
from fastapi_uvicorn.schemas import BurnQuery, HoldQuery, ListQuery, NewOrder, Record, Records
from svc_common import contract, problem, upstream_answer, work
from svc_common.auth import authenticator
from svc_common.injection import InjectedAsgi
from svc_common.metrics import ServiceMetrics
from svc_common.settings import Settings

__all__ = ["create_app"]

TITLE = "The systems under test"
# It would look at every request for a provider that nobody configures; the services have metrics of their own.
WITHOUT_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}
WITH_BODY = (400, 413, 415, 422)


def create_app(settings: Settings, metrics: ServiceMetrics | None, is_stopping: Callable[[], bool]) -> FastAPI:
    """The application. Its resources are opened by its lifespan, inside the event loop that serves it.

    `metrics` are for the upstream client and the event loop; requests are counted by the middleware
    that `__main__` wraps around the application. `is_stopping` tells whether the process is asked to stop.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with open_process(settings, metrics) as process:
            yield {"process": process}

    app = FastAPI(
        title=TITLE,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        telemetry=WITHOUT_TELEMETRY,
        responses=_answers(500, 503),
    )
    _add_reads(app)
    _add_writes(app, settings)
    _add_waits_and_work(app)
    _add_probes(app, is_stopping)
    _add_error_handlers(app)
    if settings.injected_service_ratio > 0:
        app.add_middleware(InjectedAsgi, ratio=settings.injected_service_ratio)
    return app


def _answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": "See the contract."} for status in statuses}


def _process(request: Request) -> ServiceProcess:
    return cast(ServiceProcess, request.state.process)


def _add_reads(app: FastAPI) -> None:
    @app.get("/items/{id}", responses=_answers(404, 422))
    async def get_item(request: Request) -> Response:
        # Not a declared parameter: FastAPI would validate a text here that work.item has to read strictly anyway.
        return json_response(work.item(request.path_params["id"]))

    @app.get("/items", responses=_answers(422))
    async def list_items(page: Annotated[ListQuery, Depends(parameters_of(TypeAdapter(ListQuery)))]) -> Response:
        return json_response(work.list_items(page.limit, page.offset))


def _add_writes(app: FastAPI, settings: Settings) -> None:
    check = authenticator(settings)
    guards = [] if check is None else [Depends(credentials_checked_by(check))]
    order_body = json_body_of(TypeAdapter(NewOrder), settings.max_body_bytes)
    records_body = json_body_of(TypeAdapter(Records), settings.max_body_bytes)

    @app.post("/data", status_code=201, responses=_answers(401, *WITH_BODY), dependencies=guards)
    async def post_data(order: Annotated[NewOrder, Depends(order_body)]) -> Response:
        return json_response(work.accept_order(order.name, order.quantity, order.tags), status=201)

    @app.post("/payload", responses=_answers(*WITH_BODY))
    async def post_payload(records: Annotated[list[Record], Depends(records_body)]) -> Response:
        return json_response(work.summarise((item.id, item.value, item.label) for item in records))


def _add_waits_and_work(app: FastAPI) -> None:
    @app.get("/data", responses=_answers(429, 502, 504))
    async def get_data(request: Request) -> Response:
        return json_response(upstream_answer.reply(await _process(request).upstream.quote()))

    @app.get("/cpu", responses=_answers(422))
    async def get_cpu(
        request: Request, burst: Annotated[BurnQuery, Depends(parameters_of(TypeAdapter(BurnQuery)))]
    ) -> Response:
        return json_response(work.burned(burst.n, await _process(request).burn(burst.n)))

    @app.get("/hold", responses=_answers(422))
    async def get_hold(hold: Annotated[HoldQuery, Depends(parameters_of(TypeAdapter(HoldQuery)))]) -> Response:
        await asyncio.sleep(hold.s)
        return json_response(work.held(hold.s))


def _add_probes(app: FastAPI, is_stopping: Callable[[], bool]) -> None:
    @app.get("/livez")
    async def get_livez() -> Response:
        return json_response(work.ALIVE)

    @app.get("/readyz")
    async def get_readyz() -> Response:
        if is_stopping():
            raise problem.stopping()
        return json_response(work.READY)

    @app.get("/openapi.json")
    async def get_contract() -> Response:
        return json_response(contract.document_json())

    @app.get("/docs", include_in_schema=False)
    async def get_docs() -> Response:
        return get_swagger_ui_html(openapi_url="/openapi.json", title=TITLE)


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(problem.ProblemError)
    async def answer_problem(_request: Request, error: problem.ProblemError) -> Response:
        return problem_response(error)

    @app.exception_handler(HTTPException)
    async def answer_http_error(request: Request, error: HTTPException) -> Response:
        return problem_response(translate(error, request, app.routes))

    @app.exception_handler(Exception)
    async def answer_fault(_request: Request, _error: Exception) -> Response:
        return problem_response(problem.internal())
