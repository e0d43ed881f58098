"""Values given on the command line, ``--set path=value``, put into a parsed experiment before it is checked.

A path is the keys from the top, joined by points: ``blocks.count``, ``price.0.billing``, ``stack.flask.name`` (stacks
by name or position). A value follows TOML (``3``, ``[10, 20]``, ``{ threads = 16 }``); anything else is text.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from loadlab.config.nearest import suggestion
from loadlab.config.table import NOT_TOML, Source, dotted
from loadlab.config.toml_lines import Path
from loadlab.errors import UsageError


def apply_overrides(
    data: Mapping[str, object], source: Source, overrides: Sequence[str]
) -> tuple[dict[str, object], Source]:
    """A copy of the parsed file with each ``path=value`` put in, and a source that knows which option set what.

    Raises:
        UsageError: an option without ``=``, a path through something that is no table, or an unknown stack or position.
    """
    changed = copy.deepcopy(dict(data))
    overridden = dict(source.overridden)
    for option in overrides:
        keys, value = _split(option)
        overridden[_put(changed, keys, value, option)] = f"--set {option}"
    return changed, replace(source, overridden=overridden)


def _split(option: str) -> tuple[list[str], object]:
    path, equals, value = option.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise UsageError(f"--set {option}: expected path=value, such as --set blocks.count=4")
    return keys, _value(value.strip())


def _value(text: str) -> object:
    try:
        parsed = tomllib.loads(f"value = {text}", parse_float=Decimal)
    except NOT_TOML:
        return text
    return parsed["value"] if set(parsed) == {"value"} else text


def _put(data: dict[str, object], keys: Sequence[str], value: object, option: str) -> Path:
    """Set one value, making tables on the way; returns the path with positions in place of names."""
    here: object = data
    path: Path = ()
    for key in keys[:-1]:
        step = _step(here, key, path, option)
        if isinstance(here, dict):
            here = here.setdefault(str(step), {})
        elif isinstance(here, list):
            here = here[int(step)]
        path = (*path, step)
    last = _step(here, keys[-1], path, option)
    if isinstance(here, dict | list):
        here[last] = value  # type: ignore[index]  # _step gives a position for a list and a key for a table
    return (*path, last)


def _step(here: object, key: str, path: Path, option: str) -> str | int:
    if isinstance(here, list):
        return _position(here, key, path, option)
    if not isinstance(here, dict):
        raise _wrong(option, f"{dotted(path)} is no table and has no {key}; set {dotted(path)} itself")
    return key


def _position(items: Sequence[object], key: str, path: Path, option: str) -> int:
    if key.isdecimal():
        if int(key) < len(items):
            return int(key)
        raise _wrong(option, f"{dotted(path)} has {len(items)} entries, from 0 on; there is no {key}")
    names = [str(item["name"]) for item in items if isinstance(item, Mapping) and "name" in item]
    if key in names:
        return names.index(key)
    hint = suggestion(key, names, "name")
    raise _wrong(option, f"{dotted(path)} has no {key}; {hint}; give a name or a position from 0 on")


def _wrong(option: str, problem: str) -> UsageError:
    return UsageError(f"--set {option}: {problem}")
