"""Whatever happens to a file of a bundle: judging it again ends in a report or in one line, never in a traceback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import make_experiment
from loadlab.errors import LoadlabError
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

    def judge(self) -> None:
        """What `loadlab report RUN --analyse` does."""
        analyse_bundle(self.folder, checkout(self.folder.parent))


@pytest.fixture(scope="module")
def _whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        lab = make_lab(make_experiment(blocks=2, users=(8, 12)), runs / "unit-run")
        lab.run()
        analyse_bundle(lab.folder, checkout(runs))
    files = {str(p.relative_to(lab.folder)): p.read_bytes() for p in lab.folder.rglob("*") if p.is_file()}
    return Whole(folder=lab.folder, files=files)


@pytest.fixture
def whole(_whole: Whole, monkeypatch: pytest.MonkeyPatch) -> Iterator[Whole]:
    """A run of two blocks, put back afterwards."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    yield _whole
    _whole.mend()


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
def _damages(draw: st.DrawFn, files: dict[str, bytes]) -> tuple[str, bytes | None]:
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


def _is_judged_or_told(whole: Whole, act: Callable[[], object]) -> None:
    before, told = whole.now(), ""
    try:
        act()
    except LoadlabError as error:
        told = str(error)
    assert "\n" not in told
    assert whole.now() == before, "what was measured is never touched"


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_damage_to_any_file_or_key_ends_in_a_traceback(whole: Whole, data: st.DataObject) -> None:
    whole.mend()
    name, content = data.draw(_damages(whole.files))
    whole.spoil(name, content)
    if name == "results.json":
        _is_judged_or_told(whole, lambda: current_report(whole.folder, checkout(whole.folder.parent)))
    else:
        _is_judged_or_told(whole, whole.judge)
