"""The run bundle on disk. Appended to only; a window is there wholly or not at all.

Every file is written beside its place, fsynced and renamed; the folder is fsynced after it. A window exists when
its ``windows/<id>.json`` exists, which is written after its histogram, resources and scrapes. A block counts when
``events.jsonl`` says that it was finished; windows of interrupted attempts stay and are left out.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import orjson
import pyarrow
import pyarrow.parquet

from loadlab.errors import BundleError
from loadlab.execute.agreement import check_agreement
from loadlab.execute.bounds import Fault
from loadlab.execute.bundle_file import (
    damaged,
    read_bytes,
    read_events,
    read_json,
    read_record,
    read_resources,
    record_from,
)
from loadlab.execute.durable import append_line, drop_half_line, write_whole, writing
from loadlab.execute.ports import BlockProgress, Clock
from loadlab.execute.processes import without_log_tail
from loadlab.execute.resource_table import to_table
from loadlab.execute.scrapes import GENERATOR_SUFFIX, STACK_SUFFIX
from loadlab.model.plan import Plan, Refinement
from loadlab.model.run import Demand, Provenance, RunData, Window

BUNDLE_FORMAT = 1
REFINEMENT = "refinement.json"
LOCK = ".lock"
"""Locked while somebody writes the bundle, and holds the process id of who last did."""
FOLDERS = ("windows", "resources", "scrapes", "logs", "prices")

Record = TypeVar("Record")


class BundleStore:
    """RunStore in a folder. A context manager that holds the bundle's lock."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock
        self._lock: int | None = None

    def __enter__(self) -> BundleStore:
        with writing(self.folder):
            for name in FOLDERS:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise BundleError(
                f"{self.folder}: another loadlab (process {writer(self.folder) or 'unknown'}) is writing this run; "
                "wait for it or end it"
            ) from None
        with writing(self.folder / LOCK):
            os.ftruncate(self._lock, 0)
            os.write(self._lock, b"%d\n" % os.getpid())
        drop_half_line(self.folder / "events.jsonl")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def logs(self) -> Path:
        """Where children write their logs."""
        return self.folder / "logs"

    def event(self, kind: str, fields: Mapping[str, object]) -> None:
        """Append one line to events.jsonl and make it durable."""
        kept = {name: _for_keeps(value) for name, value in fields.items()}
        line = {"unix_s": self._clock.unix_s(), "monotonic_s": self._clock.monotonic_s(), "event": kind, **kept}
        append_line(self.folder / "events.jsonl", orjson.dumps(line, default=str))

    def put_text(self, name: str, text: str, *, private: bool = False) -> None:
        """Write a text file of the bundle, such as experiment.toml; private: for its owner's eyes alone."""
        write_whole(self.folder / name, text.encode(), private=private)

    def drop(self, *names: str) -> None:
        """Remove files that can be made again, or must not stay."""
        for name in names:
            with writing(self.folder / name):
                (self.folder / name).unlink(missing_ok=True)

    def put_provenance(self, provenance: Provenance) -> None:
        """Write provenance.json."""
        record = {"bundle_format": BUNDLE_FORMAT, **asdict(provenance)}
        write_whole(self.folder / "provenance.json", _pretty(record))

    def put_plan(self, plan: Plan) -> None:
        """Write plan.json."""
        write_whole(self.folder / "plan.json", _pretty(asdict(plan)))

    def put_refinement(self, refinement: Refinement) -> None:
        """Write refinement.json."""
        write_whole(self.folder / REFINEMENT, _pretty(asdict(refinement)))

    def put_demands(self, demands: Sequence[Demand]) -> None:
        """Write demands.json."""
        write_whole(self.folder / "demands.json", _pretty([asdict(d) for d in demands]))

    def put_window(self, window: Window, scrapes: str, generator_scrapes: str = "") -> None:
        """Write one window's files, its JSON last."""
        for text, ending in ((scrapes, STACK_SUFFIX), (generator_scrapes, GENERATOR_SUFFIX)):
            if text:
                write_whole(self.folder / "scrapes" / f"{window.id}{ending}", text.encode())
        if window.resources:
            buffer = BytesIO()
            pyarrow.parquet.write_table(to_table(window.resources), buffer, compression="zstd")
            write_whole(self.folder / "resources" / f"{window.id}.parquet", buffer.getvalue())
        write_whole(self.folder / "windows" / f"{window.id}.hdr", window.load.histogram.encode())
        notes = tuple(without_log_tail(note) for note in window.notes)
        slim = replace(window, resources=(), load=replace(window.load, histogram=""), notes=notes)
        write_whole(self.folder / "windows" / f"{window.id}.json", _pretty(asdict(slim)))

    def progress(self) -> BlockProgress:
        """Where the run stands."""
        begun: dict[int, int] = {}
        for event in self._events():
            if event.get("event") == "block_started":
                number = int(event["block"])
                begun[number] = begun.get(number, 0) + 1
        plan = self._optional("plan.json", Plan)
        demands = self._optional("demands.json", tuple[Demand, ...])
        return BlockProgress(
            plan=plan,
            demands=demands or (),
            finished=frozenset(self._finished()),
            attempts=begun,
            refinement=self._optional(REFINEMENT, Refinement),
        )

    def load(self) -> RunData:
        """Everything that counts, in the order it was measured."""
        provenance = self.provenance()
        events = self._events()
        plan = self._optional("plan.json", Plan)
        finished = self._finished()
        begun = [int(e["block"]) for e in events if e.get("event") == "block_started"]
        ended = next((str(e.get("reason")) for e in reversed(events) if e.get("event") == "run_ended_early"), None)
        blocks = {number: tuple(map(self._window, ids)) for number, ids in finished.items()}
        demands = self._optional("demands.json", tuple[Demand, ...]) or ()
        refinement = self._optional(REFINEMENT, Refinement)
        check_agreement(self.folder, plan, demands, blocks, refinement)
        complete = plan is not None and plan.is_done(refinement, finished)
        return RunData(
            run_id=self.folder.name,
            windows=tuple(window for windows in blocks.values() for window in windows),
            demands=demands,
            provenance=provenance,
            complete=complete,
            interrupted_blocks=tuple(sorted({n for n in begun if begun.count(n) > (n in finished)})),
            ended_by=None if complete else ended,
            events=tuple(events),
            refinement=refinement,
        )

    def provenance(self) -> Provenance:
        """provenance.json. Raises BundleError when it is missing, garbled, or of a newer format."""
        if not (self.folder / "provenance.json").exists() and not any(self.folder.glob("windows/*.json")):
            raise BundleError(
                f"{self.folder}: half-written: it was stopped before anything was measured (no provenance.json). "
                "Remove it and start the run again"
            )
        raw = read_json(self.folder / "provenance.json")
        found = raw.pop("bundle_format", None) if isinstance(raw, dict) else None
        if not isinstance(found, int):
            raise BundleError(f"{self.folder / 'provenance.json'}: not a run bundle: bundle_format is missing")
        if found > BUNDLE_FORMAT:
            raise BundleError(
                f"{self.folder}: written by a newer loadlab (bundle format {found}); this one reads up to "
                f"{BUNDLE_FORMAT}. Upgrade loadlab to read it"
            )
        return record_from(raw, Provenance, self.folder / "provenance.json")

    def _events(self) -> list[dict[str, Any]]:
        path = self.folder / "events.jsonl"
        if not path.exists() and any((self.folder / "windows").glob("*.json")):
            raise damaged(path, Fault(key="", got="no such file", expected="what happened while windows were measured"))
        return read_events(path)

    def _finished(self) -> dict[int, list[str]]:
        """Block number to the ids of its windows, from the attempt that was finished."""
        finished = [e for e in self._events() if e.get("event") == "block_finished"]
        return {int(e["block"]): [str(w) for w in e["windows"]] for e in finished}

    def _window(self, window_id: str) -> Window:
        path = self.folder / "windows" / f"{window_id}.json"
        window = read_record(path, Window)
        if window.id != window_id:
            raise damaged(path, Fault(key="id", got=window.id, expected=f"{window_id}, as its file is called"))
        histogram = read_bytes(path.with_suffix(".hdr")).decode(errors="replace")
        table = self.folder / "resources" / f"{window_id}.parquet"
        resources = read_resources(table) if table.exists() else ()
        return replace(window, resources=resources, load=replace(window.load, histogram=histogram))

    def _optional(self, name: str, kind: type[Record]) -> Record | None:
        path = self.folder / name
        return read_record(path, kind) if path.exists() else None


def _for_keeps(value: object) -> object:
    """A service's own words may hold secrets: they are shown when it falls, and stay in its log alone."""
    if isinstance(value, str):
        return without_log_tail(value)
    return [_for_keeps(each) for each in value] if isinstance(value, list | tuple) else value


def writer(folder: Path) -> int | None:
    """The process that writes a bundle now; None when nobody does, or nobody that this user can tell.

    Its lock says that it lives, so that a number left over from an engine that was killed means nothing.
    """
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        number = os.pread(lock, 32, 0).strip()
        return int(number) if number.isdigit() else None
    finally:
        os.close(lock)
    return None


def latest_link(runs: Path, folder: Path) -> None:
    """Point runs/latest at the newest run."""
    link, fresh = runs / "latest", runs / f".latest-{os.getpid()}"
    with contextlib.suppress(OSError):
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(folder.name)
        fresh.replace(link)


def _pretty(record: object) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
