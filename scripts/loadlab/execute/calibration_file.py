"""The calibration of this machine, in the user's state folder; written whole, at the end, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from loadlab.analysis.calibration_use import ASLEEP, IDLE_CORES, KEPT_AWAKE
from loadlab.errors import BundleError
from loadlab.execute.durable import write_whole, writing
from loadlab.execute.machine import Machine, files_sha256
from loadlab.model.calibration import Calibration

_NAME, _NAME_AWAKE = "calibration.json", "calibration-kept-awake.json"
FORMAT = 4
"""1 had its rates from closed loops; in 2 an answer ended when the generator read it; in 3 sends could be late."""
GENERATOR = ("locustfiles/_*.py",)
"""What makes and records the load, whatever the scenario."""
GENERATOR_DIGITS = 12
PACKAGES = ("locust", "gevent", "geventhttpclient", "numpy", "loadlab")
"""Whose versions a calibration is only good for."""


def state_folder(environ: Mapping[str, str]) -> Path:
    """LOADLAB_STATE, or loadlab in the XDG folder of states."""
    if own := environ.get("LOADLAB_STATE"):
        return Path(own)
    base = environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path(environ.get("HOME", "/")) / ".local" / "state") / "loadlab"


def identity(machine: Machine, root: Path, *, keep_awake: bool = False) -> Mapping[str, str]:
    """What must not change for a calibration to hold.

    root: of the checkout, whose generator it is. keep_awake: whether idle cores are (`wakefulness`).
    """
    facts = machine.facts()
    return {
        "machine": machine.machine_id(),
        "kernel": str(facts["kernel"]),
        "cores": str(facts["cores_allowed"]),
        "python": str(facts["python"]),
        IDLE_CORES: KEPT_AWAKE if keep_awake else ASLEEP,
        "generator": files_sha256(root, GENERATOR)[:GENERATOR_DIGITS],
        **{name: version(name) for name in PACKAGES},
    }


def file_name(*, keep_awake: bool) -> str:
    """Runs that keep idle cores awake have a calibration of their own, which leaves the other one as it is."""
    return _NAME_AWAKE if keep_awake else _NAME


def read_calibration(folder: Path | None, *, keep_awake: bool = False) -> Calibration | None:
    """What is there; None without one. One that cannot be read, or of another format, is none."""
    if folder is None:
        return None
    try:
        told = orjson.loads((folder / file_name(keep_awake=keep_awake)).read_bytes())
        if told["format"] != FORMAT:
            return None
        return TypeAdapter(Calibration).validate_python(told["calibration"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Put it in the place of the one before. Raises StoreFull, BundleError."""
    path = folder / file_name(keep_awake=calibration.identity.get(IDLE_CORES) == KEPT_AWAKE)
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        raise BundleError(f"{folder}: got no folder; name another by LOADLAB_STATE")
    record = {"format": FORMAT, "calibration": asdict(calibration)}
    write_whole(path, orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return path
