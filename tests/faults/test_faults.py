"""Whatever is hit, whenever: finished windows stay, sums are right, no verdict lies, resume works, nothing is left."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine_process import Engine
from faults.books import books_of, impossible_in, lost_in, windows_on_disk
from faults.cases import Fault
from faults.clean_run import EXPERIMENT, TRUE_OVER, TRUE_UNDER, Clean, milestones
from faults.strike import strike
from loadlab.model.run import RunData

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
Start = Callable[..., Engine]
ENDED_WELL = {0, 4, 5}
ENDS = {
    ("engine", "SIGKILL"): {-9},
    ("engine", "SIGTERM"): {130, -15},
    ("disk", "full"): {4},
}
"""Exit codes where a fault has its own; -15 comes from before the engine listens."""


def test_a_fault_costs_windows_and_never_the_truth(
    fault: Fault, start: Start, clean: Clean, clock: Path, record_property: Callable[[str, object], None]
) -> None:
    engine = start(str(EXPERIMENT))
    _wait_for(fault, engine, clean)
    before = _finished_files(engine)
    struck = engine.process.poll() is None and strike(engine, fault, clock)
    record_property("struck", int(struck))
    code = again = engine.ended()
    assert engine.orphans() == [], f"{fault.id}: before anything resumes it"
    kept, last = before | _finished_files(engine), engine
    if not _is_complete(engine):
        clock.unlink(missing_ok=True)
        last = start("--resume", str(engine.bundle)) if _has_bundle(engine) else start(str(EXPERIMENT))
        again = last.ended()
    run = last.measured()
    windows = windows_on_disk(last.bundle)
    for name, count in books_of(windows).items():
        record_property(name, count)
    record_property("decided", int(_is_complete(last) and is_decided(last.results())))
    assert struck, f"{fault.id}: the run ended and nothing was hit\n{engine.output}"
    assert code in ENDED_WELL | ENDS.get((fault.victim, fault.blow), set()), engine.output
    assert last is engine or again in ENDED_WELL, last.output
    assert "Traceback" not in engine.output + last.output
    assert _is_complete(last), last.output
    assert {name: digest for name, digest in _finished_files(engine).items() if name in before} == before
    assert {name: digest for name, digest in _finished_files(last).items() if name in kept} == kept
    assert {window.id: lost_in(window) for window in windows if lost_in(window)} == {}, "valid or not"
    _sums_are_right(run, last)
    _tells_the_truth(last)


def _wait_for(fault: Fault, engine: Engine, clean: Clean) -> None:
    """The moment of the fault, or the end of the run."""
    wanted = min(int(fault.after_ratio * clean.milestones), clean.milestones - 1)
    while milestones(engine.events()) < wanted and engine.process.poll() is None:
        time.sleep(0.02)
    time.sleep(fault.delay_s)


def _has_bundle(engine: Engine) -> bool:
    return engine.runs.is_dir() and any((p / "experiment.toml").exists() for p in engine.runs.iterdir())


def _is_complete(engine: Engine) -> bool:
    return _has_bundle(engine) and (engine.bundle / "results.json").exists() and engine.measured().complete


def _finished_files(engine: Engine) -> dict[str, str]:
    """Digest of every file of every window that an event calls finished; each must be there."""
    digests = {}
    finished = [e["window"] for e in engine.events() if e["event"] == "window_finished"]
    for window in finished:
        for path in (engine.bundle / "windows" / f"{window}.json", engine.bundle / "windows" / f"{window}.hdr"):
            digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


def _sums_are_right(run: RunData, engine: Engine) -> None:
    """Conservation is exact in every window that counts, and outcomes add up in every window there is."""
    valid = {w["id"]: w for w in engine.results()["windows"] if w["valid"]}
    for window in run.windows:
        load = window.load
        assert sum(load.outcomes.values()) == load.ok + load.failed, window.id
        if window.id not in valid:
            continue
        assert window.books is not None, window.id
        assert load.state == "complete", window.id
        assert impossible_in(window) is None, (window.id, impossible_in(window))
        told = valid[window.id]
        assert (told["ok"], told["failed"]) == (load.ok, load.failed), window.id


def is_decided(results: Mapping[str, Any]) -> bool:
    """Whether any end of the bracket stands, so that there is a verdict to be true or false."""
    bracket = results["bracket"]
    return bracket["lower_users"] is not None or bracket["upper_users"] is not None


def _tells_the_truth(engine: Engine) -> None:
    """An end of the bracket stands where the truth has it, or is absent; the claim is never refuted."""
    results = engine.results()
    assert results["verdict"]["kind"] in ("diverges", "inconclusive", "invalid"), results["verdict"]
    assert results["bracket"]["lower_users"] in (None, TRUE_UNDER)
    assert results["bracket"]["upper_users"] in (None, TRUE_OVER)
    assert results["claim"]["answer"] in ("supported", "inconclusive", "invalid")
