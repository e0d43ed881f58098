"""JSON in and out, the same on both stacks: strict on the way in, compact on the way out."""

from __future__ import annotations

import json

from svc_common import problem

__all__ = ["decode", "encode", "require_json"]

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def encode(value: object) -> bytes:
    """Compact UTF-8 JSON."""
    return _ENCODER.encode(value).encode()


def require_json(content_type: str | None) -> None:
    """Check the `Content-Type` of a request with a body; parameters such as `charset` are allowed.

    Raises:
        ProblemError: 415.
    """
    if content_type is None or content_type.partition(";")[0].strip().lower() != "application/json":
        raise problem.not_json()


def decode(body: bytes) -> object:
    """One JSON document (RFC 8259) in UTF-8 without a byte order mark.

    What Python's parser lets through beyond the standard is refused: NaN and infinities, lone
    surrogates, other encodings, nesting deeper than the interpreter can follow.

    Raises:
        ProblemError: 422 `malformed_json`.
    """
    try:
        value: object = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise problem.malformed_json("the text is not valid UTF-8") from None
    except RecursionError:
        raise problem.malformed_json("the nesting is too deep") from None
    except json.JSONDecodeError as error:
        raise problem.malformed_json(f"{error.msg} at character {error.pos}") from None
    except ValueError as error:
        raise problem.malformed_json(str(error).partition(";")[0]) from None
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
