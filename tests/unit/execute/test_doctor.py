"""Each check says what it got and what it expected, and what to do exactly when something is to be done."""

from __future__ import annotations

import re
import resource
import time
from pathlib import Path

import pytest

from builders_calibration import make_calibration
from loadlab.analysis.calibration_use import Standing
from loadlab.errors import DeployError
from loadlab.execute import doctor
from loadlab.execute.activity import Activity, BusyProcess
from loadlab.execute.calibration_file import identity, write_calibration
from loadlab.execute.doctor import Check, run_checks
from loadlab.execute.machine import Machine

LOCK = """\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aa
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:bb
Some.Thing==1.0 \\
    --hash=sha256:cc
colorama==0.4 ; sys_platform == 'win32' \\
    --hash=sha256:dd
"""
GIB = 2**30
NEVER = Standing(text="uncalibrated", truthful=None)


def _busy(cpu_cores: float) -> Activity:
    return Activity(steal_ratio=0.0, busy=(BusyProcess(pid=7, name="compiler", cpu_cores=cpu_cores),))


def _ports(root: Path, span: str, closing: int) -> Machine:
    (root / "proc/sys/net/ipv4").mkdir(parents=True)
    (root / "proc/sys/net/ipv4/ip_local_port_range").write_text(span)
    (root / "proc/net").mkdir()
    (root / "proc/net/sockstat").write_text(f"sockets: used 3\nTCP: inuse 5 orphan 0 tw {closing} alloc 9 mem 1\n")
    return Machine(root)


@pytest.mark.parametrize(
    ("check", "status", "got"),
    [
        (doctor.check_cores({0, 1}, None), "ok", r"2 \(0-1\)"),
        (doctor.check_cores({3}, None), "fail", r"1 \(3\)"),
        (doctor.check_cores({0, 1}, 1.5), "fail", r"2 \(0-1\), of which a control group lets 1.50 cores be used"),
        (doctor.check_cores({0, 1, 2}, 2.0), "ok", r"3 \(0-2\)"),
        (doctor.check_steal(0.0), "ok", "0 %"),
        (doctor.check_steal(0.02), "warn", "2.0 %"),
        (doctor.check_steal(None), "ok", "not readable"),
        (
            doctor.check_calibration(Standing(text="calibrated today on this machine", truthful=None), NEVER),
            "ok",
            "today",
        ),
        (
            doctor.check_calibration(Standing(text="uncalibrated: 40 days", truthful=None), NEVER),
            "warn",
            "uncalibrated: 40 d",
        ),
        (doctor.check_other_load(_busy(0.05)), "ok", "0.05 cores$"),
        (doctor.check_other_load(_busy(0.8)), "warn", r"0.80 cores \(compiler 0.80\)"),
        (doctor.check_left_over(()), "ok", "none"),
        (doctor.check_left_over(_busy(1).busy), "warn", r"compiler \(pid 7\)"),
        (doctor.check_timer([0.0001] * 99 + [0.5]), "ok", "100 µs late"),
        (doctor.check_timer([0.0001] * 90 + [0.006] * 10), "warn", "6.00 ms late"),
        (doctor.check_governor("performance"), "ok", "performance"),
        (doctor.check_governor("performance, powersave"), "warn", "powersave"),
        (doctor.check_governor(None), "ok", r"not readable \(the host decides\)"),
        (doctor.check_clock("tsc"), "ok", "tsc"),
        (doctor.check_clock("hpet"), "warn", "hpet"),
        (doctor.check_clock(None), "ok", "not readable"),
        (doctor.check_cgroup("v2"), "ok", "v2"),
        (doctor.check_cgroup(None), "warn", "none"),
        (doctor.check_memory(4 * GIB), "ok", "4.00 GiB"),
        (doctor.check_memory(GIB), "warn", "1.00 GiB"),
        (doctor.check_memory(GIB // 4), "fail", "256 MiB"),
        (doctor.check_memory(None), "ok", "not readable"),
        (doctor.check_disk(2 * GIB), "ok", "2.00 GiB"),
        (doctor.check_disk(GIB // 2), "warn", "512 MiB"),
        (doctor.check_disk(1), "fail", "1 B"),
        (doctor.check_open_files(20_000, 20_000), "ok", "20.000"),
        (doctor.check_open_files(resource.RLIM_INFINITY, resource.RLIM_INFINITY), "ok", "unlimited"),
        (doctor.check_open_files(1_024, 1_000_000), "warn", "1.024"),
        (doctor.check_open_files(256, 256), "fail", "256"),
    ],
)
def test_a_figure_is_judged_by_its_bound(check: Check, status: str, got: str) -> None:
    assert check.status == status
    assert re.search(got, check.got)
    assert (check.next_step is None) == (status == "ok")
    assert check.expected


def test_a_low_limit_that_can_be_raised_gives_the_command() -> None:
    assert doctor.check_open_files(1_024, 1_000_000).next_step == "ulimit -n 8192"
    assert "hard limit" in (doctor.check_open_files(1_024, 2_048).next_step or "")


def test_nobody_is_told_to_kill_the_processes_of_a_lab_that_is_up() -> None:
    pod = BusyProcess(pid=8, name="upstream", cpu_cores=0.0, contained=True)
    alone = doctor.check_left_over((pod,))
    assert alone.got == "upstream (pid 8, in a container)"
    assert "kill" not in (alone.next_step or "kill")
    assert "make lab-down" in (alone.next_step or "")
    both = doctor.check_left_over((*_busy(1).busy, pod))
    assert "kill 7; in containers" in (both.next_step or "")


def test_left_over_processes_are_named_with_the_command_that_ends_them() -> None:
    assert "kill 7" in (doctor.check_left_over(_busy(1).busy).next_step or "")


@pytest.mark.parametrize(("closing", "status"), [(1_000, "ok"), (20_000, "warn")])
def test_ports_that_are_closing_are_not_free(tmp_path: Path, closing: int, status: str) -> None:
    check = doctor.check_ports(_ports(tmp_path, "32768\t60999", closing))
    assert check.status == status
    assert check.got.startswith(f"{28_232 - closing:,} free".replace(",", "\u202f"))


def test_ports_that_cannot_be_seen_are_not_judged(tmp_path: Path) -> None:
    assert doctor.check_ports(Machine(tmp_path)).got.startswith("not readable")


@pytest.mark.parametrize(
    ("installed", "status", "got"),
    [
        ({"numpy": "2.4.6", "some-thing": "1.0"}, "ok", "as locked"),
        ({"numpy": "2.5.5", "some-thing": "1.0", "colorama": "0.4"}, "ok", "as locked"),
        ({"numpy": "2.0", "some-thing": "1.0"}, "warn", "numpy 2.0"),
        ({"numpy": "2.4.6"}, "warn", "some-thing missing (locked 1.0)"),
        ({"numpy": "2.4.6", "some-thing": "1.0", "colorama": "0.3"}, "warn", "colorama 0.3"),
    ],
)
def test_packages_are_held_against_the_lock_and_its_markers(
    tmp_path: Path, installed: dict[str, str], status: str, got: str
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    check = doctor.check_packages(lock, installed)
    assert check.status == status
    assert got in check.got


def test_a_folder_without_a_lock_is_no_checkout(tmp_path: Path) -> None:
    assert doctor.check_packages(tmp_path / "requirements.lock", {}).status == "warn"


def test_this_machine_gets_every_check_once() -> None:
    checks = run_checks(Path(__file__).parents[3], observe_s=0.05, strain_s=0.05)
    names = [check.name for check in checks]
    assert len(names) == len(set(names)) == 14
    found = {check.name: check for check in checks}
    assert found["packages"].status == "ok"
    assert (found["calibration"].status, found["calibration"].got) == ("warn", "uncalibrated")


@pytest.mark.parametrize(("strain_s", "got"), [(0.0, "0 %"), (0.1, "30 %; 30 % with idle cores kept awake")])
def test_stolen_time_is_looked_for_under_load_unless_something_runs_that_must_not_be_disturbed(
    monkeypatch: pytest.MonkeyPatch, strain_s: float, got: str
) -> None:
    monkeypatch.setattr("loadlab.execute.doctor.observe", lambda _: _busy(0.0))
    monkeypatch.setattr("loadlab.execute.doctor.strained_steal_ratio", lambda seconds, **_: 3 * seconds)
    monkeypatch.setattr(Machine, "cpu_quota_cores", lambda _: None)
    checks = run_checks(Path(__file__).parents[3], strain_s=strain_s)
    assert next(check.got for check in checks if check.name == "stolen processor time") == got


@pytest.mark.parametrize(
    ("ratio", "awake_ratio", "status", "step"),
    [
        (0.004, None, "ok", None),
        (0.03, 0.001, "warn", "--set window.keep_awake=true"),
        (0.03, 0.012, "warn", "a quieter time or host is better"),
        (0.012, 0.008, "warn", "a quieter time or host is better"),
        (0.03, None, "warn", "a quieter time or host is better"),
    ],
)
def test_keeping_cores_awake_is_advised_where_it_was_seen_to_help(
    ratio: float, awake_ratio: float | None, status: str, step: str | None
) -> None:
    check = doctor.check_steal(ratio, awake_ratio)
    assert check.status == status
    assert (check.next_step is None) if step is None else (check.next_step is not None and step in check.next_step)
    assert ("with idle cores kept awake" in check.got) == (awake_ratio is not None)


def _looks(monkeypatch: pytest.MonkeyPatch, asleep: float, awake: float | Exception) -> list[bool]:
    """What the doctor looks at: for each look whether cores were kept awake."""
    looks: list[bool] = []

    def look(_: float, *, is_kept_awake: bool = False) -> float:
        looks.append(is_kept_awake)
        if is_kept_awake and isinstance(awake, Exception):
            raise awake
        return float(awake) if is_kept_awake else asleep  # type: ignore[arg-type]

    monkeypatch.setattr("loadlab.execute.doctor.strained_steal_ratio", look)
    return looks


def test_a_machine_that_loses_nothing_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = _looks(monkeypatch, 0.001, 0.5)
    assert doctor.steal_ratios(0.1, None) == (0.001, None)
    assert looks == [False]


def test_a_machine_that_loses_much_is_looked_at_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = _looks(monkeypatch, 0.02, 0.001)
    assert doctor.steal_ratios(0.1, None) == (0.02, 0.001)
    assert looks == [False, True, False, True, False]


def test_cores_are_not_kept_awake_for_a_look_where_a_quota_would_be_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = _looks(monkeypatch, 0.02, 0.001)
    assert doctor.steal_ratios(0.1, 0.5) == (0.02, None)
    assert looks == [False]


@pytest.mark.parametrize("error", [DeployError("awake-0 ended with exit code 1"), OSError("no space left")])
def test_a_system_whose_cores_cannot_be_kept_awake_gets_its_checks_all_the_same(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    _looks(monkeypatch, 0.02, error)
    assert doctor.steal_ratios(0.1, None) == (0.02, None)


def test_a_calibration_for_runs_that_keep_cores_awake_is_shown_beside_the_other(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    made_with = identity(Machine(), root, keep_awake=True)
    write_calibration(tmp_path, make_calibration(identity=made_with, made_unix_s=time.time()))
    checks = run_checks(root, state=tmp_path, observe_s=0.01, strain_s=0.0)
    found = next(check for check in checks if check.name == "calibration")
    assert found.status == "ok"
    assert found.got.startswith("uncalibrated; of runs with window.keep_awake = true: calibrated today")
