"""bench.json: written after every measure, read to compare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import Bar, Figure
from bench.surroundings import Surroundings
from loadlab.execute.machine import Machine, git_state

SCHEMA = 1


class RecordError(Exception):
    """A bench.json cannot be read; one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One measure with its figures and what went on meanwhile."""

    measure: str
    figures: tuple[Figure, ...]
    surroundings: Surroundings


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """A bench.json as it was read."""

    source: str
    started: str
    machine_id: str
    machine: Mapping[str, Any]
    quick: bool
    figures: Mapping[str, Figure]
    noisy: frozenset[str]
    """Names of the figures that were measured while the machine had other things to do."""
    awake: frozenset[str]
    """Names of those that were measured with idle cores kept awake."""


def write_bench(path: Path, measured: Sequence[Measured], *, started: datetime, quick: bool, root: Path) -> None:
    """Write everything measured so far; the file is whole at any time."""
    machine, git = Machine(), git_state(root)
    record = {
        "schema": SCHEMA,
        "started": started.astimezone(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine_id": machine.machine_id(),
        "machine": dict(machine.facts()),
        "git": {"revision": git.revision, "dirty": git.is_dirty},
        "measures": [_as_dict(each) for each in measured],
    }
    fresh = path.with_name(path.name + ".part")
    fresh.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def raw_bench(path: Path) -> dict[str, Any]:
    """The keys and values of a bench.json. Raises RecordError when it is none of this schema."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); name a bench.json") from None
    except ValueError as error:
        raise RecordError(f"{path}: not JSON ({error}); name a bench.json") from None
    found = raw.get("schema") if isinstance(raw, dict) else None
    if found != SCHEMA:
        raise RecordError(f"{path}: got schema {found}, expected {SCHEMA}; measure again with this checkout's bench")
    return dict(raw)


def read_bench(path: Path) -> Bench:
    """Raises RecordError when it is no bench.json of this schema."""
    raw = raw_bench(path)
    try:
        return _bench(raw, path)
    except (KeyError, TypeError) as error:
        raise RecordError(f"{path}: not a bench.json ({error!r}); measure again") from None


def _as_dict(measured: Measured) -> dict[str, Any]:
    figures = [{**asdict(figure), "ok": figure.ok} for figure in measured.figures]
    surroundings = {**asdict(measured.surroundings), "quiet": measured.surroundings.quiet}
    return {"measure": measured.measure, "surroundings": surroundings, "figures": figures}


def figure_of(raw: Mapping[str, Any]) -> Figure:
    """A figure as it was before it was written."""
    fields = {name: value for name, value in raw.items() if name != "ok"}
    fields["bar"] = Bar(**fields["bar"]) if fields["bar"] else None
    return Figure(**fields)


def _bench(raw: Mapping[str, Any], path: Path) -> Bench:
    figures: dict[str, Figure] = {}
    noisy: set[str] = set()
    awake: set[str] = set()
    for measure in raw["measures"]:
        for one in measure["figures"]:
            figure = figure_of(one)
            figures[figure.name] = figure
            if not measure["surroundings"]["quiet"]:
                noisy.add(figure.name)
            if measure["surroundings"].get("kept_awake"):
                awake.add(figure.name)
    return Bench(
        source=str(path),
        started=raw["started"],
        machine_id=raw["machine_id"],
        machine=raw["machine"],
        quick=raw["quick"],
        figures=figures,
        noisy=frozenset(noisy),
        awake=frozenset(awake),
    )
