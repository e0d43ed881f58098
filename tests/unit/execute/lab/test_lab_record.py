"""lab.json comes back as it was written, a damaged one is one line, and locks keep two apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlab.errors import ClusterError, UsageError
from loadlab.execute.lab.file_lock import held, is_held
from loadlab.execute.lab.record import LabRecord, StageTime, read_record, write_record


def test_a_record_comes_back(tmp_path: Path) -> None:
    path = tmp_path / ".lab" / "lab.json"
    stages = (StageTime(name="doctor", took_s=0.5, note="fine"),)
    record = LabRecord(target="kind", context="kind-loadlab", began_unix_s=1.0, nodes={"a": "1"}, stages=stages)
    write_record(path, record)
    assert read_record(path) == record


def test_no_file_is_no_lab(tmp_path: Path) -> None:
    assert read_record(tmp_path / "lab.json") is None


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 99}', '{"format": 1}'])
def test_a_damaged_record_says_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "lab.json"
    path.write_text(content)
    with pytest.raises(ClusterError, match=r"^\.lab/lab\.json: cannot be read .*; remove it"):
        read_record(path)


def test_a_lock_that_is_held_names_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not is_held(lock)
    with held(lock):
        assert is_held(lock)
        with pytest.raises(UsageError, match=r"process \d+ is at work on the lab; wait"), held(lock):
            pass
    assert not is_held(lock)


def test_a_holder_that_left_no_number_is_called_what_it_is(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    with held(lock):
        lock.write_text("")
        with pytest.raises(UsageError, match=r"^a run is at work on the lab"), held(lock, unknown="a run"):
            pass
