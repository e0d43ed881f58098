"""The noise of real runs, kept beside the bench: how blocks scatter about the mean of their level.

    python tests/bench/recorded_noise.py RUN/results.json ... > tests/bench/recorded_noise.json

Windows that are valid enter, and those that only the gate of steal refused: that the host takes time away is part of
real noise, and makes its tails heavier, not lighter. Pairs are of one round; windows of the A/A control are
in none of them, nor are their repeats. A residual is a block's log ratio less the mean of its level, times
sqrt(n / (n - 1)), so that residuals of few blocks are as wide as the noise they come from.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

STORED = Path(__file__).with_name("recorded_noise.json")
_BLOCKS_LEAST = 3
"""Levels with fewer pairs say too little of their scatter."""
_ROUND = re.compile(r"-r\d+$")
"""What the id of a repeated window ends in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedNoise:
    """Residuals in log units, and the runs that they come from."""

    residuals: tuple[float, ...]
    runs: tuple[str, ...]

    @property
    def sd_log(self) -> float:
        """Their standard deviation."""
        return math.sqrt(fmean([residual**2 for residual in self.residuals]))


def stored_noise() -> RecordedNoise:
    """What is committed."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    return RecordedNoise(residuals=tuple(stored["residuals_log"]), runs=tuple(stored["runs"]))


def residuals_of(results: Mapping[str, Any]) -> list[float]:
    """The residuals of one run's goodput ratios (the price cancels), level by level."""
    first, second = (stack["name"] for stack in results["stacks"])
    found: dict[int, dict[tuple[int, str, str], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    controls = {window["id"] for window in results["windows"] if window["role"] == "aa"}
    for window in results["windows"]:
        planned = _ROUND.sub("", window["id"])
        if set(window["reasons"]) <= {"steal"} and planned not in controls:
            place = window["block"], window["role"], window["id"].removeprefix(planned)
            found[window["users"]][place][window["stack"]] = window["goodput_rps"]
    residuals: list[float] = []
    for _, blocks in sorted(found.items()):
        logs = [math.log(pair[second] / pair[first]) for _, pair in sorted(blocks.items()) if len(pair) == 2]
        if len(logs) >= _BLOCKS_LEAST:
            scale = math.sqrt(len(logs) / (len(logs) - 1))
            residuals += [scale * (value - fmean(logs)) for value in logs]
    return residuals


def main(paths: Sequence[str]) -> int:
    """Print the record of these runs as JSON."""
    runs, residuals = [], []
    for path in paths:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
        runs.append(results["run_id"])
        residuals += residuals_of(results)
    record = {"runs": runs, "machine": "2 shared cores", "residuals_log": [round(value, 6) for value in residuals]}
    print(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
