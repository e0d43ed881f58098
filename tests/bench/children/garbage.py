"""Garbage by the thousand in this process: python garbage.py KIND CASES SEED FOLDER, KIND files or bundles.

Prints {"cases", "faults", "refused_s", ...}: how many were judged, what went wrong in one line each (every place once),
and the longest that one took. A case that takes longer than PATIENCE_S is a fault too. Nothing is flushed to the disk.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / name) for name in ("tests", "scripts", "locustfiles")]

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402 - found through the line above
from hypothesis import strategies as st  # noqa: E402

from damaged_bundle import damages, judged_untouched, make_whole  # noqa: E402
from garbage import experiment_files, plan, wrong  # noqa: E402
from loadlab.pipeline.layout import checkout  # noqa: E402

PATIENCE_S = 30
Draw = Callable[[st.DataObject], Callable[[], object]]


class _HangError(Exception):
    """One case took too long."""


class _Judge:
    """Counts cases and remembers what went wrong."""

    def __init__(self) -> None:
        self.cases = 0
        self.faults: dict[str, str] = {}
        self.longest_s = 0.0

    def judge(self, act: Callable[[], object]) -> None:
        """Let one case end."""
        began_s = time.perf_counter()
        signal.alarm(PATIENCE_S)
        try:
            found = wrong(act)
        finally:
            signal.alarm(0)
        self.cases += 1
        self.longest_s = max(self.longest_s, time.perf_counter() - began_s)
        if found is not None:
            self.faults.setdefault(found.split(": ")[0], found)


def _files(folder: Path) -> Draw:
    layout, strategy = checkout(folder / "runs"), experiment_files()

    def draw(data: st.DataObject) -> Callable[[], object]:
        content = data.draw(strategy)
        return lambda: plan(folder / "mine.toml", content, layout)

    return draw


def _bundles(folder: Path) -> Draw:
    whole = make_whole(folder)
    strategy = damages(whole.files)

    def draw(data: st.DataObject) -> Callable[[], object]:
        whole.mend()
        name, content = data.draw(strategy)
        whole.spoil(name, content)
        return lambda: judged_untouched(whole, name)

    return draw


def _hang(*_: object) -> None:
    raise _HangError(f"not done after {PATIENCE_S} s")


def main(kind: str, cases: int, first: int, folder: Path) -> None:
    """Draw, judge, tell."""
    os.fsync = lambda _: None  # type: ignore[assignment]
    signal.signal(signal.SIGALRM, _hang)
    draw, judge = {"files": _files, "bundles": _bundles}[kind](folder), _Judge()

    @seed(first)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def every(data: st.DataObject) -> None:
        judge.judge(draw(data))

    every()
    print(json.dumps({"cases": judge.cases, "faults": sorted(judge.faults.values()), "longest_s": judge.longest_s}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
