"""A test file that one worker has rewritten is found in the cache by pytest itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion import rewrite

from rewritten_once import rewrite_missing


def _cached(file: Path) -> Any:
    return rewrite._read_pyc(file, rewrite.get_cache_dir(file) / f"{file.stem}{rewrite.PYC_TAIL}")


def test_what_is_missing_is_put_where_pytest_looks_for_it_and_is_made_anew_after_a_change(
    tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.pycache_prefix", None)
    file = tmp_path / "test_x.py"
    for word in ("one", "two"):
        file.write_text(f"def test_x():\n    assert '{word}'\n")
        assert _cached(file) is None
        rewrite_missing([file], pytestconfig)
        found: dict[str, Any] = {}
        exec(_cached(file), found)
        assert word in found["test_x"].__code__.co_consts
        assert "@pytest_ar" in found, "it is the rewritten form"
    before = (rewrite.get_cache_dir(file) / f"test_x{rewrite.PYC_TAIL}").stat().st_mtime_ns
    rewrite_missing([file], pytestconfig)
    assert (rewrite.get_cache_dir(file) / f"test_x{rewrite.PYC_TAIL}").stat().st_mtime_ns == before
