"""The settings of the services under test, read from `SVC_*` environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, cast

from svc_common.environment import EnvironmentReader, SettingsError, exit_on_settings_error

__all__ = ["AuthMode", "ClientKind", "CpuMode", "Settings", "SettingsError", "Stack", "load_or_exit"]

Stack = Literal["sync", "async"]
ClientKind = Literal["per_request", "pooled", "pooled_urllib3", "pooled_aiohttp"]
AuthMode = Literal["off", "api_key", "jwt"]
CpuMode = Literal["inline", "thread", "process"]

PREFIX = "SVC_"
JWT_SECRET_MIN_BYTES = 32
ASYNC_MAX_CONNECTIONS = 10_000

_CLIENTS: dict[Stack, tuple[str, ...]] = {
    "sync": ("pooled_urllib3", "pooled", "per_request"),
    "async": ("pooled_aiohttp", "pooled", "per_request"),
}
_LOG_LEVELS = ("critical", "error", "warning", "info", "debug")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """One service process's settings. Field `name` is read from `SVC_NAME`.

    `threads` is the number of request slots of one sync worker; for the async stack it is the size of the
    pool that takes offloaded work. `client_max_connections` is per process. `limit_concurrency` None means
    no limit. `gc_freeze` keeps the garbage collector off what was imported (`svc_common.collector`).
    `injected_service_ratio` makes every request take so much longer (a control, see
    `svc_common.injection`). `api_key` and `jwt_secret` are None unless set, and set whenever `auth` needs them.
    """

    stack: Stack
    host: str
    port: int
    metrics_port: int
    workers: int
    threads: int
    reuse_port: bool
    preload: bool
    client: ClientKind
    client_max_connections: int
    client_timeout_s: float
    upstream_url: str
    auth: AuthMode
    api_key: str | None = field(repr=False)
    jwt_secret: str | None = field(repr=False)
    max_body_bytes: int
    metrics: bool
    limit_concurrency: int | None
    backlog: int
    keepalive_s: int
    graceful_timeout_s: int
    cpu_mode: CpuMode
    gc_freeze: bool
    injected_service_ratio: float
    log_level: str

    @property
    def slots(self) -> int | None:
        """Requests that the whole service can work on at once; None for the async stack (no such limit)."""
        return self.workers * self.threads if self.stack == "sync" else None

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, stack: Stack) -> Settings:
        """Read and check every setting.

        Raises:
            SettingsError: a value, a combination or a `SVC_*` name that the stack does not know.
        """
        known = {item.name.upper() for item in fields(cls)} - {"STACK"}
        reader = EnvironmentReader(environ, prefix=PREFIX, known=known)
        threads = reader.integer("THREADS", 48, low=1, high=10_000)
        connections = threads if stack == "sync" else ASYNC_MAX_CONNECTIONS
        auth = cast(AuthMode, reader.choice("AUTH", "off", ("off", "api_key", "jwt")))
        settings = cls(
            stack=stack,
            host=reader.text("HOST", "127.0.0.1", allowed="an address to listen on"),
            port=reader.integer("PORT", 8000, low=1, high=65_535),
            metrics_port=reader.integer("METRICS_PORT", 9100, low=1, high=65_535),
            workers=reader.integer("WORKERS", 1, low=1, high=1_000),
            threads=threads,
            reuse_port=reader.flag("REUSE_PORT", False),
            preload=reader.flag("PRELOAD", False),
            client=cast(ClientKind, reader.choice("CLIENT", _CLIENTS[stack][0], _CLIENTS[stack])),
            client_max_connections=reader.integer("CLIENT_MAX_CONNECTIONS", connections, low=1, high=100_000),
            client_timeout_s=reader.number("CLIENT_TIMEOUT_S", 30.0, low=0.001, high=3_600),
            upstream_url=reader.base_url("UPSTREAM_URL", "http://127.0.0.1:8100"),
            auth=auth,
            api_key=_api_key(reader, auth),
            jwt_secret=_jwt_secret(reader, auth),
            max_body_bytes=reader.integer("MAX_BODY_BYTES", 1_048_576, low=1, high=1 << 30),
            metrics=reader.flag("METRICS", True, true="on", false="off"),
            limit_concurrency=reader.optional_integer("LIMIT_CONCURRENCY", low=1, high=1_000_000),
            backlog=reader.integer("BACKLOG", 2048, low=1, high=65_535),
            keepalive_s=reader.integer("KEEPALIVE_S", 75, low=1, high=3_600),
            graceful_timeout_s=reader.integer("GRACEFUL_TIMEOUT_S", 30, low=1, high=3_600),
            cpu_mode=cast(CpuMode, reader.choice("CPU_MODE", "inline", ("inline", "thread", "process"))),
            gc_freeze=reader.flag("GC_FREEZE", True),
            injected_service_ratio=reader.number("INJECTED_SERVICE_RATIO", 0.0, low=0.0, high=10.0),
            log_level=reader.choice("LOG_LEVEL", "info", _LOG_LEVELS),
        )
        _check_combinations(settings, reader)
        return settings


def load_or_exit(stack: Stack, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; a bad one prints its one line to stderr and exits with code 2."""
    with exit_on_settings_error():
        return Settings.from_env(os.environ if environ is None else environ, stack=stack)


def _api_key(reader: EnvironmentReader, auth: AuthMode) -> str | None:
    key = reader.secret("API_KEY")
    if (key is None and auth == "api_key") or (key is not None and not (key.isascii() and key.strip())):
        raise reader.wrong("API_KEY", "an ASCII key that is not blank (needed by SVC_AUTH=api_key)", secret=True)
    return key


def _jwt_secret(reader: EnvironmentReader, auth: AuthMode) -> str | None:
    secret = reader.secret("JWT_SECRET")
    too_short = secret is not None and len(secret.encode()) < JWT_SECRET_MIN_BYTES
    if too_short or (secret is None and auth == "jwt"):
        allowed = f"at least {JWT_SECRET_MIN_BYTES} bytes (needed by SVC_AUTH=jwt)"
        raise reader.wrong("JWT_SECRET", allowed, secret=True)
    return secret


def _check_combinations(settings: Settings, reader: EnvironmentReader) -> None:
    if settings.port == settings.metrics_port:
        name = "METRICS_PORT" if reader.has("METRICS_PORT") else "PORT"
        raise reader.wrong(name, "a port other than that of the other listener: SVC_PORT and SVC_METRICS_PORT")
    if settings.stack == "sync":
        if settings.limit_concurrency is not None:
            raise reader.wrong("LIMIT_CONCURRENCY", "no value: gunicorn queues, only the async stack refuses")
        return
    if settings.workers > 1:
        raise reader.wrong("WORKERS", "1: the async service is one process per pod, add replicas instead")
    for name, is_set in (("PRELOAD", settings.preload), ("REUSE_PORT", settings.reuse_port)):
        if is_set:
            raise reader.wrong(name, "false: only the sync stack, under gunicorn, has this")
