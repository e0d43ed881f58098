"""A whole bundle, and what can happen to its files: for tests and for the bench, drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
from hypothesis import strategies as st

from builders import make_experiment
from loadlab.model.experiment import RefinePlan
from loadlab.pipeline.finish import analyse_bundle, current_report
from loadlab.pipeline.layout import checkout
from simulated_lab import make_lab

ODD: tuple[object, ...] = (None, 0, -1, 1, 0.5, -0.001, 1.5, 10**12, 1e308, True, "", "x", [], {}, [0], {"x": 1})
MADE = ("results.json", "report.html", "report.md", "junit.xml")
"""What judging makes anew."""


@dataclass(frozen=True)
class Whole:
    """A bundle as it was before anything happened to it."""

    folder: Path
    files: dict[str, bytes]

    def spoil(self, name: str, content: bytes | None) -> None:
        """Give one file another content, or none."""
        if content is None:
            (self.folder / name).unlink()
        else:
            (self.folder / name).write_bytes(content)

    def mend(self) -> None:
        """Put everything back."""
        for path in self.folder.rglob("*"):
            if path.is_file() and str(path.relative_to(self.folder)) not in self.files:
                path.unlink()
        for name, content in self.files.items():
            path = self.folder / name
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)

    def now(self) -> dict[str, bytes]:
        """What is there, without what judging makes."""
        found = {str(p.relative_to(self.folder)): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}
        return {name: content for name, content in found.items() if name not in MADE}

    def judge(self, name: str) -> None:
        """What `loadlab report RUN --analyse` does; with other results, what `loadlab report RUN` does."""
        if name == "results.json":
            current_report(self.folder, checkout(self.folder.parent))
        else:
            analyse_bundle(self.folder, checkout(self.folder.parent))


def judged_untouched(whole: Whole, name: str) -> None:
    """Judge it; what was measured must not be touched, whether it can be judged or not."""
    before = whole.now()
    try:
        whole.judge(name)
    finally:
        assert whole.now() == before, "what was measured is never touched"


def make_whole(runs: Path) -> Whole:
    """A simulated run of two stages with two blocks each, judged, in this folder."""
    rules = RefinePlan(levels=1, count=2, width_ratio=1.3)
    lab = make_lab(replace(make_experiment(blocks=2, users=(7, 14), measure_s=8.0), refine=rules), runs / "unit-run")
    lab.run()
    assert (lab.folder / "windows" / "b03-010-pool.json").exists()
    analyse_bundle(lab.folder, checkout(runs))
    files = {str(p.relative_to(lab.folder)): p.read_bytes() for p in lab.folder.rglob("*") if p.is_file()}
    return Whole(folder=lab.folder, files=files)


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key and index below a JSON value."""
    named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in named:
        yield (*path, name)
        yield from _places(inner, (*path, name))


def _changed(content: bytes, path: tuple[str | int, ...], odd: object, drop: bool) -> bytes:
    parsed = inner = orjson.loads(content)
    for name in path[:-1]:
        inner = inner[name]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = odd
    return orjson.dumps(parsed)


@st.composite
def damages(draw: st.DrawFn, files: dict[str, bytes]) -> tuple[str, bytes | None]:
    """A file, and what it holds after something happened to it; None: it is gone."""
    name = draw(
        st.sampled_from(sorted(n for n in files if n not in ("report.html", "report.md", "junit.xml", ".lock")))
    )
    content = files[name]
    kinds = ["gone", "cut", "other", "byte"] + ["key"] * 12 * name.endswith((".json", ".jsonl"))
    kind = draw(st.sampled_from(kinds))
    if kind == "gone":
        return name, None
    if kind == "cut":
        return name, content[: draw(st.integers(0, max(0, len(content) - 1)))]
    if kind == "other":
        return name, draw(
            st.sampled_from((b"", b"\xff\xfe\x00", b"null", b"[]\n", b"{}\n", b"-1", b"NaN", b"id = 1\n"))
        )
    if kind == "byte" or not content:
        at = draw(st.integers(0, max(0, len(content) - 1)))
        return name, content[:at] + bytes([draw(st.integers(0, 255))]) + content[at + 1 :]
    lines = content.split(b"\n") if name.endswith(".jsonl") else [content]
    number = draw(st.integers(0, len(lines) - 1 - name.endswith(".jsonl")))
    path = draw(st.sampled_from(list(_places(orjson.loads(lines[number])))))
    lines[number] = _changed(lines[number], path, draw(st.sampled_from(ODD)), draw(st.booleans()))
    return name, b"\n".join(lines)
