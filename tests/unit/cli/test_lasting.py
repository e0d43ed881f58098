"""A run whose lines nobody reads any more goes on, and ends with its own exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, cast

import pytest

from loadlab.cli.lasting import Lasting
from loadlab.report.live import PlainProgress

REPORTS_NOTHING = "from loadlab.cli import main; main()"


@pytest.fixture
def unread() -> Iterator[TextIO]:
    """A pipe whose reader has gone, as standard error is after `2>&1 | head`."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", buffering=1) as stream:
        yield stream


def test_a_line_that_nobody_reads_raises_nothing(unread: TextIO) -> None:
    progress = PlainProgress(cast(TextIO, Lasting(unread)), lambda: 0.0)
    for _ in range(3):
        progress.message("the run goes on")
    progress.finished()
    unread.flush()


def test_what_is_read_is_written_as_it_is(tmp_path: Path) -> None:
    with (tmp_path / "told").open("w") as stream:
        lasting = Lasting(stream)
        assert lasting.write("a line\n") == 7
        lasting.flush()
        assert lasting.fileno() == stream.fileno()
        assert not lasting.isatty()
    assert (tmp_path / "told").read_text() == "a line\n"


def test_the_exit_code_stays_what_it_is_when_nobody_reads_the_reason(unread: TextIO, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", REPORTS_NOTHING, "report", "nothing", "--runs", str(tmp_path)]
    done = subprocess.run(command, stderr=unread, stdout=subprocess.PIPE, env=env, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
