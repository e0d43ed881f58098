"""One whole simulated run in this process, analysed and rendered: python engine.py REQUESTS FOLDER.

Prints {"requests", "windows", "peak_bytes", "base_bytes"}. peak: VmHWM at the end; base: VmHWM once everything is
imported. Nothing is flushed to the disk: it takes time and no memory.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / name) for name in ("tests", "scripts", "locustfiles")]

from bench.synthetic import make_bundle  # noqa: E402 - found through the line above
from loadlab.pipeline.finish import analyse_bundle  # noqa: E402
from loadlab.pipeline.layout import Layout  # noqa: E402


def peak_bytes() -> int:
    """The most memory that this process has held at once (VmHWM), which an exec begins anew."""
    found = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found, "/proc/self/status has no VmHWM"
    return int(found.group(1)) * 1024


def main(requests: int, folder: Path) -> None:
    """Make, analyse, tell."""
    os.fsync = lambda _: None  # type: ignore[assignment]
    base = peak_bytes()
    made = make_bundle(folder, requests)
    analyse_bundle(folder, Layout(root=ROOT, runs=folder.parent))
    told = {"requests": made.requests, "windows": made.windows, "peak_bytes": peak_bytes(), "base_bytes": base}
    print(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
