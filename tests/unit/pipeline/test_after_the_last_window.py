"""Nothing that happens after a run's last window takes its verdict away."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadlab.config import dump_experiment
from loadlab.errors import BundleError, DeployError, Interrupted
from loadlab.execute.clock import SystemClock
from loadlab.execute.durable import StoreFull
from loadlab.execute.store import BundleStore
from loadlab.pipeline.bundle import FOR_RESUME
from loadlab.pipeline.finish import Report, analyse_bundle
from loadlab.pipeline.layout import Layout, checkout
from loadlab.pipeline.replay import keep_replayed_queries, write_queries
from loadlab.pipeline.rig import Rig
from loadlab.pipeline.run import Request, run
from loadlab.pipeline.session import run_session
from session_copies import copy_session
from simulated_lab import Lab


class Ending:
    """A whole `run` over the simulated lab, and what was there when its boards were to be kept."""

    def __init__(self, lab: Lab, runs: Path) -> None:
        self.lab = lab
        self.layout = Layout(checkout().root, runs)
        self.told: list[Report] = []
        self.told_before: list[bool] = []
        self.asked: BaseException | None = None
        self.left: BaseException | None = None

    @contextmanager
    def rig(self, experiment: object, layout: object, store: BundleStore, *_: object) -> Iterator[Rig]:
        def prometheus() -> str | None:
            self.told_before.append(bool(self.told) and (store.folder / "results.json").exists())
            return "http://127.0.0.1:9"

        yield replace(self.lab.rig(store), prometheus=prometheus)
        if self.left is not None:
            raise self.left

    def keep(self, *_: object, **__: object) -> None:
        if self.asked is not None:
            raise self.asked

    def run(self) -> Report:
        source = self.lab.folder.with_name("unit.toml")
        source.write_text(dump_experiment(self.lab.experiment), encoding="utf-8")
        return run(Request(experiment=str(source)), self.layout, self.lab.watcher, self.told.append)


@pytest.fixture
def ending(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ending:
    made = Ending(lab, tmp_path / "runs")
    monkeypatch.setattr("loadlab.pipeline.run._reached", lambda *_: None)
    monkeypatch.setattr("loadlab.pipeline.run._rig", made.rig)
    monkeypatch.setattr("loadlab.pipeline.replay.keep_queries", made.keep)
    return made


def _reasons(folder: Path) -> Sequence[object]:
    events = BundleStore(folder, SystemClock()).load().events
    return [event["reason"] for event in events if event["event"] == "queries_not_kept"]


@pytest.mark.parametrize(
    ("blow", "said"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (DeployError("prometheus: gone"), "prometheus: gone"),
        (StoreFull("queries: the disk is full"), "queries: the disk is full"),
        (OSError(errno.ENOSPC, "No space left on device"), "[Errno 28] No space left on device"),
    ],
)
def test_what_stops_the_keeping_of_queries_is_an_event_after_the_verdict(
    ending: Ending, blow: BaseException, said: str
) -> None:
    ending.asked = blow
    report = ending.run()
    assert ending.told == [report]
    assert ending.told_before == [True]
    assert _reasons(report.folder) == [said]
    assert report.asked_to_stop == isinstance(blow, KeyboardInterrupt)


def test_a_disk_that_does_not_take_that_event_either_leaves_the_verdict(
    ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = BundleStore.event

    def full(store: BundleStore, name: str, detail: dict[str, object]) -> None:
        if name == "queries_not_kept":
            raise StoreFull("events.jsonl: the disk is full")
        event(store, name, detail)

    monkeypatch.setattr(BundleStore, "event", full)
    ending.asked = KeyboardInterrupt()
    assert ending.told == [ending.run()]


@pytest.mark.parametrize("blow", [KeyboardInterrupt(), DeployError("pod: could not be removed")])
def test_what_goes_wrong_while_the_stacks_are_ended_leaves_the_verdict(ending: Ending, blow: BaseException) -> None:
    ending.left = blow
    assert ending.told == [ending.run()]
    lines = [line for line in ending.lab.watcher.messages if "could not be removed" in line]
    assert lines == ["the run is complete; after it: pod: could not be removed"] * isinstance(blow, DeployError)


class Struck:
    """The making of a report, during which the process is asked so many times to stop."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.begun = 0

    def __call__(self, folder: Path, layout: Layout) -> Report:
        self.begun += 1
        for _ in range(self.times):
            os.kill(os.getpid(), signal.SIGTERM)
        return analyse_bundle(folder, layout)


@pytest.fixture
def struck(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Struck]:
    """Asks to stop so many times while a report is made."""

    def strike(times: int) -> Struck:
        made = Struck(times)
        monkeypatch.setattr("loadlab.pipeline.ending.analyse_bundle", made)
        return made

    return strike


def test_sigterm_while_the_report_is_made_waits_for_it(ending: Ending, struck: Callable[[int], Struck]) -> None:
    making = struck(1)
    report = ending.run()
    assert ending.told == [report]
    assert report.asked_to_stop
    assert making.begun == 1
    assert ending.told_before == [], "it was asked to stop: what the run can do without is left out"


def test_a_second_sigterm_leaves_the_report_and_says_how_to_have_it(
    ending: Ending, struck: Callable[[int], Struck]
) -> None:
    making = struck(2)
    with pytest.raises(Interrupted, match=r"the run is complete, and reported by: .*--resume") as stopped:
        ending.run()
    assert (making.begun, ending.told) == (1, [])
    assert stopped.value.exit_code == 130
    struck(0)
    (folder,) = (path for path in ending.layout.runs.iterdir() if not path.is_symlink())
    assert _resumed(ending, folder).asked_to_stop is False


def test_sigterm_waits_for_the_report_of_a_complete_run_that_lacked_it(
    ending: Ending, struck: Callable[[int], Struck]
) -> None:
    folder = ending.run().folder
    (folder / "results.json").unlink()
    struck(1)
    report = _resumed(ending, folder)
    assert report.asked_to_stop
    assert ending.told[1:] == [report]


def _resumed(ending: Ending, folder: Path) -> Report:
    return run(Request(experiment=None, resume=folder), ending.layout, ending.lab.watcher, ending.told.append)


@pytest.mark.parametrize("times", [0, 1])
def test_a_run_that_is_stopped_after_its_last_window_is_reported(
    ending: Ending, struck: Callable[[int], Struck], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    def stopped(*words: Any) -> None:
        run_session(*words)
        raise KeyboardInterrupt

    monkeypatch.setattr("loadlab.pipeline.run.run_session", stopped)
    struck(times)
    report = ending.run()
    assert ending.told == [report]
    assert report.asked_to_stop


def test_sigterm_waits_for_what_an_interrupted_run_says_of_itself(
    ending: Ending, struck: Callable[[int], Struck], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadlab.pipeline.run.run_session", _raising(KeyboardInterrupt()))
    making = struck(1)
    with pytest.raises(Interrupted, match=r"interrupted; no block was finished yet; go on with: .*--resume"):
        ending.run()
    assert making.begun == 1


def test_a_complete_run_that_is_resumed_leaves_no_secrets_behind(ending: Ending) -> None:
    folder = ending.run().folder
    (folder / FOR_RESUME).write_text("secret", encoding="utf-8")
    with pytest.raises(BundleError, match="this run is complete; show it with"):
        run(Request(experiment=None, resume=folder), ending.layout, ending.lab.watcher, ending.told.append)
    assert not (folder / FOR_RESUME).exists()


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    copy_session(folder)
    return folder


def _raising(error: BaseException) -> Callable[..., None]:
    def raises(*_: object, **__: object) -> None:
        raise error

    return raises


@pytest.mark.parametrize("what", ["TemporaryDirectory", "find_tool", "price_rules"])
def test_a_replay_that_the_machine_refuses_is_one_line_of_the_error_tree(
    session: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("loadlab.pipeline.replay.find_tool", lambda *_: Path("/bin/false"))
    monkeypatch.setattr("loadlab.pipeline.replay.Replay", lambda *_: _Idle())
    monkeypatch.setattr(f"loadlab.pipeline.replay.{what}", _raising(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(DeployError, match="replay of session: No space left on device; mend that"):
        write_queries(session, checkout())
    said: list[str] = []
    keep_replayed_queries(session, checkout(), said.append)
    (line,) = said
    assert "is not kept: replay of session: No space left on device" in line


class _Idle:
    def load(self, *_: object) -> None:
        pass


def test_sigterm_during_the_replay_is_one_line_and_no_end(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def struck(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("loadlab.pipeline.replay.write_queries", struck)
    said: list[str] = []
    found = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        keep_replayed_queries(session, checkout(), said.append)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, "what was set before is set again"
    finally:
        signal.signal(signal.SIGTERM, found)
    (line,) = said
    assert "is not kept: interrupted" in line


def test_nobody_who_reads_that_line_is_no_error(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadlab.pipeline.replay.write_queries", _raising(KeyboardInterrupt()))
    keep_replayed_queries(session, checkout(), _raising(BrokenPipeError(errno.EPIPE, "Broken pipe")))
