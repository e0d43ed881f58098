"""cProfile of one worker's application, called in this process: python profile_app.py flask|fastapi CALLS.

Prints {"plain_us", "profiled_us", "us_by_package"}: per request, the server left out. Time in built-in functions
belongs to the package that called them. cProfile makes Python calls look dearer than C: shares, not prices.
"""

from __future__ import annotations

import asyncio
import cProfile
import io
import json
import pstats
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "services"), str(ROOT / "services" / "common")]

from svc_common.metrics import ServiceMetrics  # noqa: E402 - found through the line above
from svc_common.settings import Settings  # noqa: E402

PATH = "/items/17"
STAMP = "t=1790000000.000000"
WARM_CALLS = 500


def flask_calls() -> Callable[[int], None]:
    """The Flask application with its metrics, called as gunicorn calls it."""
    from flask_gunicorn.app import create_app

    app: Any = create_app(Settings.from_env({}, stack="sync"), ServiceMetrics(stack="sync"))

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        assert status == "200 OK"

    def call(times: int) -> None:
        for _ in range(times):
            answer = app(_environ(), start_response)
            for _part in answer:
                pass
            answer.close()

    return call


def _environ() -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_X_REQUEST_START": STAMP,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def fastapi_calls() -> Callable[[int], None]:
    """The FastAPI application with its metrics, called as uvicorn calls it."""
    from fastapi_uvicorn.app import create_app
    from svc_common.asgi_metrics import AsgiMetrics

    metrics = ServiceMetrics(stack="async")
    app = AsgiMetrics(create_app(Settings.from_env({}, stack="async"), metrics, lambda: False), metrics)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200

    async def call_async(times: int) -> None:
        for _ in range(times):
            await app(_scope(), receive, send)

    return lambda times: asyncio.run(call_async(times))


def _scope() -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"x-request-start", STAMP.encode())],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


def package_of(file: str) -> str:
    """The package that a source file belongs to; the standard library is one."""
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    if "services" in parts:
        below = parts[parts.index("services") + 1 :]
        return below[1] if below[0] == "common" and len(below) > 1 else below[0]
    return "the measure itself" if file == __file__ else "standard library"


def by_package(stats: pstats.Stats) -> dict[str, float]:
    """Seconds spent in each package itself."""
    found: defaultdict[str, float] = defaultdict(float)
    table: dict[Any, Any] = stats.stats  # type: ignore[attr-defined]
    for (file, _, _), (_, _, own_s, _, callers) in table.items():
        if file != "~":
            found[package_of(file)] += own_s
            continue
        for (caller, _, _), row in callers.items():
            found["standard library" if caller == "~" else package_of(caller)] += row[2]
    return dict(found)


def main(stack: str, calls: int) -> None:
    """Time the calls bare, then under the profiler."""
    call = {"flask": flask_calls, "fastapi": fastapi_calls}[stack]()
    call(WARM_CALLS)
    began = time.process_time()
    call(calls)
    plain_s = time.process_time() - began
    profiler = cProfile.Profile()
    profiler.runcall(call, calls)
    packages = by_package(pstats.Stats(profiler))
    us = {name: seconds / calls * 1e6 for name, seconds in packages.items()}
    print(json.dumps({"plain_us": plain_s / calls * 1e6, "profiled_us": sum(us.values()), "us_by_package": us}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
