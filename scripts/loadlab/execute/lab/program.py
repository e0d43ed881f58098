"""Runs a program to its end, tied to this process: it is killed when this process ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadlab.errors import ClusterError
from loadlab.execute import child

SHOWN_CHARACTERS = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """How a program ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def is_good(self) -> bool:
        """Whether it ended with 0."""
        return self.code == 0

    def last_lines(self, count: int = 4) -> str:
        """The last lines of its complaint, or of its output, in one line."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return "; ".join(lines[-count:])[-SHOWN_CHARACTERS:] or "it said nothing"


def call(
    program: Path,
    *words: str,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> Said:
    """Run it to its end. env: the whole environment, None for this one's.

    Raises:
        ClusterError: it did not end in time; what it had started by then may still be there.
    """
    try:
        done = subprocess.run(
            [*_tied(program), *words],
            input=(stdin or "").encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            cwd=cwd,
            env=dict(env) if env is not None else None,
        )
    except subprocess.TimeoutExpired:
        shown = " ".join([program.name, *words[:3]])
        raise ClusterError(f"{shown}: no end after {timeout_s:g} s; is the machine overloaded? Try again") from None
    return Said(
        code=done.returncode, out=done.stdout.decode(errors="replace"), err=done.stderr.decode(errors="replace")
    )


class Begun:
    """A program that runs on by itself. stdin: a file that it reads."""

    def __init__(self, program: Path, *words: str, stdin: Path | None = None) -> None:
        self._program = program
        with (stdin or Path(os.devnull)).open("rb") as file:
            self._process = subprocess.Popen(
                [*_tied(program), *words], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )

    def ended(self, timeout_s: float) -> Said:
        """Wait for its end. Raises ClusterError: it did not come in time."""
        try:
            out, err = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ClusterError(
                f"{self._program.name}: no end after {timeout_s:g} s; is the machine overloaded? Try again"
            ) from None
        return Said(code=self._process.returncode, out=out.decode(errors="replace"), err=err.decode(errors="replace"))

    def kill(self) -> None:
        """End it where it stands, if it has not ended, and let go of what it says."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def call_together(
    program: Path, commands: Sequence[tuple[Sequence[str], Path | None]], *, timeout_s: float
) -> list[Said]:
    """Run it several times at once, each to its end; all are killed when this is interrupted.

    commands: words, and the file to read.

    Raises:
        ClusterError: one did not end in time.
    """
    running: list[Begun] = []
    try:
        for words, stdin in commands:
            running.append(Begun(program, *words, stdin=stdin))
        return [one.ended(timeout_s) for one in running]
    finally:
        for one in running:
            one.kill()


def _tied(program: Path) -> list[str]:
    """The launcher that ties a child to this process, and the program."""
    return [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), "", "--", str(program)]
