"""``python tests/bench``: the measures with their bars. See ``bench.command`` for the options."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# This folder itself must not be searched: its modules are the package `bench`, and their names are short.
sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != HERE]
sys.path[:0] = [str(ROOT / name) for name in ("tests", "scripts", "services", "services/common", "locustfiles")]

from bench.command import main  # noqa: E402 - the package is found through the line above

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
