"""Whether parsed JSON has the shape of a record: the dataclasses of ``model`` are the schema."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from loadlab.model.result import Comparison, Estimate, Interval, Prediction

MOST = 1e15
"""Beyond every count, size, time and sum of money that a run can have."""
FIGURES = (Comparison, Estimate, Interval, Prediction)
"""Records in which a figure may not be finite, and is null then."""


def first_misfit(value: object, expected: Any, path: str = "") -> str | None:
    """The first place where ``value`` is not what the type ``expected`` asks for, in words; None where all fits.

    Fields that the record does not know are let through: a younger program of the same schema may add some.
    Null is let through for any number with decimals of a record in FIGURES: that is how a figure that is not finite is
    written. Counts are not negative, and no number is beyond MOST.
    """
    if dataclasses.is_dataclass(expected):
        return _record_misfit(value, expected, path)
    origin = get_origin(expected)
    if origin in (Union, types.UnionType):
        return _union_misfit(value, get_args(expected), path)
    if origin is tuple:
        return _list_misfit(value, get_args(expected), path)
    if origin is Literal:
        choices = get_args(expected)
        return None if value in choices else _says(path, value, f"one of {', '.join(map(str, choices))}")
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping_misfit(value, get_args(expected)[1], path)
    return None if _is_scalar(value, expected) else _says(path, value, _name(expected))


def completed(value: Any, expected: Any) -> Any:
    """What fits ``expected``, with null for every key that came later, so that whoever reads it finds each of them."""
    if dataclasses.is_dataclass(expected) and isinstance(value, dict):
        fields = _fields(expected)  # type: ignore[arg-type]
        known = {name: completed(value.get(name), kind) for name, kind in fields.items()}
        return {**value, **known}
    origin, inner = get_origin(expected), get_args(expected)
    if origin in (Union, types.UnionType):
        records = [kind for kind in inner if kind is not types.NoneType]
        return completed(value, records[0]) if len(records) == 1 else value
    if origin is tuple and isinstance(value, list):
        return [completed(item, inner[0]) for item in value]
    return value


@cache
def _fields(record: type) -> dict[str, Any]:
    hints = get_type_hints(record)
    return {field.name: hints[field.name] for field in dataclasses.fields(record)}


def _record_misfit(value: object, record: Any, path: str) -> str | None:
    if not isinstance(value, dict):
        return _says(path, value, "an object")
    for name, expected in _fields(record).items():
        here = f"{path}.{name}" if path else name
        if name not in value and _may_be_absent(record, name):
            continue
        if name not in value:
            return f"{here} is missing"
        if value[name] is None and expected is float and record in FIGURES:
            continue
        misfit = first_misfit(value[name], expected, here)
        if misfit is not None:
            return misfit
    return None


def _may_be_absent(record: Any, name: str) -> bool:
    """A key that came later: its default is null, which is what a file of before means."""
    return any(field.name == name and field.default is None for field in dataclasses.fields(record))


def _union_misfit(value: object, choices: tuple[Any, ...], path: str) -> str | None:
    if value is None and types.NoneType in choices:
        return None
    misfits = [first_misfit(value, choice, path) for choice in choices if choice is not types.NoneType]
    return None if None in misfits else misfits[0]


def _list_misfit(value: object, items: tuple[Any, ...], path: str) -> str | None:
    if not isinstance(value, list):
        return _says(path, value, "a list")
    found = (first_misfit(item, items[0], f"{path}[{index}]") for index, item in enumerate(value))
    return next((misfit for misfit in found if misfit is not None), None)


def _mapping_misfit(value: object, item: Any, path: str) -> str | None:
    if not isinstance(value, dict):
        return _says(path, value, "an object")
    found = (first_misfit(entry, item, f"{path}.{key}") for key, entry in value.items())
    return next((misfit for misfit in found if misfit is not None), None)


def _is_scalar(value: object, expected: Any) -> bool:
    if expected is object:
        return True
    if expected in (float, Decimal):
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, expected)


def _name(expected: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", Decimal: "a number", bool: "true or false"}
    return names.get(expected, str(expected))


def _says(path: str, value: object, expected: str) -> str:
    got = "null" if value is None else repr(value)
    return f"{path or 'the file'} is {got if len(got) <= 40 else got[:37] + '...'}, expected {expected}"
