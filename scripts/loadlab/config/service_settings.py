"""Which settings an experiment may give the lab's own services, and what each may be.

Setting ``threads`` reaches the service as ``SVC_THREADS``. The services check them again when they start; a test
holds this table against ``svc_common.settings``. Addresses are chosen by the lab, and secrets never stand in a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadlab.config.table import Table
from loadlab.config.values import Reader, choice, flag, integer, number
from loadlab.model.experiment import SettingValue

SET_BY_THE_LAB = ("host", "port", "metrics_port", "upstream_url")
SECRET = ("api_key", "jwt_secret")
DEFAULT_WORKERS = 1
DEFAULT_THREADS = 48

_COMMON: Mapping[str, Reader[SettingValue]] = {
    "auth": choice(("off", "api_key", "jwt")),
    "backlog": integer(1, 65_535),
    "client_max_connections": integer(1, 100_000),
    "client_timeout_s": number("0.001", "3600"),
    "cpu_mode": choice(("inline", "thread", "process")),
    "gc_freeze": flag,
    "graceful_timeout_s": integer(1, 3_600),
    "injected_service_ratio": number("0", "10"),
    "keepalive_s": integer(1, 3_600),
    "log_level": choice(("critical", "error", "warning", "info", "debug")),
    "max_body_bytes": integer(1, 1 << 30),
    "metrics": choice(("on", "off")),
    "threads": integer(1, 10_000),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceRules:
    """One of the lab's services: its settings, and the pool of slots that they make."""

    settings: Mapping[str, Reader[SettingValue]]
    has_pool: bool
    """Whether each worker answers at most ``threads`` requests at once."""


SERVICES: Mapping[str, ServiceRules] = {
    "flask_gunicorn": ServiceRules(
        settings={
            **_COMMON,
            "client": choice(("pooled_urllib3", "pooled", "per_request")),
            "preload": flag,
            "reuse_port": flag,
            "workers": integer(1, 1_000),
        },
        has_pool=True,
    ),
    "fastapi_uvicorn": ServiceRules(
        settings={
            **_COMMON,
            "client": choice(("pooled_aiohttp", "pooled", "per_request")),
            "limit_concurrency": integer(1, 1_000_000),
        },
        has_pool=False,
    ),
}


def workers_and_slots(service: str, settings: Mapping[str, SettingValue]) -> tuple[int, int | None]:
    """Worker processes, and requests that each answers at once (None: no pool), under the services' own defaults."""
    workers = int(settings.get("workers", DEFAULT_WORKERS))
    return workers, int(settings.get("threads", DEFAULT_THREADS)) if SERVICES[service].has_pool else None


def read_settings(service: str, table: Table) -> Mapping[str, SettingValue]:
    """The checked settings of one of the lab's services, in the order of the file."""
    readers = SERVICES[service].settings
    for key in table:
        if key in SET_BY_THE_LAB:
            table.fail(key, "is chosen by the lab itself; remove it")
        if key in SECRET:
            table.fail(key, f"is a secret and never stands in a file; remove it and export SVC_{key.upper()}")
        if key not in readers:
            others = [name for name, rules in SERVICES.items() if key in rules.settings]
            table.fail(key, f"is a setting of {' and '.join(others)}, not of {service}; remove it")
    return {key: table.required(key, readers[key]) for key in table}


def settings_known_to(service: str) -> tuple[str, ...]:
    """Names a settings table may hold: the service's own first, then those that get a message of their own."""
    others = {key for rules in SERVICES.values() for key in rules.settings}
    return tuple(dict.fromkeys([*SERVICES[service].settings, *sorted(others), *SET_BY_THE_LAB, *SECRET]))
