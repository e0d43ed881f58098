"""The settings of the upstream, read from `UPSTREAM_*` environment variables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from svc_common.environment import EnvironmentReader
from upstream.latency import Latency, LatencyError, parse_latency


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamSettings:
    """Field `name` is read from `UPSTREAM_NAME`. `quota_rps` None means no quota."""

    host: str
    port: int
    latency: Latency
    error_ratio: float
    quota_rps: float | None
    quota_burst: int
    seed: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> UpstreamSettings:
        """Read and check every setting.

        Raises:
            SettingsError: a value, a combination or an `UPSTREAM_*` name that is not known.
        """
        known = {item.name.upper() for item in fields(cls)}
        reader = EnvironmentReader(environ, prefix="UPSTREAM_", known=known)
        quota_rps = reader.number("QUOTA_RPS", 1.0, low=0.001, high=1e6) if reader.has("QUOTA_RPS") else None
        if quota_rps is None and reader.has("QUOTA_BURST"):
            raise reader.wrong("QUOTA_BURST", "UPSTREAM_QUOTA_RPS beside it")
        return cls(
            host=reader.text("HOST", "127.0.0.1", allowed="an address to listen on"),
            port=reader.integer("PORT", 8100, low=1, high=65_535),
            latency=_latency(reader),
            error_ratio=reader.number("ERROR_RATIO", 0.0, low=0.0, high=1.0),
            quota_rps=quota_rps,
            quota_burst=reader.integer("QUOTA_BURST", math.ceil(quota_rps or 1.0), low=1, high=1_000_000),
            seed=reader.integer("SEED", 0, low=0, high=1 << 62),
        )


def _latency(reader: EnvironmentReader) -> Latency:
    text = reader.text("LATENCY", "constant(200ms)", allowed="a latency like constant(200ms)")
    try:
        return parse_latency(text)
    except LatencyError as error:
        raise reader.wrong("LATENCY", str(error)) from error
