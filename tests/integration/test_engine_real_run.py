"""The engine with real gunicorn, uvicorn, upstream and Locust processes, as a person runs it, and as it is killed.

Runs are as small as they can be; what they decide is not looked at, only that nothing is lost and nothing is left.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from engine_process import BRIEF, Engine, none_left
from loadlab.model.run import RunData
from resumed_run import ResumedRun
from tiny_experiment import FASTAPI, write_tiny

KILLS_THE_SERVICE = """
import psutil
from loadlab.pipeline.load_span import LoadSpan

settle, killed = LoadSpan.sleep_until, []

def settle_and_kill(self, until_s):
    settle(self, until_s)
    if self._trial.id == "b01-002-fastapi" and not killed:
        mine = psutil.Process().children(recursive=True)
        killed.extend(p for p in mine if p.cmdline()[-1:] == ["fastapi_uvicorn"] and "-I" not in p.cmdline())
        killed[0].kill()

LoadSpan.sleep_until = settle_and_kill
"""
"""In the first window, at its opening."""
Start = Callable[..., Engine]


def _books_balance(run: RunData) -> None:
    for window in run.windows:
        assert window.books is not None
        counts = (window.books.answered + window.books.failed, window.books.served, window.books.upstream_arrivals)
        assert set(counts) == {window.books.sent}, window.id
        assert window.load.state == "complete", window.load.holes
        assert window.load.ok > 0


def test_a_run_that_is_killed_leaves_no_process_and_is_resumed_to_its_report(resumed_run: ResumedRun) -> None:
    """That none is left is asserted between the kill and the resume (tests/resumed_run.py)."""
    seen, run, bundle = resumed_run, resumed_run.run, resumed_run.bundle
    assert seen.processes >= 6, "upstream, gunicorn and its worker, uvicorn, Locust's master and worker, guardians"
    assert seen.killed_code == -signal.SIGKILL
    assert seen.before.windows == (), "the block was not finished"
    assert len(seen.before.demands) == 2
    # levels of windows that the machine disturbed may be invalid; that the run was carried through is what counts
    assert seen.code in (0, 4, 5), seen.output
    assert run.complete
    assert run.interrupted_blocks == (1,)
    assert run.demands == seen.before.demands
    assert {w.stack for w in run.windows} == {"flask", "fastapi"}
    assert all("-t2" in w.id for w in run.windows)
    _books_balance(run)
    results = orjson.loads((bundle / "results.json").read_bytes())
    assert results["counts"]["interrupted_blocks"] == 1
    assert results["provenance"]["isolation"] in ("pinned", "shared")
    assert len(results["provenance"]["resumed"]) == 1
    assert (bundle / "report.html").stat().st_size > 10_000
    again = subprocess.run(
        [
            sys.executable,
            "-c",
            "from loadlab.cli import main; main()",
            "run",
            "--no-queries",
            "--resume",
            str(bundle),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert again.returncode == 2
    assert "this run is complete" in again.stderr


def test_a_service_that_is_killed_is_started_again_and_ctrl_c_ends_with_how_to_go_on(
    start: Start, tmp_path: Path
) -> None:
    engine = start(write_tiny(tmp_path, FASTAPI, measure_s=1.0, blocks=2), prelude=BRIEF + KILLS_THE_SERVICE)
    engine.until_event("stacks_restarted")
    engine.until_event("window_finished", 2)
    tree = engine.tree()
    engine.process.send_signal(signal.SIGINT)
    assert engine.ended() == 130, engine.output
    none_left(tree)
    assert re.search(rf"loadlab run --resume {engine.bundle}", re.sub(r"\s*\n", " ", engine.output))
    assert "Traceback" not in engine.output
    noted = [e for e in engine.events() if e["event"] == "window_finished" and "note" in e["invalid"]]
    assert len(noted) == 1
    assert engine.events()[-1]["reason"] == "interrupted by the user"
