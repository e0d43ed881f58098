"""Real A/A runs, and runs with injected service time, through the whole pipeline at margin 0.

    python tests/bench/controls.py [--aa 30] [--injected 20] [--effects 0 0.05 0.1 0.2] [--folder runs/controls]
                                   [--docs docs/controls.md]

Resumable: a run that is finished is not made again, one that was interrupted is resumed. Each is one level and eight
blocks, about three minutes, so all of them take four and a half hours; any number of them makes a table. Exit codes:
0 no bar missed by the runs there are, 1 one missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from bench.marked_page import write_marked
from loadlab.execute.machine import Machine
from loadlab.stats.student import t_quantile_of

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("runs", "controls")
"""Where the runs are kept, seen from the checkout."""
EFFECTS = (0.0, 0.05, 0.10, 0.20)
RUN_TIMEOUT_S = 1200
MISSED = "MISSED"
AA_RUNS, AA_MOST_95, AA_MOST_99 = 30, 4, 2
"""Of so many runs of a stack against itself so many at most may leave 1 outside of their interval."""
FOUND_EFFECT, FOUND_RUNS, FOUND_LEAST = 0.10, 20, 19
"""Of so many runs with that effect so many at least have to call stack one dearer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One run: stack one over stack two, as a ratio of seconds per good request, block by block.

    ``over``: the decision at margin 0 (one-sided, 97.5 %) called stack one dearer.
    """

    effect_ratio: float
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


def main() -> int:
    """Make what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--aa", type=int, default=30)
    parser.add_argument("--injected", type=int, default=20)
    parser.add_argument("--effects", type=float, nargs="+", choices=EFFECTS, default=EFFECTS)
    parser.add_argument("--folder", type=Path, default=ROOT / FOLDER)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "controls.md")
    asked = parser.parse_args()
    for effect, number in _wanted(asked.aa, asked.injected, asked.effects):
        folder = asked.folder / f"plus{effect:.0%}-{number:02d}".replace("%", "")
        if not _make(folder, effect, number):
            print(f"{folder.name}: no result, left out", flush=True)
    controls, failed = read_all(asked.folder)
    text = table(controls, failed)
    write_marked(asked.docs, "controls", text)
    print(text)
    return 1 if MISSED in text else 0


def _wanted(aa: int, injected: int, effects: Sequence[float] = EFFECTS) -> Iterator[tuple[float, int]]:
    """Interleaved, so that any number of them has some of each kind."""
    for number in range(1, max(aa, injected) + 1):
        for effect in effects:
            if number <= (injected if effect else aa):
                yield effect, number


def _make(folder: Path, effect: float, number: int) -> bool:
    if _results(folder) is not None:
        return True
    begun = _bundle(folder)
    words = ["--resume", str(begun)] if begun else ["control", "--set", f"blocks.seed={number}"]
    if effect and not begun:
        words += ["--set", f"stack.one.settings.injected_service_ratio={effect}"]
    command = [
        sys.executable,
        "-c",
        "from loadlab.cli import main; main()",
        "run",
        *words,
        "--no-queries",
        "--runs",
        str(folder),
    ]
    env_path = str(ROOT / "scripts")
    print(f"{folder.name}: running", flush=True)
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": env_path}, check=False, timeout=RUN_TIMEOUT_S,
            capture_output=True, text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        print(f"{folder.name}: not over after {RUN_TIMEOUT_S} s; the next call resumes it", flush=True)
        return _results(folder) is not None
    if _results(folder) is None:
        print(f"{folder.name}: exit code {done.returncode}: {done.stderr.strip()[-500:]}", flush=True)
    return _results(folder) is not None


def _bundle(folder: Path) -> Path | None:
    return next((path.parent for path in folder.glob("*/experiment.toml") if not path.parent.is_symlink()), None)


def _results(folder: Path) -> Path | None:
    """Of a run that is finished: one that was interrupted reports the blocks it has, and is resumed."""
    found = (path for path in folder.glob("*/results.json") if not path.parent.is_symlink())
    return next((path for path in found if _is_whole(path)), None)


def _is_whole(path: Path) -> bool:
    findings = json.loads(path.read_text(encoding="utf-8"))["findings"]
    return all(finding["code"] != "run_incomplete" for finding in findings)


def read_all(folder: Path) -> tuple[list[Control], int]:
    """The runs that say something, and how many others there are."""
    controls, failed = [], 0
    for run in sorted(folder.glob("plus*")):
        path = _results(run)
        found = read_control(path, _effect_of(run.name)) if path else None
        if found is None:
            failed += 1
        else:
            controls.append(found)
    return controls, failed


def _effect_of(name: str) -> float:
    return int(name.removeprefix("plus").split("-")[0]) / 100


def read_control(path: Path, effect_ratio: float) -> Control | None:
    """What a run says; None where its level is invalid, so that it says nothing."""
    results = json.loads(path.read_text(encoding="utf-8"))
    level = next((level for level in results["comparisons"] if level["statistic"] == "goodput"), None)
    if level is None or not level["valid"] or level["lower_ratio"] is None:
        return None
    return Control(
        effect_ratio=effect_ratio,
        ratio=level["ratio"],
        blocks=level["blocks"],
        lower_95=level["lower_ratio"],
        upper_95=level["upper_ratio"],
        over=level["answer"] == "over",
        invalid_windows=results["counts"]["invalid"],
    )


def table(controls: Sequence[Control], failed: int) -> str:
    """What was found, by what was put there."""
    lines = [
        "| injected | runs | mean ratio | SD of runs | 95 % interval leaves out 1 | 99 % | called dearer | bar |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for effect in EFFECTS:
        mine = [control for control in controls if control.effect_ratio == effect]
        if mine:
            ratios = [control.ratio for control in mine]
            spread = f"{stdev(ratios):.4f}" if len(ratios) > 1 else "-"
            counts = (
                sum(counted) for counted in zip(*((c.outside_95, c.outside_99, c.over) for c in mine), strict=True)
            )
            shares = " | ".join(f"{count} of {len(mine)}" for count in counts)
            name = f"+{effect:.0%}" if effect else "A/A"
            lines.append(f"| {name} | {len(mine)} | {fmean(ratios):.4f} | {spread} | {shares} | {_bar(effect, mine)} |")
    facts = Machine().facts()
    told = ", ".join(f"{key} {facts[key]}" for key in ("cpu_model", "cores", "kernel") if facts.get(key))
    invalid = sum(control.invalid_windows for control in controls)
    lines += [
        "",
        f"Machine: {told}. {invalid} windows were refused by gates; {failed} further runs had no valid level or "
        "are not finished.",
    ]
    return "\n".join(lines)


def _bar(effect: float, mine: Sequence[Control]) -> str:
    """What the bar of an effect says of these runs: met or missed by as many as it asks for, else how many are to come.

    Missed as soon as no further run can mend it.
    """
    if effect == 0:
        outside_95, outside_99 = (sum(c.outside_95 for c in mine), sum(c.outside_99 for c in mine))
        broken = outside_95 > AA_MOST_95 * allowance(mine, AA_RUNS) or outside_99 > AA_MOST_99 * allowance(
            mine, AA_RUNS
        )
        text, wanted = f"at most {AA_MOST_95} and {AA_MOST_99} of {AA_RUNS}", AA_RUNS
    elif effect == FOUND_EFFECT:
        lost = sum(not c.over for c in mine)
        broken = lost > (FOUND_RUNS - FOUND_LEAST) * allowance(mine, FOUND_RUNS)
        text, wanted = f"dearer in at least {FOUND_LEAST} of {FOUND_RUNS}", FOUND_RUNS
    else:
        return "none"
    to_come = wanted - len(mine)
    return f"{text}: {MISSED if broken else f'{to_come} runs to come' if to_come > 0 else 'met'}"


def allowance(mine: Sequence[Control], wanted: int) -> float:
    """Bars are for so many runs; more of them may err in proportion."""
    return max(1.0, len(mine) / wanted)


if __name__ == "__main__":
    raise SystemExit(main())
