"""What a TOML value may be: small readers that take a parsed value and return it typed, or say what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from loadlab.config.nearest import nearest

T = TypeVar("T")
Reader = Callable[[object], T]

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SHOWN = 60
_HUGE = 10**_SHOWN


class Unfit(Exception):
    """A value that a reader refuses; the message is what it expected instead."""


def shown(value: object) -> str:
    """A value as TOML would have it, short enough for one line."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, Mapping):
        text = "a table"
    elif isinstance(value, list):
        text = f"[{', '.join(shown(item) for item in value)}]"
    elif isinstance(value, int):
        text = str(value) if abs(value) < _HUGE else "a number of very many digits"
    else:
        text = str(value)
    text = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def text(value: object) -> str:
    """Text that is not blank, and that a process can be given."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise Unfit("text in quotes that is not blank and holds no NUL")
    return value


def matching(pattern: str, expected: str) -> Reader[str]:
    """Text that the pattern matches wholly."""
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise Unfit(expected)
        return value

    return read


def choice(allowed: Sequence[str]) -> Reader[str]:
    """One of a few words."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        close = nearest(value, allowed) if isinstance(value, str) else None
        hint = f"; the nearest is {close}" if close else ""
        raise Unfit(f"one of {', '.join(allowed)}{hint}")

    return read


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Unfit("true or false")
    return value


def integer(low: int, high: int) -> Reader[int]:
    """A whole number between two bounds, both allowed; ``1.0`` and ``"1"`` are none."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Unfit(f"a whole number from {low} to {high}")
        return value

    return read


def decimal(low: str, high: str, *, above: bool = False) -> Reader[Decimal]:
    """A number between two bounds, exactly as written; with ``above`` the lower bound itself is refused."""
    lowest, highest = Decimal(low), Decimal(high)
    expected = f"a number {'above' if above else 'from'} {low} {'and up to' if above else 'to'} {high}"

    def read(value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise Unfit(expected)
        number = Decimal(value)
        if not number.is_finite() or not lowest <= number <= highest or (above and number == lowest):
            raise Unfit(expected)
        return number

    return read


def number(low: str, high: str, *, above: bool = False) -> Reader[float]:
    """A number between two bounds, as a float; with ``above`` the lower bound itself is refused."""
    exact = decimal(low, high, above=above)
    return lambda value: float(exact(value))


def checked(reader: Reader[str], convert: Callable[[str], T]) -> Reader[T]:
    """What ``convert`` makes of a text; its ``ValueError`` says what was expected."""

    def read(value: object) -> T:
        try:
            return convert(reader(value))
        except ValueError as error:
            raise Unfit(str(error).partition("expected ")[2] or str(error)) from None

    return read


def sequence(reader: Reader[T], expected: str) -> Reader[tuple[T, ...]]:
    """A list, not empty, of which the reader takes every element."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or not value:
            raise Unfit(expected)
        try:
            return tuple(reader(item) for item in value)
        except Unfit:
            raise Unfit(expected) from None

    return read


def mapping(key: Reader[str], reader: Reader[T], expected: str) -> Reader[Mapping[str, T]]:
    """A table with keys and values of one kind."""

    def read(value: object) -> Mapping[str, T]:
        if not isinstance(value, Mapping):
            raise Unfit(expected)
        try:
            return {key(name): reader(item) for name, item in value.items()}
        except Unfit:
            raise Unfit(expected) from None

    return read


environment_name = matching(_ENVIRONMENT_NAME.pattern, "the name of an environment variable, such as API_TOKEN")
header_name = matching(_HEADER_NAME.pattern, "the name of an HTTP header, such as Authorization")
