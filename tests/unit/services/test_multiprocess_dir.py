"""The folder of the workers' metrics lives as long as its owner, and the next start clears up after a killed one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from svc_common import multiprocess_dir
from svc_common.multiprocess_dir import VARIABLE, fresh_multiprocess_dir


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place for the folders, instead of the machine's shared memory."""
    monkeypatch.setattr(multiprocess_dir, "SHARED_MEMORY", tmp_path)
    return tmp_path


def test_the_folder_is_named_while_it_lives_and_gone_after(parent: Path) -> None:
    with fresh_multiprocess_dir() as folder:
        assert folder.parent == parent
        assert os.environ[VARIABLE] == str(folder)
        (folder / "cells").write_bytes(b"1")
    assert VARIABLE not in os.environ
    assert list(parent.iterdir()) == []


def test_a_folder_whose_owner_is_gone_is_removed_and_others_are_left(parent: Path) -> None:
    leftover, foreign = (parent / name for name in ("svc-metrics-old", "something-else"))
    for folder in (leftover, foreign):
        folder.mkdir()
        (folder / "file").touch()
    with fresh_multiprocess_dir() as held, fresh_multiprocess_dir() as second:
        assert sorted(parent.iterdir()) == sorted([held, second, foreign])
