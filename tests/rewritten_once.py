"""Every worker of a session needs every test file rewritten for its asserts; here each does its share for them all.

They collect the same files in the same order at the same time, so that without this no worker would find in pytest's
cache what another has just put there, and a fresh clone would be rewritten as often as there are workers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Before a worker collects the whole suite: the files of which the cache has no rewritten form."""
    worker = getattr(session.config, "workerinput", None)
    is_whole = session.config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if worker is None or not is_whole or sys.dont_write_bytecode:
        return
    files = sorted(TESTS.rglob("test_*.py"))
    rewrite_missing(files[int(worker["workerid"][2:]) :: worker["workercount"]], session.config)


def rewrite_missing(files: Sequence[Path], config: pytest.Config) -> None:
    """Put each file's rewritten form where pytest looks for it, unless it is there."""
    state = config.stash[rewrite.assertstate_key]
    for file in files:
        folder = rewrite.get_cache_dir(file)
        kept = folder / f"{file.stem}{rewrite.PYC_TAIL}"
        if rewrite.try_makedirs(folder) and rewrite._read_pyc(file, kept) is None:
            source_hash, code = rewrite._rewrite_test(file, config)
            rewrite._write_pyc(state, code, source_hash, kept)
