"""Real A/A runs, and runs with injected service time, through the whole pipeline at margin 0.

    python tests/bench/controls.py [--aa 30] [--injected 20] [--effects 0 0.05 0.1 0.2] [--folder runs/controls]
                                   [--rows docs/controls.csv] [--docs docs/controls.md]

Resumable: a run that has its row is not made again, one that was interrupted is resumed. Each is one level and eight
blocks, about three minutes, so all of them take four and a half hours; any number of them makes a table. Exit codes:
0 no bar missed by the runs there are, 1 one missed, 2 the checkout has changes beside the rows and their page.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import exp, log
from pathlib import Path
from statistics import fmean, stdev

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from bench.control_runs import CHANGED, Control, Run, add_run, changed_files, mean_interval, read_runs, run_name, run_of
from bench.marked_page import write_marked
from loadlab.execute.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("runs", "controls")
"""Where the bundles of runs are kept, seen from the checkout."""
ROWS = Path("docs", "controls.csv")
"""What each of them said, a row for each; committed."""
EFFECTS = (0.0, 0.05, 0.10, 0.20)
RUN_TIMEOUT_S = 1200
MISSED = "MISSED"
AA_RUNS, AA_MOST_95, AA_MOST_99 = 30, 4, 2
"""Of so many runs of a stack against itself so many at most may leave 1 outside of their interval."""
FOUND_EFFECT, FOUND_RUNS, FOUND_LEAST = 0.10, 20, 19
"""Of so many runs with that effect so many at least have to call stack one dearer."""


def main() -> int:
    """Make what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--aa", type=int, default=30)
    parser.add_argument("--injected", type=int, default=20)
    parser.add_argument("--effects", type=float, nargs="+", choices=EFFECTS, default=EFFECTS)
    parser.add_argument("--folder", type=Path, default=ROOT / FOLDER)
    parser.add_argument("--rows", type=Path, default=ROOT / ROWS)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "controls.md")
    asked = parser.parse_args()
    wanted = {effect: asked.injected if effect else asked.aa for effect in asked.effects}
    given_up = set[str]()
    if changed := changed_files(ROOT):
        print(f"controls: {changed[0]} is not as committed; rows name the revision they are of: commit or put it back")
        return 2
    while (following := next_run(_of_this_machine(read_runs(asked.rows)), wanted, given_up)) is not None:
        effect, number = following
        name = run_name(effect, number)
        begun = (asked.folder / name).exists()
        results = _make(asked.folder / name, effect, number)
        if results is None:
            print(f"{name}: no result, left out", flush=True)
            given_up.add(name)
        else:
            run = run_of(results, name)
            if not begun and not changed_files(ROOT):  # all that had changed is what the runs before it wrote
                run = replace(run, revision=run.revision.removesuffix(CHANGED))
            add_run(asked.rows, run)
    text = table(read_runs(asked.rows))
    write_marked(asked.docs, "controls", text)
    print(text)
    return 1 if MISSED in text else 0


def _of_this_machine(runs: Sequence[Run]) -> list[Run]:
    """What other machines made says nothing of this one: here they are made again."""
    machine_id = Machine().machine_id()
    return [run for run in runs if run.machine_id == machine_id]


def next_run(
    runs: Sequence[Run], wanted: Mapping[float, int], given_up: Collection[str] = ()
) -> tuple[float, int] | None:
    """Effect and number of the run to make now; None where each effect has as many valid ones as are wanted.

    By turns, so that any number of them has some of each kind. One without a valid level keeps its row and its number,
    and one more is made for it. given_up: names of those that came to no result; the next call tries them again.
    """
    known = {run.name for run in runs} | set(given_up)
    following = []
    for effect, count in wanted.items():
        spoilt = sum(run.control is None for run in runs if run.effect_ratio == effect)
        numbers = (n for n in range(1, count + spoilt + 1) if run_name(effect, n) not in known)
        following += [(number, effect) for number in islice(numbers, 1)]
    number, effect = min(following, default=(0, 0.0))
    return (effect, number) if number else None


def _make(folder: Path, effect: float, number: int) -> Path | None:
    """The results of a run, made, resumed or there already; None where it came to none."""
    if (there := _results(folder)) is not None:
        return there
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
        return _results(folder)
    if (made := _results(folder)) is None:
        print(f"{folder.name}: exit code {done.returncode}: {done.stderr.strip()[-500:]}", flush=True)
    return made


def _bundle(folder: Path) -> Path | None:
    return next((path.parent for path in folder.glob("*/experiment.toml") if _is_of_here(path.parent)), None)


def _results(folder: Path) -> Path | None:
    """Of a run that is finished: one that was interrupted reports the blocks it has, and is resumed."""
    found = (path for path in folder.glob("*/results.json") if _is_of_here(path.parent))
    return next((path for path in found if _is_whole(path)), None)


def _is_of_here(bundle: Path) -> bool:
    """Whether this machine made it: a bundle may have been copied here."""
    if bundle.is_symlink() or not (bundle / "provenance.json").exists():
        return False
    made = json.loads((bundle / "provenance.json").read_text(encoding="utf-8"))
    return bool(made["machine_id"] == Machine().machine_id())


def _is_whole(path: Path) -> bool:
    findings = json.loads(path.read_text(encoding="utf-8"))["findings"]
    return all(finding["code"] != "run_incomplete" for finding in findings)


def table(runs: Sequence[Run]) -> str:
    """What was found on each machine, by what was put there."""
    machines = dict.fromkeys(run.machine_id for run in runs)
    parts = [_of_machine([run for run in runs if run.machine_id == machine]) for machine in machines]
    return "\n\n".join(parts) or "No run yet."


def _of_machine(runs: Sequence[Run]) -> str:
    invalid = sum(run.control.invalid_windows for run in runs if run.control)
    spoilt = Counter(_name(run.effect_ratio) for run in runs if run.control is None)
    which = f" ({', '.join(f'{name} {number}' for name, number in spoilt.items())})" if spoilt else ""
    return "\n".join(
        [
            f"Machine {runs[0].machine_id}: {_counted((run.machine,) for run in runs)}.",
            "",
            "| injected | runs | mean ratio | 95 % interval | SD of runs | 95 % of a run leave out 1 | 99 % "
            "| called dearer | bar |",
            "|---|---|---|---|---|---|---|---|---|",
            *(_row(effect, [r.control for r in runs if r.control and r.effect_ratio == effect]) for effect in EFFECTS),
            "",
            f"{invalid} windows were refused by gates; {sum(spoilt.values())} further runs had no valid level{which}.",
            f"Revisions: {_counted((run.revision,) for run in runs)}.",
            f"A/A by revision: {_by_revision(runs)}.",
        ]
    )


def _by_revision(runs: Sequence[Run]) -> str:
    """The mean of each revision's A/A runs: what a change of the lab did to it."""
    told = []
    for revision in dict.fromkeys(run.revision for run in runs):
        ratios = [r.control.ratio for r in runs if r.revision == revision and r.control and r.effect_ratio == 0]
        if ratios:
            told.append(f"{revision} {exp(fmean(map(log, ratios))):.4f}, {_interval(ratios)} ({len(ratios)} runs)")
    return "; ".join(told) or "none"


def _interval(ratios: Sequence[float]) -> str:
    seen = mean_interval(ratios)
    return "-" if seen is None else f"{seen.lower:.4f} to {seen.upper:.4f}"


def _row(effect: float, mine: Sequence[Control]) -> str:
    if not mine:
        return f"| {_name(effect)} | 0 | - | - | - | - | - | - | {_bar(effect, mine)} |"
    ratios = [control.ratio for control in mine]
    spread = f"{stdev(ratios):.4f}" if len(ratios) > 1 else "-"
    counts = (sum(counted) for counted in zip(*((c.outside_95, c.outside_99, c.over) for c in mine), strict=True))
    shares = " | ".join(f"{count} of {len(mine)}" for count in counts)
    mean = f"{exp(fmean(map(log, ratios))):.4f} | {_interval(ratios)}"
    return f"| {_name(effect)} | {len(mine)} | {mean} | {spread} | {shares} | {_bar(effect, mine)} |"


def _name(effect: float) -> str:
    return f"+{effect:.0%}" if effect else "A/A"


def _counted(told: Iterator[tuple[str, ...]]) -> str:
    """Each with how many runs were made with it, in the order of the first."""
    return "; ".join(f"{words[0]} ({number} runs)" for words, number in Counter(told).items())


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
        return _bar_of_other(effect, mine)
    to_come = wanted - len(mine)
    return f"{text}: {MISSED if broken else f'{to_come} runs to come' if to_come > 0 else 'met'}"


def _bar_of_other(effect: float, mine: Sequence[Control]) -> str:
    if effect < FOUND_EFFECT:
        return "none"
    return f"dearer in all: {'runs to come' if not mine else 'met' if all(c.over for c in mine) else MISSED}"


def allowance(mine: Sequence[Control], wanted: int) -> float:
    """Bars are for so many runs; more of them may err in proportion."""
    return max(1.0, len(mine) / wanted)


if __name__ == "__main__":
    raise SystemExit(main())
