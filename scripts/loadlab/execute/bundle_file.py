"""One file of a bundle, read strictly: what is missing, garbled or cannot be is one line that names file and key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pyarrow
import pyarrow.parquet
from pydantic import TypeAdapter, ValidationError

from loadlab.errors import PROGRAM, BundleError
from loadlab.execute.bounds import Fault, first_fault, number_fault
from loadlab.execute.resource_table import from_rows
from loadlab.model.cluster import CrossCheck
from loadlab.model.run import ResourceSample

EVENT_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "block_started": {"block": int},
    "block_finished": {"block": int, "windows": tuple[str, ...]},
    "block_spent": {"whole_s": float, "useful_s": float},
    "cross_check": {"block": int, "stacks": tuple[CrossCheck, ...]},
    "pods_ready": {"pods": tuple[Mapping[str, str | float | None], ...]},
}
"""Of each event the fields that somebody reads again, and what stands in them."""
GAUGES = frozenset({"in_flight", "slots_busy", "loop_lag_mean_s"})
"""Columns in which a service's own race can leave a little less than nothing."""
POD_FIELDS = ("pod", "stack", "node", "image", "image_id", "startup_s")
NEXT = "the bundle is damaged or was changed by hand: take this file from another copy, or measure again"

Record = TypeVar("Record")
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def damaged(path: Path, fault: Fault) -> BundleError:
    """The error for a value that cannot be."""
    where = f"{path}: {fault.key}" if fault.key else f"{path}"
    return BundleError(f"{where}: got {fault.got}, expected {fault.expected}; {NEXT}")


def read_bytes(path: Path) -> bytes:
    """The bytes of a file that has to be there."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror}); the bundle is half-written or not a run, take another. "
            f"`{PROGRAM} list` names the runs here"
        ) from None


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    try:
        return orjson.loads(read_bytes(path))
    except orjson.JSONDecodeError as error:
        raise BundleError(f"{path}: not JSON ({error}); {NEXT}") from None


def record_from(raw: object, kind: type[Record], path: Path, key: str = "") -> Record:
    """Parsed JSON as a record: types as they are, no number taken for text, every number one that can be."""
    try:
        record: Record = _adapter(kind).validate_json(orjson.dumps(raw), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([*([key] if key else []), *map(str, first["loc"])])
        got = "nothing" if first["type"] == "missing" else _shown(first["input"])
        raise damaged(path, Fault(key=place, got=got, expected=_expected(first["msg"]))) from None
    fault = first_fault(record, key)
    if fault is not None:
        raise damaged(path, fault)
    return record


def read_record(path: Path, kind: type[Record]) -> Record:
    """A JSON file that holds one record."""
    return record_from(read_json(path), kind, path)


def read_events(path: Path) -> list[dict[str, Any]]:
    """The whole lines of events.jsonl; half of one at the end is a crash and no damage."""
    if not path.exists():
        return []
    whole = [line for line in read_bytes(path).split(b"\n")[:-1] if line]
    return [_event(line, path, f"line {number}") for number, line in enumerate(whole, start=1)]


def read_resources(path: Path) -> tuple[ResourceSample, ...]:
    """The samples of one window."""
    try:
        # A reader for one small file: a data set's, with its threads, takes twice the processor time.
        with pyarrow.parquet.ParquetFile(path) as file:
            rows = file.read(use_threads=False).to_pylist()
        for fault in _row_faults(rows):
            raise damaged(path, fault)
        return from_rows(rows)
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise BundleError(f"{path}: not a parquet file ({reason}); {NEXT}") from None
    except (KeyError, IndexError, TypeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: no table of samples ({error}); {NEXT}") from None


def _row_faults(rows: list[dict[str, Any]]) -> Iterator[Fault]:
    """Numbers that no sample can have; the replicas' shares come as lists."""
    for row_number, row in enumerate(rows):
        for name, value in row.items():
            for one in value if isinstance(value, list) else [value]:
                key = f"row {row_number}.{name}"
                if isinstance(one, int | float) and (fault := number_fault(key, abs(one) if name in GAUGES else one)):
                    yield fault
                elif one is not None and (isinstance(one, str) != (name == "role")):
                    yield Fault(key=key, got=_shown(one), expected="a text" if name == "role" else "a number")


def _event(line: bytes, path: Path, where: str) -> dict[str, Any]:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BundleError(f"{path}: {where} is not JSON ({error}); {NEXT}") from None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise damaged(path, Fault(key=where, got=_shown(event), expected="an event of a run, which names itself"))
    for name, kind in EVENT_FIELDS.get(event["event"], {}).items():
        if name not in event:
            raise damaged(path, Fault(key=f"{where}.{name}", got="nothing", expected="a field of this event"))
        record_from(event[name], kind, path, f"{where}.{name}")
    if event["event"] == "pods_ready":
        _check_pods(event["pods"], path, where)
    return event


def _check_pods(pods: list[dict[str, object]], path: Path, where: str) -> None:
    for number, pod in enumerate(pods):
        for name in POD_FIELDS:
            if name not in pod:
                key = f"{where}.pods.{number}.{name}"
                raise damaged(path, Fault(key=key, got="nothing", expected="what is told of a pod"))
        record_from(pod["startup_s"], float | None, path, f"{where}.pods.{number}.startup_s")  # type: ignore[arg-type]


def _expected(message: str) -> str:
    """Pydantic's sentence as what was expected."""
    return (
        message.removeprefix("Input should be ").removeprefix("a valid ") if message != "Field required" else "a value"
    )


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
