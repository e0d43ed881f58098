"""What else runs is seen by name, and the lab's own family is never counted against the machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from loadlab.execute import guardian
from loadlab.execute.activity import (
    is_contained,
    is_lab_command,
    left_over_processes,
    observe,
    own_family,
    steal_ticks,
    timer_overshoot_s,
)

WAITS = "import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that waits to be told to end."""
    command = [sys.executable, "-c", WAITS, "-m", "upstream"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the kernel shows no command of a process that is about to begin
        yield process
        process.communicate()


def test_our_own_family_is_left_out(child: subprocess.Popen[bytes]) -> None:
    assert {psutil.Process().pid, psutil.Process().ppid(), child.pid} <= own_family()
    assert child.pid not in {each.pid for each in left_over_processes()}
    busy = {each.pid for each in observe(0.2).busy}
    assert not busy & own_family()


def test_shares_of_the_processor_are_shares_of_the_time_watched() -> None:
    seen = observe(0.2)
    assert all(each.cpu_cores > 0 for each in seen.busy)
    assert seen.steal_ratio is None or 0 <= seen.steal_ratio <= 1
    assert [each.cpu_cores for each in seen.busy] == sorted((each.cpu_cores for each in seen.busy), reverse=True)


def test_a_process_that_is_not_of_the_family_is_named(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadlab.execute.activity.own_family", frozenset)
    found = left_over_processes([psutil.Process(child.pid)])
    assert [(each.pid, each.name) for each in found] == [(child.pid, "upstream")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["python", "-m", "flask_gunicorn"], True),
        (["python", "-m", "fastapi_uvicorn"], True),
        (["python", "-m", "locust", "-f", "x/io_bound.py,x/lab_plugin.py"], True),
        (["/v/bin/locust", "-f", "x/lab_plugin.py"], True),
        (["/v/bin/locust", "-f", "mine.py"], False),
        (["python", "upstream"], False),
        (["python", "-I", "-S", guardian.__file__, "child.py", "0", "--", "python", "-m", "upstream"], False),
        (["vi", "lab_plugin.py"], False),
        (["python", "-I", "-S", "x/loadlab/execute/awake.py"], True),
        (["vi", "x/loadlab/execute/awake.py"], False),
        ([], False),
    ],
)
def test_the_labs_own_commands_are_told_from_others(words: list[str], expected: bool) -> None:
    assert is_lab_command(words) is expected


def test_a_process_of_this_namespace_is_in_no_container_and_neither_is_one_that_is_gone(
    child: subprocess.Popen[bytes],
) -> None:
    assert not is_contained(child.pid)
    assert not is_contained(2**30)


def test_a_process_in_a_namespace_of_its_own_is_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    links = {"/proc/7/ns/pid": Path("pid:[4026532222]"), "/proc/self/ns/pid": Path("pid:[4026531836]")}
    monkeypatch.setattr(Path, "readlink", lambda path: links[str(path)])
    assert is_contained(7)


def test_a_process_that_ends_meanwhile_is_passed_over(child: subprocess.Popen[bytes]) -> None:
    gone = psutil.Process(child.pid)
    child.communicate()
    assert left_over_processes([gone]) == ()


def test_ticks_only_grow() -> None:
    stolen, total = steal_ticks()
    stolen_later, total_later = steal_ticks()
    assert 0 <= stolen <= stolen_later
    assert 0 < total <= total_later


def test_a_sleep_never_ends_early_and_lateness_comes_in_order() -> None:
    late = timer_overshoot_s(5)
    assert len(late) == 5
    assert list(late) == sorted(late)
    assert late[0] >= 0
