"""The shape that was agreed holds: layers, sizes, complexity, and nothing of one machine in what is committed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("scripts/loadlab", "scripts/experiments", "services", "locustfiles", "grafana/src")
MOST_LINES_OF_A_MODULE = 300
MOST_LINES_OF_A_FUNCTION = 40
MEDIAN_LINES_OF_A_FUNCTION = 10
MOST_COMPLEXITY = 8
INDEX_HOSTS = ("pypi." + "org", "python" + "hosted.org", "proxy." + "golang.org", "registry." + "npmjs.org")
MACHINE_PATHS = ("/" + "work/main", "/" + "work/shared", "/tmp/" + "briefs", "/" + "root/")


def _modules() -> list[Path]:
    return sorted(path for top in PRODUCT for path in (ROOT / top).rglob("*.py"))


def _functions() -> Iterator[tuple[str, int]]:
    """Each function with its length in lines, from ``def`` to its end."""
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def _shipped_texts() -> Iterator[tuple[Path, str]]:
    """Every text file that is committed or about to be."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            yield path, content.decode("utf-8", errors="replace")


def _linter() -> Path:
    return Path(sys.executable).parent / "lint-imports"


def test_imports_follow_the_layers() -> None:
    done = subprocess.run(
        [_linter(), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "services" / "common")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_layers_are_checked_for_every_package_of_the_engine() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    layered = {name.strip() for layer in layers for name in layer.split("|")}
    engine = ROOT / "scripts" / "loadlab"
    present = {f"loadlab.{path.stem}" for path in engine.glob("*.py") if path.stem != "__init__"}
    present |= {f"loadlab.{path.parent.name}" for path in engine.glob("*/__init__.py")}
    assert present <= layered


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in _modules()}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_MODULE} == {}


def test_functions_are_short() -> None:
    functions = list(_functions())
    assert [f"{name}: {lines}" for name, lines in functions if lines > MOST_LINES_OF_A_FUNCTION] == []
    assert median(lines for _, lines in functions) < MEDIAN_LINES_OF_A_FUNCTION


def test_complexity_is_bounded_and_nothing_is_excused_from_it() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "C90" in ruff["select"]
    assert ruff["mccabe"]["max-complexity"] <= MOST_COMPLEXITY
    excuse = re.compile(r"noqa:[^\n]*C901")
    assert [path for path in _modules() if excuse.search(path.read_text(encoding="utf-8"))] == []


def test_no_module_is_a_drawer_for_anything() -> None:
    drawers = {"util", "utils", "helper", "helpers", "misc", "common"}
    assert [path for path in _modules() if path.stem.strip("_") in drawers] == []


@pytest.mark.parametrize("words", [INDEX_HOSTS, MACHINE_PATHS], ids=["package index", "path of one machine"])
def test_nothing_shipped_names(words: tuple[str, ...]) -> None:
    found = [f"{path.relative_to(ROOT)}: {word}" for path, text in _shipped_texts() for word in words if word in text]
    assert found == []
