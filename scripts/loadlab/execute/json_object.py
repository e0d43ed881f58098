"""A JSON object out of a text or a file that may be damaged, or of something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson


def object_of(text: str | bytes) -> dict[str, Any]:
    """What the text says; empty where it is no JSON, or no object."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def read_object(path: Path) -> dict[str, Any]:
    """What the file has; empty also where there is none, or none that can be read."""
    try:
        return object_of(path.read_bytes())
    except OSError:
        return {}
