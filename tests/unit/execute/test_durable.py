"""What is written survives, and what cannot be written says so in one line."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from loadlab.execute.durable import StoreFull, append_line, drop_half_line, write_whole


def test_a_file_is_replaced_wholly(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_before_the_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_whole(path, b"first")

    def crash(_: Path, __: Path) -> None:
        raise SystemExit

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(SystemExit):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"


@pytest.mark.parametrize("left", [b"", b"one\n", b"one\ntwo\n"])
def test_whole_lines_are_left_alone(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(left)
    drop_half_line(path)
    assert path.read_bytes() == left


@pytest.mark.parametrize(("left", "kept"), [(b"tw", b""), (b"one\ntw", b"one\n")])
def test_half_a_line_is_dropped_before_the_next_is_appended(tmp_path: Path, left: bytes, kept: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(left)
    append_line(path, b"next")
    assert path.read_bytes() == kept + b"next\n"


def test_a_write_that_is_cut_short_keeps_what_was_there_and_says_how_to_go_on(tmp_path: Path) -> None:
    # in a process of its own: the limit would hit pytest's own files too
    script = """
        import resource, signal, sys
        from pathlib import Path
        from loadlab.execute.durable import StoreFull, append_line, write_whole
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        folder = Path(sys.argv[1])
        append_line(folder / "events.jsonl", b"{}")
        write_whole(folder / "plan.json", b"old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        for attempt in (
            lambda: write_whole(folder / "plan.json", b"x" * 9000),
            lambda: append_line(folder / "events.jsonl", b"x" * 9000),
        ):
            try:
                attempt()
            except StoreFull as error:
                print(error)
        append_line(folder / "events.jsonl", b"[]")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.count("the limit on the size of files is reached (ulimit -f); every window finished") == 2
    assert (tmp_path / "plan.json").read_bytes() == b"old"
    assert (tmp_path / "events.jsonl").read_bytes() == b"{}\n[]\n"


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk quota is used up")]
)
def test_a_full_disk_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str) -> None:
    (tmp_path / "events.jsonl").touch()
    (tmp_path / "windows").mkdir()

    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull, match=rf"windows/w.json: {said}; .*Free some space, then do it again") as got:
        write_whole(tmp_path / "windows" / "w.json", b"x")
    assert "\n" not in str(got.value)


def test_a_folder_that_is_gone_is_told_with_its_cause(tmp_path: Path) -> None:
    with pytest.raises(StoreFull, match="cannot be written: No such file or directory"):
        write_whole(tmp_path / "gone" / "w.json", b"x")
