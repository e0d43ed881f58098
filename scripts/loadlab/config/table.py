"""Strict reading of TOML tables: every wrong key, type or value is one line that names file, line and key."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Never, TypeVar

from loadlab.config.nearest import suggestion
from loadlab.config.toml_lines import Path, key_lines
from loadlab.config.values import Reader, Unfit, shown
from loadlab.errors import ConfigError

NOT_TOML = (ValueError, RecursionError, ArithmeticError)
"""What tomllib raises: for its grammar, whole numbers of thousands of digits, depth, and exponents of Decimal."""
BYTE_ORDER_MARK = "\ufeff"

MAX_DEPTH = 50
"""Far more than any file needs, far less than recursion can take."""

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a table's keys were written: lines of a file, or options of the command line that replaced them."""

    file: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    overridden: Mapping[Path, str] = field(default_factory=dict)
    """The option, such as ``--set blocks.count=2``, behind each replaced path."""

    def where(self, path: Path) -> str:
        """``FILE:LINE`` of a path or of the nearest table around it, or the option that set it."""
        if path not in self.lines:
            made = (option for set_path, option in self.overridden.items() if set_path[: len(path)] == path)
            if option := next(made, None):
                return option
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.overridden:
                return self.overridden[path[:depth]]
            if path[:depth] in self.lines:
                return f"{self.file}:{self.lines[path[:depth]]}"
        return self.file


def read_toml(text: str, file: str) -> tuple[dict[str, object], Source]:
    """A TOML text as plain tables (numbers with a point as Decimal, exactly) and where each key stands.

    Raises:
        ConfigError: the text is not valid TOML; the message names the line.
    """
    try:
        data = tomllib.loads(text.removeprefix(BYTE_ORDER_MARK), parse_float=Decimal)
    except NOT_TOML as error:
        raise ConfigError(f"{file}: not valid TOML: {misfit(error)}; correct the file there") from None
    lines = key_lines(text.removeprefix(BYTE_ORDER_MARK))
    if any(len(path) > MAX_DEPTH for path in lines):
        raise ConfigError(f"{file}: not valid here: {misfit(RecursionError())}; correct the file")
    return data, Source(file=file, lines=lines)


def misfit(error: Exception) -> str:
    """What is wrong with a TOML text, in words."""
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case ArithmeticError():
            return "it holds a number that is too large"
        case ValueError() if not isinstance(error, tomllib.TOMLDecodeError | UnicodeDecodeError):
            return "it holds a number of too many digits"
        case _:
            return str(error)


def dotted(path: Path) -> str:
    """A path as a reader writes it: ``stack[0].settings.threads``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


class Table:
    """One TOML table whose every key is known; what it hands out has the right type and lies within its bounds.

    Every method raises ``ConfigError`` with one line: file and line, key, what was got, what was expected.
    """

    def __init__(self, data: object, path: Path, source: Source, known: Collection[str]) -> None:
        self._path = path
        self._source = source
        if not isinstance(data, Mapping):
            self._refuse(path, data, "a table")
        self._data: Mapping[str, object] = data
        for key in self._data:
            if key not in known:
                hint = f"{suggestion(key, known, 'key')}; rename or remove it"
                raise ConfigError(f"{source.where((*path, key))}: {dotted((*path, key))} is not a known key; {hint}")

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        """The keys that are there, in the order of the file."""
        return iter(self._data)

    def required(self, key: str, reader: Reader[T]) -> T:
        """The value of a key that must be there."""
        if key not in self._data:
            self.fail(None, f"lacks {key}; expected {_expectation(reader)}; add it")
        return self._read(key, reader)

    def optional(self, key: str, reader: Reader[T], default: D) -> T | D:
        """The value of a key, or the default where the key is absent."""
        return self._read(key, reader) if key in self._data else default

    def table(self, key: str, known: Collection[str]) -> Table | None:
        """The table of a key, or None where it is absent."""
        return Table(self._data[key], (*self._path, key), self._source, known) if key in self._data else None

    def table_or_empty(self, key: str, known: Collection[str]) -> Table:
        """The table of a key, or one without keys where it is absent."""
        return Table(self._data.get(key, {}), (*self._path, key), self._source, known)

    def tables(self, key: str, known: Collection[str]) -> tuple[Table, ...]:
        """The array of tables (``[[key]]``) of a key, empty where it is absent."""
        path, data = (*self._path, key), self._data.get(key, [])
        if not isinstance(data, list):
            self._refuse(path, data, f"tables that each begin with [[{key}]]")
        return tuple(Table(item, (*path, position), self._source, known) for position, item in enumerate(data))

    def fail(self, key: str | None, problem: str) -> Never:
        """Raise a ``ConfigError`` about a key that is there (None: about the table itself)."""
        path = self._path if key is None else (*self._path, key)
        name = f"{dotted(path)} " if path else ""
        raise ConfigError(f"{self._source.where(path)}: {name}{problem}")

    def refuse(self, key: str, expected: str) -> Never:
        """Raise a ``ConfigError`` that says what a key's value is and what was expected instead."""
        self._refuse((*self._path, key), self._data[key], expected)

    def _read(self, key: str, reader: Reader[T]) -> T:
        try:
            return reader(self._data[key])
        except Unfit as unfit:
            self._refuse((*self._path, key), self._data[key], str(unfit))

    def _refuse(self, path: Path, value: object, expected: str) -> Never:
        raise ConfigError(f"{self._source.where(path)}: {dotted(path)} is {shown(value)}; expected {expected}")


def _expectation(reader: Reader[object]) -> str:
    """What a reader says to a value that no reader takes."""
    try:
        reader(None)
    except Unfit as unfit:
        return str(unfit)
    return "a value"
