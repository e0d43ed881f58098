"""The noise of real runs, kept beside the bench: what the blocks of control runs showed beside the truth.

    python tests/bench/recorded_noise.py FOLDER > tests/bench/recorded_noise.json

FOLDER is that of tests/bench/controls.py. In an A/A run both stacks are one, so every block's log ratio is an error
as it stands: how blocks scatter, how they drift within a run, and what a whole run is off. Of runs with an injected
effect the truth is not known as exactly (a loop's timer rounds up): theirs are less the mean of all runs of that
effect, times sqrt(n / (n - 1)) for n runs. Only runs enter of which every block has a pair that counted.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev, variance
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from bench.control_runs import run_of

STORED = Path(__file__).with_name("recorded_noise.json")
PAIR = 2

Blocks = tuple[float, ...]
"""What the blocks of one run are off, in log units and in their order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedNoise:
    """Errors of real runs by what the runs are called; every run has as many blocks."""

    runs: Mapping[str, Blocks]

    @property
    def blocks(self) -> tuple[Blocks, ...]:
        """Run by run."""
        return tuple(self.runs.values())

    @property
    def sd_log(self) -> float:
        """How far a block is off (root of the mean square)."""
        return math.sqrt(fmean(error**2 for blocks in self.runs.values() for error in blocks))

    @property
    def sd_of_means_log(self) -> tuple[float, float]:
        """How the means of runs scatter, and how they would if blocks knew nothing of their run: alike, none is off."""
        means = [fmean(blocks) for blocks in self.blocks]
        within = fmean(variance(blocks) for blocks in self.blocks)
        return stdev(means), math.sqrt(within / len(self.blocks[0]))


def stored_noise() -> RecordedNoise:
    """What is committed."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    return RecordedNoise(runs={name: tuple(blocks) for name, blocks in stored["runs"].items()})


def log_ratios(results: Mapping[str, Any]) -> Blocks | None:
    """Stack one over two by goodput (the price cancels), block by block; None where a pair that counted is missing."""
    first, second = (stack["name"] for stack in results["stacks"])
    found: dict[int, dict[str, float]] = defaultdict(dict)
    for window in results["windows"]:
        if window["used"]:
            found[window["block"]][window["stack"]] = window["goodput_rps"]
    pairs = [found[block] for block in sorted(found)]
    if len(pairs) < max(window["block"] for window in results["windows"]) or any(len(pair) != PAIR for pair in pairs):
        return None
    return tuple(math.log(pair[second] / pair[first]) for pair in pairs)


def errors_of(effects: Mapping[str, float], runs: Mapping[str, Blocks]) -> dict[str, Blocks]:
    """What each block is off. effects: what was injected, by the runs' names; runs: their log ratios."""
    found = {}
    for name, logs in runs.items():
        alike = [fmean(runs[other]) for other in runs if effects[other] == effects[name]]
        if effects[name] == 0.0:
            found[name] = logs
        elif len(alike) > 1:
            scale = math.sqrt(len(alike) / (len(alike) - 1))
            found[name] = tuple(scale * (log - fmean(alike)) for log in logs)
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the record of a folder of control runs as JSON."""
    (folder,) = map(Path, arguments)
    read = dict(_runs(folder))
    runs, machines = {name: logs for name, (logs, _) in read.items()}, {machine for _, machine in read.values()}
    effects = {name: float(name.removeprefix("plus").split("-")[0]) / 100 for name in runs}
    errors = errors_of(effects, runs)
    rounded = {name: [round(error, 6) for error in blocks] for name, blocks in errors.items()}
    print(json.dumps({"machines": sorted(machines), "runs": rounded}, indent=1))
    return 0


def _runs(folder: Path) -> Iterator[tuple[str, tuple[Blocks, str]]]:
    """Log ratios by the runs' names, and where each was made."""
    for path in sorted(folder.glob("plus*/*/results.json")):
        if path.parent.is_symlink():
            continue
        results = json.loads(path.read_text(encoding="utf-8"))
        if (logs := log_ratios(results)) is not None:
            yield path.parts[-3], (logs, run_of(path, path.parts[-3]).machine)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
