"""results.json: written from an Analysis, read back and checked before anything renders it.

Renderers see only what :func:`from_json` returns, so that a report made today and one made again in a year
from the same file are the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import PurePath
from typing import Any

import orjson

from loadlab.errors import PROGRAM, BundleError
from loadlab.model.result import SCHEMA_VERSION, Analysis
from loadlab.report.schema import completed, first_misfit

Results = Mapping[str, Any]
"""results.json as parsed: the field names of ``model.result.Analysis`` are its keys."""

ANEW = f"`{PROGRAM} report RUN --analyse` makes it anew out of the bundle"
"""The way on where a results.json cannot be read: without the option it would be read again."""
_MICRO = Decimal("0.000001")
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY


def to_json(analysis: Analysis) -> bytes:
    """The bytes of results.json.

    Records keep the order of their fields, mappings are sorted by key, money is rounded to micro-dollars
    (half to even), a figure that is not finite is null, the last byte is a newline.
    """
    return orjson.dumps(analysis, default=_encode, option=_OPTIONS)


def from_json(data: bytes, where: str = "results.json") -> dict[str, Any]:
    """Parse and check the bytes of a results.json; ``where`` names it in errors.

    Raises BundleError when it is not JSON, was written by a newer loadlab, or lacks something a report needs.
    """
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BundleError(
            f"{where} is not readable JSON ({error}); expected the file as loadlab wrote it; {ANEW}"
        ) from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("schema"), int):
        raise BundleError(
            f"{where} has no schema number; expected a results.json of a run; name the folder of a run; {ANEW}"
        )
    check_schema(parsed["schema"], where)
    misfit = first_misfit(parsed, Analysis) or _stacks_misfit(parsed["stacks"])
    if misfit is not None:
        raise BundleError(
            f"{where} does not fit schema {SCHEMA_VERSION}: {misfit}; "
            f"it was changed by hand or cut short: take the original; {ANEW}"
        )
    found: dict[str, Any] = completed(parsed, Analysis)
    return found


def _stacks_misfit(stacks: Sequence[Results]) -> str | None:
    return None if len(stacks) in (1, 2) else f"stacks has {len(stacks)} entries, expected one or two"


def check_schema(schema: int, where: str = "results.json") -> None:
    """Raise BundleError unless this loadlab reads ``schema``."""
    if schema > SCHEMA_VERSION:
        raise BundleError(
            f"{where} was written by a newer loadlab (schema {schema}), this one reads up to {SCHEMA_VERSION}; upgrade"
        )
    if schema < 1:
        raise BundleError(f"{where} says schema {schema}; expected 1 to {SCHEMA_VERSION}; {ANEW}")


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value.quantize(_MICRO, rounding=ROUND_HALF_EVEN)) if value.is_finite() else None
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot stand in results.json")
