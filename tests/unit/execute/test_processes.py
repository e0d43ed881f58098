"""Children are pinned, logged, told apart by how they ended, and never outlive the engine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from loadlab.errors import DeployError
from loadlab.execute.guardian import descendants
from loadlab.execute.processes import ChildProcesses, Command, free_port, process_cpu_s, process_tree

WAIT_S = 15.0
STUBBORN_FAMILY = """
    import os, signal, sys, time
    from pathlib import Path
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(60)
"""

DAEMON = """
    import os, signal, sys, time
    from pathlib import Path
    folder, leader_stays = Path(sys.argv[1]), len(sys.argv) < 3

    def asked(*_):
        (folder / "asked").touch()

    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, asked)
            (folder / str(os.getpid())).touch()
            while True:
                time.sleep(60)
        os._exit(0)
    os.wait()
    (folder / str(os.getpid())).touch()
    while not [p for p in folder.iterdir() if p.name.isdigit() and p.name != str(os.getpid())]:
        time.sleep(0.01)
    while leader_stays:
        time.sleep(60)
"""
"""A service that also leaves a daemon: forked twice, in a session of its own, its parent gone."""


def _python(
    folder: Path, script: str, *args: str, cpus: frozenset[int] = frozenset(), env: Mapping[str, str] | None = None
) -> Command:
    argv: Sequence[str] = [sys.executable, "-c", textwrap.dedent(script), *args]
    return Command(name="service", argv=argv, env=env or {}, cpus=cpus, log=folder / "service.log")


def _until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, f"{what} did not come about in {WAIT_S} s"
        time.sleep(0.02)


def _pids(folder: Path) -> list[int]:
    return [int(p.name) for p in folder.iterdir() if p.name.isdigit()]


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_child_runs_on_its_cores_with_its_environment_and_logs(children: ChildProcesses, tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    script = "import os; print(sorted(os.sched_getaffinity(0)), os.environ['LAB_WORD'], os.getpgid(0) == os.getpid())"
    child = children.start(_python(tmp_path, script, cpus=frozenset({core}), env={"LAB_WORD": "hello"}))
    _until(lambda: child.exit_code() is not None, "the end of the child")
    assert (tmp_path / "service.log").read_text() == f"[{core}] hello True\n"


def test_how_a_child_ended_is_told_with_its_last_log_lines(children: ChildProcesses, tmp_path: Path) -> None:
    script = "import sys; [print('line', n, flush=True) for n in range(20)]; sys.exit('port 80 is taken')"
    child = children.start(_python(tmp_path, script))
    _until(lambda: child.exit_code() is not None, "the end of the child")
    line = child.fell() or ""
    assert line.startswith("service ended with exit code 1; last log lines: line 13 | ")
    assert line.endswith("line 19 | port 80 is taken")
    assert "\n" not in line


def test_a_killed_child_is_told_by_its_signal(children: ChildProcesses, tmp_path: Path) -> None:
    child = children.start(_python(tmp_path, "import time; time.sleep(60)"))
    assert child.fell() is None
    os.kill(child.pid, signal.SIGKILL)
    _until(lambda: child.exit_code() is not None, "the end of the child")
    assert child.fell() == "service was killed by SIGKILL; its log is empty"


def test_a_command_that_is_not_there_says_so(children: ChildProcesses, tmp_path: Path) -> None:
    command = Command(name="mine", argv=["no-such-program"], env={}, cpus=frozenset(), log=tmp_path / "mine.log")
    child = children.start(command)
    _until(lambda: child.exit_code() is not None, "the end of the child")
    assert "no-such-program: cannot be started: No such file or directory" in (child.fell() or "")


def test_a_log_that_cannot_be_written_is_one_line(children: ChildProcesses, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"service: log .*gone/service.log cannot be written: No such file"):
        children.start(_python(tmp_path / "gone", "pass"))


def test_a_folder_to_start_in_that_is_not_there_is_one_line(children: ChildProcesses, tmp_path: Path) -> None:
    command = Command(
        name="mine", argv=["true"], env={}, cpus=frozenset(), log=tmp_path / "mine.log", cwd=tmp_path / "gone"
    )
    with pytest.raises(DeployError, match=r"mine: cwd: .*gone is no folder"):
        children.start(command)


def test_ending_a_child_ends_its_whole_group(children: ChildProcesses, tmp_path: Path) -> None:
    family = tmp_path / "family"
    family.mkdir()
    child = children.start(_python(tmp_path, STUBBORN_FAMILY, str(family)))
    _until(lambda: len(_pids(family)) == 2, "the grandchild")
    children.end([child], grace_s=5.0)
    _until(lambda: not any(map(_alive, _pids(family))), "the end of the family")
    children.end([child])  # ending twice is harmless


def test_leaving_ends_everything(tmp_path: Path) -> None:
    family = tmp_path / "family"
    family.mkdir()
    with ChildProcesses() as children:
        children.start(_python(tmp_path, STUBBORN_FAMILY, str(family)))
        _until(lambda: len(_pids(family)) == 2, "the grandchild")
    _until(lambda: not any(map(_alive, _pids(family))), "the end of the family")


def test_ending_a_child_ends_the_daemon_that_it_left(children: ChildProcesses, tmp_path: Path) -> None:
    family = tmp_path / "family"
    family.mkdir()
    child = children.start(_python(tmp_path, DAEMON, str(family)))
    _until(lambda: len(_pids(family)) == 2, "the daemon")
    assert len({os.getsid(pid) for pid in _pids(family)}) == 2
    children.end([child], grace_s=5.0)
    assert [pid for pid in _pids(family) if _alive(pid)] == []


def test_a_child_that_goes_into_the_background_has_ended_and_leaves_nothing(
    children: ChildProcesses, tmp_path: Path
) -> None:
    family = tmp_path / "family"
    family.mkdir()
    child = children.start(_python(tmp_path, DAEMON, str(family), "leave"))
    _until(lambda: child.exit_code() is not None, "the end of the child")
    assert child.exit_code() == 0
    assert len(_pids(family)) == 2
    assert [pid for pid in _pids(family) if _alive(pid)] == []


def test_a_child_whose_guardian_was_killed_ends_with_its_group(children: ChildProcesses, tmp_path: Path) -> None:
    family = tmp_path / "family"
    family.mkdir()
    child = children.start(_python(tmp_path, STUBBORN_FAMILY, str(family)))
    _until(lambda: len(_pids(family)) == 2, "the grandchild")
    psutil.Process(child.pid).parent().kill()  # type: ignore[union-attr]
    _until(lambda: child.exit_code() is not None, "the end of the guardian")
    assert child.fell() == "service was killed by SIGKILL; its log is empty"
    children.end([child])
    _until(lambda: not any(map(_alive, _pids(family))), "the end of the family")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("script", [STUBBORN_FAMILY, DAEMON], ids=["group", "daemon"])
def test_nothing_outlives_an_engine_that_is_killed(tmp_path: Path, number: signal.Signals, script: str) -> None:
    family = tmp_path / "family"
    family.mkdir()
    engine = f"""
        import sys, time
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from loadlab.execute.processes import ChildProcesses, Command
        folder = Path(sys.argv[1])
        children = ChildProcesses()
        for n in (1, 2):
            argv = [sys.executable, "-c", sys.argv[2], str(folder / "family")]
            children.start(Command(name="s", argv=argv, env={{}}, cpus=frozenset(), log=folder / "s.log"))
        time.sleep(60)
    """
    argv = [sys.executable, "-c", textwrap.dedent(engine), str(tmp_path), textwrap.dedent(script)]
    with subprocess.Popen(argv) as process:
        _until(lambda: len(_pids(family)) == 4, "two families")
        tree = process_tree(process.pid)
        assert set(_pids(family)) < set(tree)
        assert set(descendants(process.pid)) == set(tree) - {process.pid}
        process.send_signal(number)
        process.wait(WAIT_S)
    _until(lambda: not any(map(_alive, (*tree, *_pids(family)))), "the end of the whole tree")
    assert (family / "asked").exists() == (script == DAEMON), "what can go by itself is asked to first"


def test_a_child_that_is_stopped_ends_with_its_engine(tmp_path: Path) -> None:
    engine = f"""
        import os, signal, sys, time
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from loadlab.execute.processes import ChildProcesses, Command
        folder = Path(sys.argv[1])
        argv = [sys.executable, "-c", "import time; time.sleep(60)"]
        command = Command(name="s", argv=argv, env={{}}, cpus=frozenset(), log=folder / "s.log")
        child = ChildProcesses().start(command)
        os.kill(child.pid, signal.SIGSTOP)
        (folder / str(child.pid)).touch()
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(engine), str(tmp_path)]) as process:
        _until(lambda: len(_pids(tmp_path)) == 1, "a child that is stopped")
        process.kill()
        process.wait(WAIT_S)
    _until(lambda: not any(map(_alive, _pids(tmp_path))), "the end of the child")


@pytest.fixture
def heard_signals() -> Iterator[None]:
    """Whoever runs the tests may ignore some, as nohup does with SIGHUP: not here."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_signals_that_the_engine_hears_are_heard_by_its_children(
    children: ChildProcesses, tmp_path: Path, heard_signals: None
) -> None:
    script = "import signal; print([signal.getsignal(n).name for n in (signal.SIGTERM, signal.SIGHUP)])"
    child = children.start(_python(tmp_path, script))
    _until(lambda: child.exit_code() is not None, "the end of the child")
    assert (tmp_path / "service.log").read_text() == "['SIG_DFL', 'SIG_DFL']\n"


def test_a_free_port_can_be_bound() -> None:
    port = free_port()
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", port))
        assert free_port() != port


def test_processor_time_grows_with_work_and_is_absent_for_a_process_that_is_gone(
    children: ChildProcesses, tmp_path: Path
) -> None:
    child = children.start(_python(tmp_path, "while True: pass"))
    first = process_cpu_s(child.pid)
    assert first is not None
    _until(lambda: (process_cpu_s(child.pid) or 0.0) > first + 0.1, "a tenth of a second of work")
    children.end([child])
    assert process_cpu_s(child.pid) is None
    assert process_tree(child.pid) == ()
