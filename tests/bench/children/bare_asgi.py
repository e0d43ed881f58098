"""Bare Starlette with a route /items/{id}: the service's work and bytes, its server and settings."""

from __future__ import annotations

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fastapi_uvicorn import server
from svc_common import work
from svc_common.logging_line import configure_logging
from svc_common.settings import Settings


async def item(request: Request) -> Response:
    """The item as the service finds and encodes it, so that the two differ by the framework alone."""
    return Response(work.item(request.path_params["id"]), media_type="application/json")


async def ready(_request: Request) -> Response:
    """Readiness as the service has it."""
    return Response(work.READY, media_type="application/json")


def main() -> None:
    """Serve until killed."""
    settings = Settings.from_env(os.environ, stack="async")
    configure_logging(settings.log_level)
    app = Starlette(routes=[Route("/items/{id}", item), Route("/readyz", ready)])
    uvicorn.Server(server._config(settings, app)).run()


if __name__ == "__main__":
    main()
