"""The settings of the golden server, read from ``GOLDEN_*`` environment variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from golden.program import Delay, Freeze, Program, ProgramError, parse_delay, parse_freeze
from svc_common.environment import EnvironmentReader

Parsed = TypeVar("Parsed", Delay, Freeze)


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenSettings:
    """Field ``name`` is read from ``GOLDEN_NAME``. ``freeze`` None: never still. ``log`` None: nothing is written.

    ``spin_ms``: how long before a request is due the server stops sleeping and looks at the clock instead.
    ``watch_ms``: how long after a request came or an answer left it goes on looking for the next request before it
    sleeps: a server that has to be woken sees a request some ten microseconds late, and answers the shortest delays
    late.
    ``log_rows``: how many requests the log holds in memory before it has to be written out between two requests.
    """

    host: str
    port: int
    delay: Delay
    freeze: Freeze | None
    error_ratio: float
    seed: int
    spin_ms: float
    watch_ms: float
    log: Path | None
    log_rows: int

    @property
    def program(self) -> Program:
        """What is done with a request."""
        return Program(delay=self.delay, freeze=self.freeze, error_ratio=self.error_ratio)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> GoldenSettings:
        """Read and check every setting.

        Raises:
            SettingsError: a value or a ``GOLDEN_*`` name that is not known.
        """
        known = {item.name.upper() for item in fields(cls)}
        reader = EnvironmentReader(environ, prefix="GOLDEN_", known=known)
        return cls(
            host=reader.text("HOST", "127.0.0.1", allowed="an address to listen on"),
            port=reader.integer("PORT", 8200, low=1, high=65_535),
            delay=_parsed(reader, "DELAY", "constant(5ms)", parse_delay),
            freeze=_parsed(reader, "FREEZE", "", parse_freeze) if reader.has("FREEZE") else None,
            error_ratio=reader.number("ERROR_RATIO", 0.0, low=0.0, high=1.0),
            seed=reader.integer("SEED", 0, low=0, high=1 << 62),
            spin_ms=reader.number("SPIN_MS", 1.0, low=0.0, high=1_000.0),
            watch_ms=reader.number("WATCH_MS", 0.0, low=0.0, high=1_000.0),
            log=Path(reader.text("LOG", "", allowed="the path of a file")) if reader.has("LOG") else None,
            log_rows=reader.integer("LOG_ROWS", 1_000_000, low=1, high=50_000_000),
        )


def _parsed(reader: EnvironmentReader, name: str, default: str, parse: Callable[[str], Parsed]) -> Parsed:
    text = reader.text(name, default, allowed=f"a {name.lower()}")
    try:
        return parse(text)
    except ProgramError as error:
        raise reader.wrong(name, str(error)) from error
