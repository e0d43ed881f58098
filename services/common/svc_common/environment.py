"""Typed, strict reading of settings from environment variables."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit


class SettingsError(Exception):
    """A setting is unusable. The message is one line: the variable, what it got, what is allowed."""


@contextmanager
def exit_on_settings_error() -> Iterator[None]:
    """Turn a `SettingsError` into its one line on stderr and exit code 2."""
    try:
        yield
    except SettingsError as error:
        print(f"settings: {error}", file=sys.stderr, flush=True)
        raise SystemExit(2) from None


class EnvironmentReader:
    """Reads `PREFIX_NAME` variables; each method raises `SettingsError` when the value does not fit.

    Names are given without the prefix. A variable with the prefix that is not in `known` is an error at
    once, so that a typing mistake is never silently a default.
    """

    def __init__(self, environ: Mapping[str, str], *, prefix: str, known: Collection[str]) -> None:
        self._environ = environ
        self._prefix = prefix
        variables = sorted(prefix + name for name in known)
        for variable in sorted(environ):
            if variable.startswith(prefix) and variable not in variables:
                raise SettingsError(_unknown(variable, variables) + self._link_hint())

    def has(self, name: str) -> bool:
        """Whether the variable is set at all."""
        return self._prefix + name in self._environ

    def wrong(self, name: str, allowed: str, *, secret: bool = False) -> SettingsError:
        """The error for a variable whose value does not fit; a secret's value is never shown."""
        variable = self._prefix + name
        if variable not in self._environ:
            return SettingsError(f"{variable} is not set: expected {allowed}")
        shown = "(hidden)" if secret else _one_line(self._environ[variable])
        return SettingsError(f"{variable}={shown}: expected {allowed}{self._link_hint()}")

    def _link_hint(self) -> str:
        """Kubernetes describes every Service of the namespace in variables that may begin with our prefix."""
        name = self._prefix + "SERVICE_HOST"
        if name not in self._environ and not self._environ.get(self._prefix + "PORT", "").startswith("tcp://"):
            return ""
        return f"; {self._prefix}* comes from a Kubernetes Service link: set enableServiceLinks: false in the pod"

    def text(self, name: str, default: str, *, allowed: str) -> str:
        """A text that is not blank."""
        value = self._environ.get(self._prefix + name, default)
        if not value.strip():
            raise self.wrong(name, allowed)
        return value

    def secret(self, name: str) -> str | None:
        """A secret text, None when the variable is not set."""
        return self._environ.get(self._prefix + name)

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number within [low, high], in plain decimal digits."""
        raw = self._environ.get(self._prefix + name)
        if raw is None:
            return default
        digits = raw.isascii() and raw.removeprefix("-").isdigit() and len(raw) < 20
        value = int(raw) if digits else None
        if value is None or not low <= value <= high:
            raise self.wrong(name, f"a whole number from {low} to {high}")
        return value

    def optional_integer(self, name: str, *, low: int, high: int) -> int | None:
        """A whole number within [low, high], None when the variable is not set."""
        return self.integer(name, low, low=low, high=high) if self.has(name) else None

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        """A finite number within [low, high]."""
        raw = self._environ.get(self._prefix + name)
        if raw is None:
            return default
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise self.wrong(name, f"a number from {low:g} to {high:g}")
        return value

    def flag(self, name: str, default: bool, *, true: str = "true", false: str = "false") -> bool:
        """A switch, spelled exactly as `true` or `false` say."""
        return self.choice(name, true if default else false, (true, false)) == true

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        """One of a closed set of words."""
        value = self._environ.get(self._prefix + name, default)
        if value not in choices:
            nearest = difflib.get_close_matches(value, choices, n=1)
            hint = f" (did you mean {nearest[0]}?)" if nearest else ""
            raise self.wrong(name, "one of " + ", ".join(choices) + hint)
        return value

    def base_url(self, name: str, default: str) -> str:
        """An http or https address without query, returned without a slash at its end."""
        value = self._environ.get(self._prefix + name, default)
        if not _is_base_url(value):
            raise self.wrong(name, "an address like http://127.0.0.1:8100, without query or user name")
        return value.rstrip("/")


def _is_base_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or "@" in parts.netloc or value != value.strip())
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port_fits and plain


def _unknown(variable: str, variables: list[str]) -> str:
    nearest = difflib.get_close_matches(variable, variables, n=1, cutoff=0.0)
    return f"{_one_line(variable)} is not a known setting: did you mean {nearest[0]}?"


def _one_line(value: str) -> str:
    shown = value if len(value) <= 80 else value[:77] + "..."
    return repr(shown) if not shown.isprintable() or not shown.strip() else shown
