"""Stacks: the things compared. What runs is a union: a service of the lab, a command, an image or an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from loadlab.config.nearest import suggestion
from loadlab.config.service_settings import SERVICES, read_settings, settings_known_to, workers_and_slots
from loadlab.config.table import Table
from loadlab.config.values import (
    Unfit,
    checked,
    choice,
    environment_name,
    integer,
    mapping,
    matching,
    number,
    sequence,
    text,
)
from loadlab.model.experiment import CommandService, ImageService, OurService, Service, Spread, Stack, UrlService

MAX_STACKS = 2
NO_POOL: Final = "unlimited"
"""What slots_per_worker says of a stack that serves whatever comes."""

_OWN_POOL = ("workers", "slots_per_worker")
_COPIES = ("replicas", "spread")
_SPREADS: tuple[Spread, ...] = ("even", "service")
_KEYS_OF: Mapping[str, tuple[str, ...]] = {
    "service": ("settings", *_COPIES),
    "command": ("env", "cwd", "ready_path", "ready_timeout_s", "metrics_url", *_OWN_POOL),
    "image": ("port", "env", "ready_path", "ready_timeout_s", *_OWN_POOL, *_COPIES),
    "url": ("metrics_url", *_OWN_POOL),
}
STACK_KEYS = tuple(dict.fromkeys(["name", *_KEYS_OF, *(key for keys in _KEYS_OF.values() for key in keys)]))

_NAME = matching(
    r"(?!.*-aa$)[a-z0-9][a-z0-9_-]{0,31}",
    "1 to 32 small letters, digits, - or _, such as flask (the ending -aa is kept for the A/A control)",
)
_COMMAND = sequence(text, 'a list of words, such as ["python", "server.py", "--port", "{port}"]')
_PATH = matching(r"/\S*", "a path that begins with /, such as /readyz")
_READY_S = number("1", "900")
_ENV = mapping(environment_name, matching(r"[^\0]*", "text"), 'names with texts, such as { WORKERS = "2" }')


def read_stack(table: Table, folder: Path) -> Stack:
    """One ``[[stack]]``; a relative ``cwd`` starts from ``folder``.

    Raises:
        ConfigError: not exactly one of service, command, image and url, a key that belongs to another of them, an
            unknown service or setting, or a value out of its bounds.
    """
    name = table.required("name", _NAME)
    kind = _kind(table)
    service = _READERS[kind](table, folder)
    if isinstance(service, OurService):
        workers, slots = workers_and_slots(service.service, service.settings)
        pool_known = True
    else:
        workers = table.optional("workers", integer(1, 1_000), 1)
        told = table.optional("slots_per_worker", _slots, None)
        slots, pool_known = None if told == NO_POOL else told, told is not None
    replicas = table.optional("replicas", integer(1, 1_000), 1)
    if "spread" in table and replicas == 1:
        table.fail("spread", "counts only with replicas = 2 or more; remove it or raise replicas")
    return Stack(
        name=name,
        service=service,
        workers=workers,
        slots_per_worker=slots,
        pool_known=pool_known,
        replicas=replicas,
        spread=cast(Spread, table.optional("spread", choice(_SPREADS), "even")),
    )


def _slots(value: object) -> int | Literal["unlimited"]:
    if value == NO_POOL:
        return NO_POOL
    try:
        return integer(1, 100_000)(value)
    except Unfit as unfit:
        raise Unfit(f'{unfit}, or "{NO_POOL}" (an event loop); leave it out where it is not known') from None


def _kind(table: Table) -> str:
    kinds = [kind for kind in _KEYS_OF if kind in table]
    if len(kinds) != 1:
        got = f"has {' and '.join(kinds)}" if kinds else "says nothing to run"
        table.fail(None, f"{got}; expected exactly one of {', '.join(_KEYS_OF)}")
    kind = kinds[0]
    for key in table:
        if key not in ("name", kind, *_KEYS_OF[kind]):
            owners = " or ".join(owner for owner, keys in _KEYS_OF.items() if key in keys)
            hint = "set it in settings" if kind == "service" and key == "workers" else "remove it"
            table.fail(key, f"counts only beside {owners}, not beside {kind}; {hint}")
    return kind


def _our_service(table: Table, _folder: Path) -> Service:
    name = table.required("service", text)
    if name not in SERVICES:
        table.refuse("service", f"a service of the lab; {suggestion(name, SERVICES, 'service')}")
    settings = table.table("settings", settings_known_to(name))
    return OurService(service=name, settings={} if settings is None else read_settings(name, settings))


def _command_service(table: Table, folder: Path) -> Service:
    cwd = table.optional("cwd", text, None)
    return CommandService(
        command=table.required("command", _COMMAND),
        env=table.optional("env", _ENV, {}),
        cwd=None if cwd is None else (folder / cwd).resolve(),
        ready_path=table.optional("ready_path", _PATH, "/"),
        ready_timeout_s=table.optional("ready_timeout_s", _READY_S, None),
        metrics_url=table.optional("metrics_url", _METRICS_URL, None),
    )


def _image_service(table: Table, _folder: Path) -> Service:
    return ImageService(
        image=table.required("image", matching(r"\S+", "an image reference without spaces")),
        port=table.required("port", integer(1, 65_535)),
        env=table.optional("env", _ENV, {}),
        ready_path=table.optional("ready_path", _PATH, "/"),
        ready_timeout_s=table.optional("ready_timeout_s", _READY_S, None),
    )


def _url_service(table: Table, _folder: Path) -> Service:
    return UrlService(
        url=table.required("url", _URL),
        metrics_url=table.optional("metrics_url", _METRICS_URL, None),
    )


def _base_address(value: str) -> str:
    """An address to which a scenario adds its paths, without a slash at its end."""
    if "?" in value or "#" in value:
        raise ValueError("expected an address without query, such as http://127.0.0.1:8000")
    return _address(value).rstrip("/")


def _address(value: str) -> str:
    expected = "expected an http or https address without user name, such as http://127.0.0.1:8000"
    try:
        parts = urlsplit(value)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port or "@" in parts.netloc:
        raise ValueError(expected)
    return value


def _metrics_address(value: str) -> str:
    _address(value.replace("{port}", "8000"))
    return value


_URL = checked(matching(r"\S+", "an address without spaces"), _base_address)
_METRICS_URL = checked(matching(r"\S+", "an address without spaces"), _metrics_address)
_READERS: Mapping[str, Callable[[Table, Path], Service]] = {
    "service": _our_service,
    "command": _command_service,
    "image": _image_service,
    "url": _url_service,
}
