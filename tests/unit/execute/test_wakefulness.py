"""Idle cores are kept awake by real processes that give way to everything else and end with the engine."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from loadlab.errors import DeployError, UsageError
from loadlab.execute import awake, wakefulness
from loadlab.execute.activity import is_lab_command
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.wakefulness import KeptAwake, check_quota

AT_WORK_S = 0.02
"""Processor time that starting up does not take: it is over when the priority is the lowest."""
CORE = min(os.sched_getaffinity(0))


class StubbornGroup:
    """Stands for /proc/self/autogroup: refuses some writes first."""

    def __init__(self, *refusals: int) -> None:
        self.refusals = list(refusals)
        self.text = ""

    def write_text(self, text: str) -> None:
        if self.refusals:
            raise OSError(self.refusals.pop(0), "refused")
        self.text = text


def _stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """This is started instead of what keeps a core awake."""
    script = folder / "awake.py"
    script.write_text(f"{program}\n", encoding="utf-8")
    monkeypatch.setattr(awake, "__file__", str(script))


def test_every_core_gets_a_process_of_its_own_at_the_lowest_priority_of_all(
    children: ChildProcesses, tmp_path: Path
) -> None:
    cores = frozenset(os.sched_getaffinity(0))
    awake_ones = KeptAwake(children, cores, tmp_path)
    awake_ones.start()
    pids = awake_ones.pids()
    assert {core: os.sched_getaffinity(pid) for core, pid in pids.items()} == {core: {core} for core in cores}
    assert {os.sched_getscheduler(pid) for pid in pids.values()} == {os.SCHED_IDLE}
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in pids.values()} == {awake.LOWEST_NICE}
    groups = [Path(f"/proc/{pid}/autogroup") for pid in pids.values()]
    assert all(group.read_text().split()[1:] == ["nice", "19"] for group in groups if group.exists())
    assert all(os.getsid(pid) == pid for pid in pids.values()), "in another's group it would lower that one's"
    assert {is_lab_command(psutil.Process(pid).cmdline()) for pid in pids.values()} == {True}
    awake_ones.start()
    assert awake_ones.pids() == pids, "those at work stay"


def test_they_work_are_watched_and_end_with_the_children(tmp_path: Path) -> None:
    with ChildProcesses() as mine:
        one = KeptAwake(mine, frozenset({CORE}), tmp_path)
        one.start()
        (pid,) = one.pids().values()
        process = psutil.Process(pid)
        begun_s, deadline_s = process.cpu_times().user, time.monotonic() + 60.0
        while process.cpu_times().user < begun_s + AT_WORK_S and time.monotonic() < deadline_s:
            time.sleep(0.02)
        assert process.cpu_times().user >= begun_s + AT_WORK_S
        one.check()
        process.kill()
        while not one.fallen() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        with pytest.raises(DeployError, match=r"awake-\d+ was killed by SIGKILL; its log is empty; measure again"):
            one.check()
        one.start()
        (pid,) = one.pids().values()
        one.check()
    assert not psutil.pid_exists(pid)


def test_one_that_cannot_have_that_priority_is_told_with_its_reason(
    children: ChildProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stand_in(monkeypatch, tmp_path, "import sys; sys.exit('the lowest priority cannot be had: no')")
    said = (
        f"awake-{CORE} ended with exit code 1; last log lines: the lowest priority cannot be had: no; measure without"
    )
    with pytest.raises(DeployError, match=said):
        KeptAwake(children, frozenset({CORE}), tmp_path).start()


def test_one_that_never_comes_to_work_is_told(
    children: ChildProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stand_in(monkeypatch, tmp_path, "import time; time.sleep(60)")
    monkeypatch.setattr(wakefulness, "START_S", 0.1)
    with pytest.raises(DeployError, match=rf"awake-{CORE}: not at work after 0\.3 s; its log is empty; run again"):
        KeptAwake(children, frozenset({CORE}), tmp_path).start()


def test_the_group_of_the_session_is_lowered_however_often_the_kernel_puts_it_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(awake, "PAUSE_S", 0.0)
    group = StubbornGroup(*[errno.EAGAIN] * 100)
    awake._lower_group(group)  # type: ignore[arg-type]
    assert group.text == "19"


def test_a_group_that_stays_as_it_is_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awake, "PAUSE_S", 0.0)
    group = StubbornGroup(errno.EAGAIN, errno.EPERM)
    with pytest.raises(OSError, match="refused"):
        awake._lower_group(group)  # type: ignore[arg-type]


def test_a_kernel_without_such_groups_needs_none(tmp_path: Path) -> None:
    awake._lower_group(tmp_path / "nowhere" / "autogroup")
    assert not (tmp_path / "nowhere").exists()


def test_a_system_without_the_priority_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid())
    monkeypatch.setattr(awake, "_lower_group", lambda: None)
    monkeypatch.setattr(os, "nice", lambda _: 19)
    monkeypatch.delattr(os, "SCHED_IDLE")
    with pytest.raises(SystemExit, match=r"the lowest priority cannot be had: .*SCHED_IDLE"):
        awake.stay_awake()


def test_it_needs_nothing_but_the_standard_library() -> None:
    import_lines = [
        line for line in Path(awake.__file__).read_text().splitlines() if line.startswith(("import", "from"))
    ]
    assert {line.split()[1] for line in import_lines} <= {*sys.stdlib_module_names, "__future__"}


@pytest.mark.parametrize("quota_cores", [None, 2.0, 3.0])
def test_without_a_quota_or_with_a_large_one_nothing_is_used_up(quota_cores: float | None) -> None:
    check_quota("mine.toml: window.keep_awake", 2, quota_cores)


def test_a_quota_that_would_be_used_up_is_told() -> None:
    with pytest.raises(
        UsageError, match=r"mine.toml: window.keep_awake: .* lets 1.50 cores be used and there are 2 to"
    ):
        check_quota("mine.toml: window.keep_awake", 2, 1.5)
