"""Image references: the pinned ones that the lab takes from elsewhere, and how to replace each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from loadlab.errors import ImageError

_REFERENCE = re.compile(r"(?P<image>[^\s@]+?)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pinned:
    """An official image at one version. variable: of the environment, names another one instead."""

    variable: str
    default: str

    def chosen(self, environ: Mapping[str, str]) -> str:
        """The reference to use.

        Raises:
            ImageError: it has neither tag nor digest, or its tag is ``latest``.
        """
        reference = environ.get(self.variable) or self.default
        parts = split(reference)
        if parts is None or (parts.digest is None and parts.tag in (None, "latest")):
            raise ImageError(
                f"{self.variable}={reference}: expected an image with a version as its tag, or with a digest, such as "
                f"{self.default}"
            )
        return reference


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """A reference taken apart; tag or digest are None where it has none."""

    image: str
    tag: str | None
    digest: str | None


def split(reference: str) -> Parts | None:
    """Take a reference apart; None when it is none."""
    found = _REFERENCE.fullmatch(reference)
    return Parts(image=found["image"], tag=found["tag"], digest=found["digest"]) if found else None


BASE = Pinned(variable="LAB_BASE_IMAGE", default="python:3.12-slim-bookworm")
PROMETHEUS = Pinned(variable="LAB_PROMETHEUS_IMAGE", default="prom/prometheus:v3.5.3")
GRAFANA = Pinned(variable="LAB_GRAFANA_IMAGE", default="grafana/grafana:12.3.0")
"""Of the services, of the metrics, of the dashboards."""
