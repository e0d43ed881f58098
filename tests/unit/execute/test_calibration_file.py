"""The file of a calibration, and the logs that a step leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from builders_calibration import IDENTITY, make_calibration
from golden.record_log import RecordLog
from loadlab.errors import LoadError
from loadlab.execute import quietness
from loadlab.execute.calibration_file import file_name, identity, read_calibration, state_folder, write_calibration
from loadlab.execute.durable import StoreFull
from loadlab.execute.golden import read_golden_log, take_request_logs
from loadlab.execute.machine import Machine
from loadlab.pipeline.layout import checkout


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = make_calibration()
    path = write_calibration(tmp_path / "deep" / "state", written)
    assert path.name == file_name(keep_awake=False)
    assert read_calibration(tmp_path / "deep" / "state") == written


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 99, "calibration": {}}', b'{"format":2,"calibration":{}}'],
)
def test_what_is_no_calibration_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / file_name(keep_awake=False)).write_bytes(content)
    assert read_calibration(tmp_path) is None


def test_without_a_folder_or_a_file_there_is_none(tmp_path: Path) -> None:
    assert read_calibration(None) is None
    assert read_calibration(tmp_path / "nowhere") is None


def test_a_state_folder_that_cannot_be_is_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFull, match="cannot be written"):
        write_calibration(tmp_path / "file" / "below", make_calibration())


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"LOADLAB_STATE": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/loadlab"),
        ({"HOME": "/c"}, "/c/.local/state/loadlab"),
    ],
)
def test_the_folder_follows_the_environment(environ: dict[str, str], folder: str) -> None:
    assert state_folder(environ) == Path(folder)


def test_the_identity_names_machine_and_versions() -> None:
    assert {*IDENTITY} <= {*identity(Machine(), checkout().root)}
    assert all(identity(Machine(), checkout().root).values())


def test_the_golden_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    log = RecordLog(tmp_path / "golden.log", 10, {"started_ns": 1})
    log.add(7, 100, 200, 201, 200)
    log.add(8, 300, 400, 0, 0)
    log.close()
    rows = read_golden_log(tmp_path / "golden.log")
    assert rows.tolist() == [[7, 100, 200, 201, 200], [8, 300, 400, 0, 0]]


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"format": "loadlab-golden-1"}\n123'])
def test_a_log_that_is_not_whole_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "golden.log").write_bytes(content)
    with pytest.raises(LoadError, match="no whole log"):
        read_golden_log(tmp_path / "golden.log")


def test_request_logs_of_all_workers_are_taken_once(tmp_path: Path) -> None:
    for pid in (5, 6):
        (tmp_path / f"requests-{pid}.f8").write_bytes(np.full(10, float(pid), dtype="<f8").tobytes())
    assert take_request_logs(tmp_path).tolist() == [[5.0] * 5] * 2 + [[6.0] * 5] * 2
    assert take_request_logs(tmp_path).shape == (0, 5)


def test_watching_a_core_gives_every_figure() -> None:
    figures = quietness.watch_clock(0.02) | quietness.watch_sleep(0.02)
    assert 0.0 < figures["clock_step_s"] <= 0.02
    assert 0.0 <= figures["paused_ratio"] <= 1.0
    assert figures["sleep_late_p50_s"] <= figures["sleep_late_p99_s"]
