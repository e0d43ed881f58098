"""Runs a program to its end, tied to this process: it is killed when this process ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
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
    launcher = [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), "", "--"]
    try:
        done = subprocess.run(
            [*launcher, str(program), *words],
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
