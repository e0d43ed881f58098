"""The loadlab command in this process, with what it took: python loadlab_peak.py ARGUMENT ...

Prints the command's output, then one JSON line {"peak_bytes", "import_s", "work_s"}. peak: VmHWM at the end.
import_s: from the start of this script until the command's modules are imported; work_s: the command itself.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

BEGAN_S = time.perf_counter()

import loadlab.cli.commands  # noqa: E402 - what the command imports late
import loadlab.config  # noqa: E402
import loadlab.report.terminal  # noqa: E402, F401
from loadlab.cli import main  # noqa: E402


def run() -> None:
    """The command line as it stands."""
    imported_s = time.perf_counter()
    code: object = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    ended_s = time.perf_counter()
    found = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found, "/proc/self/status has no VmHWM"
    told = {
        "peak_bytes": int(found.group(1)) * 1024,
        "import_s": imported_s - BEGAN_S,
        "work_s": ended_s - imported_s,
    }
    print(json.dumps(told))
    raise SystemExit(code)


if __name__ == "__main__":
    run()
