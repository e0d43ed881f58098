"""FastHttpUser has the lab's cookie jar, under whatever name Locust makes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOCUSTFILES = Path(__file__).resolve().parents[2] / "locustfiles"
SCRIPT = """
import _window
from locust.contrib.fasthttp import FastHttpSession
print(type(FastHttpSession("http://127.0.0.1:9", None, None).cookiejar).__name__)
"""


def test_a_session_of_locust_has_the_sparing_jar() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=LOCUSTFILES, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["SparingCookieJar"], done.stderr
