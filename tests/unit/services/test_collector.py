"""What a process of the services keeps its garbage collector off, and when."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

import fastapi_uvicorn.process
import flask_gunicorn.process
from svc_common.collector import freeze_imports
from svc_common.settings import Settings
from upstream.app import UpstreamApp
from upstream.settings import UpstreamSettings


@pytest.fixture
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("is_forked", [False, True])
@pytest.mark.usefixtures("thawed")
def test_what_there_is_is_frozen_and_only_an_unshared_process_collects_first(is_forked: bool) -> None:
    collected: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            collected.append(info["generation"])

    gc.disable()
    gc.callbacks.append(note)
    try:
        freeze_imports(is_forked=is_forked)
    finally:
        gc.callbacks.remove(note)
        gc.enable()
    assert collected == ([] if is_forked else [2])
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects(generation=2)) < gc.get_freeze_count() / 10


CASES = [({}, [False]), ({"SVC_GC_FREEZE": "true"}, [False]), ({"SVC_GC_FREEZE": "false"}, [])]


@pytest.mark.parametrize(("environ", "calls"), [*CASES, ({"SVC_PRELOAD": "true"}, [True])])
def test_a_worker_of_gunicorn_freezes_once_it_has_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], calls: list[bool]
) -> None:
    seen = _noted(monkeypatch, flask_gunicorn.process)
    open_process = flask_gunicorn.process.process_opener(Settings.from_env(environ, stack="sync"), None)
    assert seen == []
    open_process(lambda: False).close()
    assert seen == calls


@pytest.mark.parametrize(("environ", "calls"), CASES)
def test_the_async_process_freezes_before_it_serves(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], calls: list[bool]
) -> None:
    seen = _noted(monkeypatch, fastapi_uvicorn.process)

    async def opened() -> None:
        async with fastapi_uvicorn.process.open_process(Settings.from_env(environ, stack="async"), None):
            assert seen == calls

    asyncio.run(opened())
    assert seen == calls


def test_the_upstream_freezes_once_when_its_server_has_loaded_everything() -> None:
    told: list[str] = []
    app = UpstreamApp(UpstreamSettings.from_env({}), when_ready=lambda: told.append("frozen"))
    messages = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> dict[str, str]:
        return {"type": next(messages)}

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message["type"])

    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert told == ["frozen", "lifespan.startup.complete", "lifespan.shutdown.complete"]


def _noted(monkeypatch: pytest.MonkeyPatch, process: Any) -> list[bool]:
    seen: list[bool] = []
    monkeypatch.setattr(process, "freeze_imports", lambda *, is_forked=False: seen.append(is_forked))
    return seen
