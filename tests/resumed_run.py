"""A run of both stacks that is killed in its block and resumed to its report: one for all tests that only read it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine_process import BRIEF, Engine, none_left
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.model.run import RunData
from loadlab.pipeline.layout import checkout
from tiny_experiment import FASTAPI, FLASK, write_tiny


@dataclass(frozen=True, kw_only=True, slots=True)
class ResumedRun:
    """What was seen of it. processes: how many ran when it was killed; before: what its bundle held then."""

    processes: int
    killed_code: int
    before: RunData
    code: int
    output: str
    bundle: Path
    run: RunData


def killed_and_resumed(start: Callable[..., Engine], folder: Path) -> ResumedRun:
    """Kill it after its second window, see that nothing is left, and resume it with what the boards show of it."""
    for tool in ("prometheus", "promtool"):
        Toolbox(checkout().root, environ=os.environ, say=print).ensure(tool)
    engine = start(write_tiny(folder, FLASK + FASTAPI, measure_s=0.5, blocks=1), prelude=BRIEF)
    engine.until_event("window_finished", 2)
    tree = engine.tree()
    engine.process.send_signal(signal.SIGKILL)
    killed_code = engine.ended()
    none_left(tree)
    before = engine.measured()
    resumed = start("--resume", str(engine.bundle), prelude=BRIEF, keeps_queries=True)
    code = resumed.ended()
    return ResumedRun(
        processes=len(tree),
        killed_code=killed_code,
        before=before,
        code=code,
        output=resumed.output,
        bundle=resumed.bundle,
        run=resumed.measured(),
    )
