"""Stopped before any write of the bundle, with that write half done, a run goes on to the same end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import make_experiment
from loadlab.execute import durable
from loadlab.execute import store as store_module
from loadlab.model.run import RunData
from simulated_lab import Lab, make_lab


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the program handles it."""


class Bomb:
    """Stands in for the two ways to write, and stops the program at the n-th write with half of it on disk."""

    def __init__(self, at: int | None, error: type[BaseException] = Killed) -> None:
        self.writes = 0
        self._at = at
        self._error = error

    def write_whole(self, path: Path, content: bytes, *, private: bool = False) -> None:
        if self._goes_off():
            path.with_name(f".{path.name}.tmp").write_bytes(content[: len(content) // 2])
            raise self._error
        durable.write_whole(path, content, private=private)

    def append_line(self, path: Path, line: bytes) -> None:
        if self._goes_off():
            with path.open("ab") as file:
                file.write(line[: len(line) // 2])
            raise self._error
        durable.append_line(path, line)

    def _goes_off(self) -> bool:
        self.writes += 1
        return self.writes == self._at


Arm = Callable[[Bomb], None]


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> Arm:
    def put(bomb: Bomb) -> None:
        monkeypatch.setattr(store_module, "write_whole", bomb.write_whole)
        monkeypatch.setattr(store_module, "append_line", bomb.append_line)

    return put


def _lab(folder: Path) -> Lab:
    lab = make_lab(make_experiment(users=(8,)), folder)
    with lab.opened():
        return lab


def _load(lab: Lab) -> RunData:
    with lab.opened() as store:
        return store.load()


def _shape(run: RunData) -> Counter[tuple[int, str, int, str]]:
    return Counter((w.block, w.stack, w.users, w.role) for w in run.windows)


def test_stopped_at_any_write_a_resumed_run_holds_each_planned_window_exactly_once(tmp_path: Path, arm: Arm) -> None:
    clean, counting = _lab(tmp_path / "clean"), Bomb(None)
    arm(counting)
    clean.run()
    wanted = _shape(_load(clean))
    assert set(wanted.values()) == {1}
    assert counting.writes > 50
    for number in range(1, counting.writes + 1):
        lab = _lab(tmp_path / f"at-{number}")
        arm(Bomb(number))
        with pytest.raises(Killed):
            lab.run()
        finished_before = _load(lab).windows
        arm(Bomb(None))
        lab.run()
        run = _load(lab)
        assert run.complete, number
        assert _shape(run) == wanted, number
        assert run.windows[: len(finished_before)] == finished_before, number


@pytest.mark.parametrize("number", range(3, 57, 9))
def test_interrupted_by_the_user_the_bundle_says_so_and_goes_on(tmp_path: Path, arm: Arm, number: int) -> None:
    lab = _lab(tmp_path / "run")
    arm(Bomb(number, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    left = _load(lab)
    assert left.ended_by == "interrupted by the user"
    arm(Bomb(None))
    lab.run()
    run = _load(lab)
    assert run.complete
    assert run.ended_by is None


def test_a_run_stopped_twice_in_one_block_counts_its_third_attempt_alone(tmp_path: Path, arm: Arm) -> None:
    lab = _lab(tmp_path / "run")
    for _ in range(2):
        lab.world.during["b02-008-pool"] = lab.world.during["b02-008-pool-t2"] = _interrupt
        with pytest.raises(KeyboardInterrupt):
            lab.run()
    lab.world.during.clear()
    lab.run()
    run = _load(lab)
    assert {w.id[-3:] for w in run.windows if w.block == 2} == {"-t3"}
    assert run.interrupted_blocks == (2,)
    on_disk = {p.stem for p in (lab.folder / "windows").glob("b02-*.json")}
    assert any(not name.endswith("-t3") for name in on_disk), "what was measured before stays in the bundle"


def _interrupt() -> None:
    raise KeyboardInterrupt
