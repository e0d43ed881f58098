"""Ten thousand experiment files and bundles that nobody means to write: each ends in a plan, a report or one line."""

from __future__ import annotations

from collections.abc import Iterator

from bench.arena import Arena
from bench.figures import Figure, at_least, at_most

CASES = {"files": (7000, 300), "bundles": (3000, 60)}
"""In full and with --quick."""
WHAT = {
    "files": "`loadlab run FILE --dry-run` of an experiment file to whose lines and bytes something has happened",
    "bundles": "`loadlab report RUN --analyse` of a bundle of which a file is gone, cut, or has an odd value",
}
SEED = 20261126
TIMEOUT_S = 3600.0


def measure_garbage(arena: Arena) -> Iterator[Figure]:
    """For each kind how many ended in a traceback, hung, or were refused in other than one line; then the count."""
    total = 0
    for kind, (full, short) in CASES.items():
        cases = arena.pick(full, short)
        arena.say(f"garbage: {cases} {kind}")
        folder = arena.folder / kind
        folder.mkdir()
        seen = arena.ask_child("garbage.py", kind, str(cases), str(SEED), str(folder), timeout_s=TIMEOUT_S)
        total += int(seen["cases"])
        yield Figure(
            name=f"garbage {kind} that ended in a traceback or hung",
            value=float(len(seen["faults"])),
            unit="places",
            bar=at_most(0.0),
            how=f"{seen['cases']} cases drawn by hypothesis with seed {SEED}: {WHAT[kind]}",
            note="; ".join([f"the longest took {seen['longest_s']:.2f} s", *seen["faults"][:5]]),
        )
    yield Figure(
        name="garbage, cases in all",
        value=float(total),
        unit="cases",
        bar=at_least(float(sum(arena.pick(*counts) for counts in CASES.values()))),
        how="experiment files and bundles together",
    )
