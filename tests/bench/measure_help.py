"""How quick the command is to begin: `loadlab --help` over importing typer alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

from bench.arena import Arena, MeasureError, last_line, run
from bench.figures import Figure, at_most
from bench.interleaved import ratio_of_medians, turns

RUNS, SHORT_RUNS = 15, 7


def measure_help(arena: Arena) -> Iterator[Figure]:
    """Ratio of wall times, each a fresh process."""
    commands = {"help": [arena.loadlab, "--help"], "typer": [sys.executable, "-c", "import typer"]}
    for argv in commands.values():
        _wall_s(arena, argv)
    took_s: dict[str, list[float]] = {name: [] for name in commands}
    runs = arena.pick(RUNS, SHORT_RUNS)
    arena.say(f"help: {runs} pairs")
    for turn in turns(tuple(commands), runs):
        for name in turn:
            took_s[name].append(_wall_s(arena, commands[name]))
    ratio = ratio_of_medians(took_s["help"], took_s["typer"])
    milliseconds = {name: sorted(each)[len(each) // 2] * 1e3 for name, each in took_s.items()}
    yield Figure(
        name="loadlab --help",
        value=ratio.value,
        lower=ratio.lower,
        upper=ratio.upper,
        unit="ratio",
        bar=at_most(1.5),
        how=f'wall time over `python -c "import typer"`, {ratio.pairs} interleaved pairs, medians, files cached',
        note=f"medians {milliseconds['help']:.0f} ms and {milliseconds['typer']:.0f} ms, median of pair ratios "
        f"{ratio.paired:.2f}",
    )


def _wall_s(arena: Arena, argv: Sequence[str]) -> float:
    began = time.perf_counter()
    done = run(argv, cwd=arena.root, timeout_s=60.0, is_bare=True)
    took_s = time.perf_counter() - began
    if done.returncode:
        raise MeasureError(f"{' '.join(argv)}: exit code {done.returncode}: {last_line(done.stderr)}")
    return took_s
