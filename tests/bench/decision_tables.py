"""The figures of bench_coverage.py as the tables of docs/method.md, between two marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.marked_page import write_marked
from bench.recorded_noise import RecordedNoise
from bench.staged_coverage import MARK, PLACES

MARKED = "decision tables"
Line = Mapping[str, object]
NOISES = {"heavy": "heavy tails", "growing": "growing", "lone": "one noisy level", "shared": "shared"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """How the figures were drawn."""

    runs: int
    seed: int
    noise: RecordedNoise


def write_tables(page: Path, lines: Sequence[Line], drawn: Drawn) -> None:
    """Put the tables between the page's marks. Raises ValueError for a page without them."""
    write_marked(page, MARKED, tables(lines, drawn))


def tables(lines: Sequence[Line], drawn: Drawn) -> str:
    """Coverage and false alarms; the same under noise that breaks an assumption; power against the excess."""
    values = {str(line["name"]): line["value"] for line in lines}
    labels = [name.split(", ", 2)[2] for name in values if name.startswith("coverage, usual curves, ")]
    recorded = [
        name.removeprefix("coverage with recorded noise, ") for name in values if name.startswith("coverage with rec")
    ]
    parts = (
        _how(drawn),
        *_usual(values, labels),
        "",
        "The same over all curves where the noise is not normal and alike, as coverage / false alarms: t with 4",
        "degrees of freedom; SD doubling from first to last level; one level with three times the SD of the others;",
        "half of the variance common to all levels of a block; and control runs of a real machine, one for each",
        "level, with their blocks in order (at their own SD).",
        "",
        *_broken(values, labels, recorded),
        "",
        "Power: how often a level is called over the margin whose ratio lies so far beyond it (0: on the margin, where",
        "every call is an error).",
        "",
        *_power(values, [*labels, *recorded]),
        "",
        "Two stages, half of alpha each, at the levels of `threshold-50-placed`: the same curves and noises, and some",
        "that part beyond the first stage's levels, as coverage / false alarms. Then, with the threshold where the law",
        "predicts it, on a level of the first stage, which then straddles, and where the law is far off: how often the",
        "bracket ends no wider than 1.5, how often the run is conclusive (how often it goes on to its second stage).",
        "",
        *_staged(values),
    )
    return "\n".join(parts)


def _how(drawn: Drawn) -> str:
    blocks = sum(map(len, drawn.noise.blocks))
    means, expected = drawn.noise.sd_of_means_log
    return (
        f"{drawn.runs} simulated runs for each curve, seed {drawn.seed}. Recorded noise: {blocks} blocks of "
        f"{len(drawn.noise.runs)} control runs, SD {drawn.noise.sd_log:.2%}; the means of whole runs scatter by "
        f"{means:.2%}, and by {expected:.2%} if blocks knew nothing of their run.\n"
    )


def _usual(values: Mapping[str, object], labels: Sequence[str]) -> list[str]:
    columns = [
        "coverage, usual curves",
        "false alarms, usual curves",
        "coverage, on the margin",
        "false alarms, on the margin",
        "closed brackets (power)",
    ]
    heads = ["coverage, usual curves", "false alarms", "coverage, on the margin", "false alarms", "closed brackets"]
    rows = [[label, *(_percent(values[f"{column}, {label}"]) for column in columns)] for label in labels]
    return _table(["plan", *heads], rows)


def _broken(values: Mapping[str, object], labels: Sequence[str], recorded: Sequence[str]) -> list[str]:
    def both(noise: str, label: str) -> str:
        coverage, alarms = (values[f"{what} with {noise} noise, {label}"] for what in ("coverage", "false alarms"))
        return f"{_percent(coverage)} / {_percent(alarms)}"

    rows = [[label, *(both(noise, label) for noise in NOISES), ""] for label in labels]
    rows += [[label, *[""] * len(NOISES), both("recorded", label)] for label in recorded]
    return _table(["plan", *NOISES.values(), "recorded"], rows)


def _power(values: Mapping[str, object], labels: Sequence[str]) -> list[str]:
    excesses = list(dict.fromkeys(name.split(",")[0] for name in values if name.startswith("power at ")))
    rows = [[label, *(_percent(values[f"{excess}, {label}"]) for excess in excesses)] for label in labels]
    return _table(["plan", *(excess.removeprefix("power at ") for excess in excesses)], rows)


def _staged(values: Mapping[str, object]) -> list[str]:
    """One row for each noise level, and one for the noise of real runs."""
    begin = f"{MARK}narrow as predicted, "
    labels = [name.removeprefix(begin) for name in values if name.startswith(begin)]
    heads = ["usual curves", "on the margin", *NOISES.values(), "recorded", *PLACES, "no threshold"]
    return _table(["plan", *heads], [[label, *_staged_cells(values, label)] for label in labels])


def _staged_cells(values: Mapping[str, object], label: str) -> Iterator[str]:
    for curves in ("usual curves", "on the margin", *(f"{noise} noise" for noise in (*NOISES, "recorded"))):
        seen = [values.get(f"{MARK}{what}, {curves}, {label}") for what in ("coverage", "false alarms")]
        yield "" if None in seen else " / ".join(map(_percent, seen))
    for where in PLACES:
        narrow, decided, second = (
            _percent(values[f"{MARK}{what} {where}, {label}"]) for what in ("narrow", "conclusive", "second stage")
        )
        yield f"{narrow}, {decided} ({second})"
    decided, second = (_percent(values[f"{MARK}{what} flat, {label}"]) for what in ("conclusive", "second stage"))
    yield f"{decided} ({second})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_row(heads), "|" + "---|" * len(heads), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(value: object) -> str:
    return f"{float(str(value)):.2%}".replace("%", " %")
