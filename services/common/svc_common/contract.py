"""The contract that both stacks answer, read from `services/contract/openapi.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from svc_common.json_body import encode

__all__ = ["CONTRACT_FILE", "document", "document_json"]

CONTRACT_FILE = Path(__file__).parents[2] / "contract" / "openapi.yaml"


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document. It is parsed at the first use, so that a start costs nothing for it."""
    import yaml  # the parser too is loaded at the first use only

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load(CONTRACT_FILE.read_text(encoding="utf-8"), Loader=loader)
    return loaded


@cache
def document_json() -> bytes:
    """The body of `GET /openapi.json`."""
    return encode(document())
