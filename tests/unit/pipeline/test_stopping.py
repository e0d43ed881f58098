"""When a request to stop is heard: at once, and never where it would take something with it."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic_core import CoreSchema, core_schema

from loadlab.pipeline.stopping import held, stoppable

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Ctrl-C is heard here whatever started pytest, and what was set before a test is set after it."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hook = sys.unraisablehook
    yield
    assert sys.unraisablehook is hook
    for number, found in before.items():
        signal.signal(number, found)


def _strike(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def _wait() -> None:
    """Until something is raised here; pytest's own limit ends what waits for ever."""
    while True:
        time.sleep(0.01)


def _stopped(work: Callable[[], object]) -> None:
    """Work that is stopped, by what is raised in the end."""
    with pytest.raises(KeyboardInterrupt):
        _run(work)


def _run(work: Callable[[], object]) -> None:
    with stoppable():
        work()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_what_is_done(number: int) -> None:
    found = signal.getsignal(number)

    def work() -> None:
        _strike(number)
        _wait()

    _stopped(work)
    assert signal.getsignal(number) is found


def test_ctrl_c_stays_ignored_where_a_shell_ignores_it() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stoppable():
        _strike(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("number", SIGNALS)
def test_one_that_comes_inside_of_an_import_waits_for_its_end(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "struck_import.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), {int(number)})\nHELD = [n * n for n in range(1000)]\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    imported = []

    def work() -> None:
        imported.append(importlib.import_module("struck_import"))
        _wait()

    _stopped(work)
    assert [len(module.HELD) for module in imported] == [1000]
    del sys.modules["struck_import"]


def test_an_import_that_does_not_end_is_stopped_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadlab.pipeline.stopping.MOST_TRIES", 3)
    (tmp_path / "endless_import.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\nwhile True:\n    time.sleep(0.01)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    _stopped(lambda: importlib.import_module("endless_import"))


def test_one_that_comes_while_pydantic_builds_a_schema_waits_for_it() -> None:
    """Here it strikes in Python that pydantic calls; elsewhere it would come out as another error."""

    class Struck:
        @classmethod
        def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
            _strike()
            return core_schema.int_schema()

    built: list[TypeAdapter[Any]] = []

    def work() -> None:
        built.append(TypeAdapter(Struck))
        _wait()

    _stopped(work)
    assert [adapter.validate_python(7) for adapter in built] == [7]


def _in_a_weak_reference() -> None:
    class Referent:
        pass

    referent = Referent()
    reference = weakref.ref(referent, lambda _: _strike())
    del referent
    assert reference() is None


class _Destroyed:
    def __del__(self) -> None:
        _strike()


def _in_a_destructor() -> None:
    _Destroyed()


@pytest.mark.parametrize("strike", [_in_a_weak_reference, _in_a_destructor])
def test_one_that_cannot_be_raised_where_it_comes_is_raised_later_and_no_traceback_shown(
    strike: Callable[[], object], capfd: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        strike()
        _wait()

    _stopped(work)
    assert capfd.readouterr().err == ""


def test_one_that_could_not_be_raised_until_the_end_is_raised_there() -> None:
    _stopped(_in_a_destructor)


def test_what_else_cannot_be_raised_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails:
        def __del__(self) -> None:
            raise ValueError("in a destructor")

    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: told.append(str(what.exc_value)))
    _run(Fails)
    assert told == ["in a destructor"]
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("times", "done"), [(0, ["first", "second", "after it"]), (1, ["first", "second"]), (2, ["first"])]
)
def test_held_work_is_done_before_it_is_stopped_unless_it_is_asked_twice(times: int, done: list[str]) -> None:
    seen = []

    def work() -> None:
        with held():
            for number, step in enumerate(("first", "second")):
                if number < times:
                    _strike()
                seen.append(step)
        seen.append("after it")

    if times:
        _stopped(work)
    else:
        _run(work)
    assert seen == done


def test_nothing_comes_after_the_end() -> None:
    """A signal that was to come again would kill the process, whose own handler it is by then."""
    script = textwrap.dedent(
        """
        import os, signal, time
        from loadlab.pipeline.stopping import AGAIN_S, stoppable

        class Destroyed:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGTERM)

        try:
            with stoppable():
                Destroyed()
        except KeyboardInterrupt:
            print("stopped")
        time.sleep(5 * AGAIN_S)
        print("alive")
        """
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\nalive\n", "")
