"""`loadlab calibrate`: what is shown, and that only a whole calibration takes the place of the one before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from builders_calibration import make_calibration
from loadlab.cli import calibrate_command
from loadlab.execute.calibration_file import file_name, identity, read_calibration, write_calibration
from loadlab.execute.clock import SystemClock
from loadlab.execute.machine import Machine
from loadlab.model.calibration import Calibration
from loadlab.pipeline import calibrate as pipeline
from loadlab.pipeline.layout import Layout, checkout

NAME = file_name(keep_awake=False)
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with a calibration of this machine, made just now."""
    folder = tmp_path / "state"
    monkeypatch.setenv("LOADLAB_STATE", str(folder))
    write_calibration(
        folder, make_calibration(identity=identity(Machine(), checkout().root), made_unix_s=SystemClock().unix_s())
    )
    return folder


def test_without_a_calibration_there_is_nothing_to_show(type_: Type) -> None:
    code, _, err = type_("calibrate", "--show")
    assert code == 2
    assert "no calibration there; make one" in err
    assert "Traceback" not in err


def test_the_calibration_is_shown_with_what_runs_say_of_it(type_: Type, state: Path) -> None:
    code, out, _ = type_("calibrate", "--show")
    assert code == 0
    assert "calibrated: the load generator is truthful on this machine" in out
    assert "truthful up to 4\u202f100 req/s, not at 5\u202f000" in out
    assert "truthful up to 1\u202f000 users, more was not tried" in out
    assert "runs say: calibrated today on this machine: bias p50 +0.40 %" in out
    assert "NOT truthful" in out  # the rung that failed


def test_response_times_of_open_steps_are_shown_beside_their_service_times(type_: Type, state: Path) -> None:
    _, out, _ = type_("calibrate", "--show")
    row = next(line for line in out.splitlines() if "response p99" in line)
    assert row.split() == ["response", "p99", "12.0", "ms", "12.1", "ms", "100", "\u00b5s", "2.00", "ms", "ok"]
    assert any("4\u202f100/s" in line and "4100.0" in line for line in out.splitlines())


def test_as_json_it_is_the_record(type_: Type, state: Path) -> None:
    code, out, _ = type_("calibrate", "--show", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["rate"] == {"most": 4100.0, "beyond": 5000.0}
    assert told["steps"][0]["errors"]["p999_s"] is None


def test_one_that_found_the_generator_untruthful_ends_with_4(type_: Type, state: Path) -> None:
    write_calibration(
        state, make_calibration(identity=identity(Machine(), checkout().root), failures=("latency-1ms: p50",))
    )
    code, out, _ = type_("calibrate", "--show")
    assert code == 4
    assert "NOT truthful: latency-1ms: p50" in out


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"kernel": "1.0"}, "calibrated with kernel 1.0, now"), ({"machine": "another"}, "was made on another machine")],
)
def test_one_that_does_not_hold_is_shown_as_such_and_ends_with_4(
    type_: Type, state: Path, changes: dict[str, str], why: str
) -> None:
    made_with = {**identity(Machine(), checkout().root), **changes}
    write_calibration(state, make_calibration(identity=made_with, made_unix_s=SystemClock().unix_s()))
    code, out, _ = type_("calibrate", "--show")
    assert code == 4
    assert out.startswith("this one does not hold here and now, calibrate again (uncalibrated: ")
    assert why in out.splitlines()[0]
    assert type_("calibrate", "--show", "--json")[0] == 4


@pytest.mark.parametrize("text", ["{", '{"format": 1, "calibration": {}}', '{"format": 2, "calibration": {}}'])
def test_one_that_cannot_be_read_is_not_called_absent(type_: Type, state: Path, text: str) -> None:
    (state / NAME).write_text(text, encoding="utf-8")
    code, _, err = type_("calibrate", "--show")
    assert code == 2
    assert "got a calibration of another version, or a damaged one; make one: " in err


def test_an_interrupt_leaves_the_calibration_that_was_there(
    type_: Type, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (state / NAME).read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "_core_quality", interrupted)
    code, _, err = type_("calibrate")
    assert code == 130
    assert "interrupted; the calibration that was there stays as it was" in err
    assert (state / NAME).read_bytes() == before


def test_a_machine_with_one_core_cannot_be_calibrated(
    type_: Type, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    code, _, err = type_("calibrate")
    assert code == 2
    assert "got 1 core, expected 2 or more" in err


@pytest.mark.parametrize(
    ("folder", "why"), [("/proc/nobody/state", "cannot be written"), ("a-file/state", "is a file, expected a folder")]
)
def test_a_folder_that_cannot_keep_it_is_told_before_anything_is_measured(
    type_: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, why: str
) -> None:
    def measured(*_: object, **__: object) -> None:
        raise AssertionError("measured in vain")

    (tmp_path / "a-file").touch()
    monkeypatch.setenv("LOADLAB_STATE", str(tmp_path / folder))
    monkeypatch.setattr(calibrate_command, "calibrate", measured)
    code, _, err = type_("calibrate")
    assert code == 2
    assert err.startswith("loadlab: LOADLAB_STATE, the folder of calibrations, ")
    assert why in err
    assert err.count("\n") == 1


def test_the_command_keeps_what_it_measured(type_: Type, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = make_calibration(made_unix_s=5.0)

    def measured(layout: Layout, say: Callable[[str], None], *, awake: bool) -> object:
        assert (layout.state, awake) == (state, False)
        write_calibration(state, found)
        return found

    monkeypatch.setattr(calibrate_command, "calibrate", measured)
    assert type_("calibrate", "--json")[0] == 0
    assert read_calibration(state) == found


def test_one_made_with_cores_kept_awake_counts_for_runs_that_do_so_too(
    type_: Type, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(layout: Layout, say: Callable[[str], None], *, awake: bool) -> Calibration:
        made_with = identity(Machine(), layout.root, keep_awake=awake)
        found = make_calibration(identity=made_with, made_unix_s=SystemClock().unix_s())
        write_calibration(state, found)
        return found

    monkeypatch.setattr(calibrate_command, "calibrate", measured)
    before = (state / NAME).read_bytes()
    assert type_("calibrate", "--show", "--keep-awake")[0] == 2
    for words in (("calibrate", "--keep-awake"), ("calibrate", "--keep-awake", "--show")):
        code, out, _ = type_(*words)
        assert code == 0
        assert "runs with window.keep_awake = true say: calibrated today" in out
    assert (state / NAME).read_bytes() == before, "the other runs keep theirs"
