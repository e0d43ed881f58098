"""The lab's verbs as somebody types them, for tests on a real cluster."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from loadlab.execute.cluster.state import LabFolder

ROOT = Path(__file__).parents[1]
LOADLAB = Path(sys.executable).parent / "loadlab"
VERB_S = 900.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Verbs:
    """The verbs of the lab as somebody types them, in this checkout."""

    folder: LabFolder

    def __call__(self, *words: str, code: int = 0) -> str:
        """What a verb printed on both streams; another exit code than expected fails the test with it."""
        done = subprocess.run(
            [LOADLAB, "lab", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=VERB_S,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A verb that a test ends by itself; Ctrl-C reaches it also where these tests run in the background."""
        return subprocess.Popen(
            ["env", "--default-signal=INT", str(LOADLAB), "lab", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def is_there(self) -> bool:
        """Whether this checkout has a lab, or something of one."""
        return self.folder.record.exists()
