"""What a control run said, one row each in a file that is committed: they take hours, and their bundles stay behind."""

from __future__ import annotations

import csv
import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from loadlab.stats.student import t_quantile_of

COLUMNS = (
    *("run", "started", "revision", "machine", "machine_id"),
    *("ratio", "blocks", "lower_95", "upper_95", "over", "invalid_windows"),
)


CHANGED = "+changes"
"""Ends the revision of a run whose checkout had changes."""
WRITTEN = ("docs/controls.csv", "docs/controls.md")
"""What making runs changes itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One run: stack one over stack two, as a ratio of seconds per good request, block by block.

    ``over``: the decision at margin 0 (one-sided, 97.5 %) called stack one dearer.
    """

    ratio: float
    blocks: int
    lower_95: float
    upper_95: float
    over: bool
    invalid_windows: int

    @property
    def outside_95(self) -> bool:
        """Whether the 95 % interval leaves out 1."""
        return not self.lower_95 <= 1 <= self.upper_95

    @property
    def outside_99(self) -> bool:
        """The same for 99 %, from the same blocks."""
        widen = t_quantile_of(self.blocks - 1, 0.995) / t_quantile_of(self.blocks - 1, 0.975)
        half_log = widen * math.log(self.upper_95 / self.lower_95) / 2
        return abs(math.log(self.ratio)) > half_log


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run that is finished; ``control`` is None where its level is invalid, so that it says nothing."""

    name: str
    started: str
    """UTC, to the minute."""
    revision: str
    machine: str
    machine_id: str
    control: Control | None

    @property
    def effect_ratio(self) -> float:
        """What was injected."""
        return int(self.name.removeprefix("plus").split("-")[0]) / 100


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanRatio:
    """Geometric mean of the ratios of several runs with its 95 % interval."""

    mean: float
    lower: float
    upper: float


def mean_interval(ratios: Sequence[float]) -> MeanRatio | None:
    """By the t distribution of their logs; None of fewer than two."""
    if len(ratios) < 2:
        return None
    logs = [math.log(ratio) for ratio in ratios]
    half = t_quantile_of(len(logs) - 1, 0.975) * stdev(logs) / math.sqrt(len(logs))
    return MeanRatio(mean=math.exp(fmean(logs)), lower=math.exp(fmean(logs) - half), upper=math.exp(fmean(logs) + half))


def distance_from_1(seen: MeanRatio) -> float:
    """How far the nearer end of the interval is off 1; 0 where it holds 1."""
    return max(0.0, seen.lower - 1, 1 - seen.upper)


def changed_files(root: Path) -> list[str]:
    """What of a checkout is not as committed, but for what making runs writes; none where it is no checkout."""
    told = subprocess.run(
        ["git", "status", "--porcelain", "--", ".", *(f":(exclude){path}" for path in WRITTEN)],
        cwd=root, check=False, capture_output=True, text=True,
    )  # fmt: skip
    return [line[3:] for line in told.stdout.splitlines()]


def run_name(effect_ratio: float, number: int) -> str:
    """How a run and its folder are called: plus10-03 is the third with +10 %, of seed 3."""
    return f"plus{round(100 * effect_ratio)}-{number:02d}"


def run_of(results_path: Path, name: str) -> Run:
    """What the results of a finished run say."""
    results = json.loads(results_path.read_text(encoding="utf-8"))
    made = results["provenance"]
    revision = (made["git_revision"] or "unknown")[:12] + (CHANGED if made["git_dirty"] else "")
    facts = made["machine"]
    return Run(
        name=name,
        started=datetime.fromtimestamp(made["started_unix_s"], UTC).strftime("%Y-%m-%dT%H:%MZ"),
        revision=revision,
        machine=", ".join(f"{key} {facts[key]}" for key in ("cpu_model", "cores", "kernel") if facts.get(key)),
        machine_id=made["machine_id"],
        control=_control(results),
    )


def _control(results: Mapping[str, Any]) -> Control | None:
    level = next((level for level in results["comparisons"] if level["statistic"] == "goodput"), None)
    if level is None or not level["valid"] or level["lower_ratio"] is None:
        return None
    return Control(
        ratio=level["ratio"],
        blocks=level["blocks"],
        lower_95=level["lower_ratio"],
        upper_95=level["upper_ratio"],
        over=level["answer"] == "over",
        invalid_windows=results["counts"]["invalid"],
    )


def read_runs(rows: Path) -> list[Run]:
    """The runs of a file that ``add_run`` wrote; none where there is no file."""
    if not rows.exists():
        return []
    with rows.open(encoding="utf-8", newline="") as lines:
        return [_run_of_row(row) for row in csv.DictReader(lines)]


def _run_of_row(row: Mapping[str, str]) -> Run:
    control = None
    if row["ratio"]:
        control = Control(
            ratio=float(row["ratio"]),
            blocks=int(row["blocks"]),
            lower_95=float(row["lower_95"]),
            upper_95=float(row["upper_95"]),
            over=row["over"] == "yes",
            invalid_windows=int(row["invalid_windows"]),
        )
    told = {key: row[key] for key in ("started", "revision", "machine", "machine_id")}
    return Run(name=row["run"], control=control, **told)


def add_run(rows: Path, run: Run) -> None:
    """Append one row; a new file begins with the names of the columns."""
    is_new = not rows.exists()
    with rows.open("a", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerow([run.name, run.started, run.revision, run.machine, run.machine_id, *_cells(run.control)])


def _cells(control: Control | None) -> list[str]:
    if control is None:
        return [""] * 6
    ratios = [f"{ratio:.6f}" for ratio in (control.lower_95, control.upper_95)]
    over = "yes" if control.over else "no"
    return [f"{control.ratio:.6f}", str(control.blocks), *ratios, over, str(control.invalid_windows)]
