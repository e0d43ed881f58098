"""A small experiment as text, to vary in tests of ``config``."""

from __future__ import annotations

from collections.abc import Callable

from loadlab.model.experiment import Experiment

SMALL_TOML = """\
id = "small"
question = "Which one?"
[decision]
statistic = "goodput"
[[stack]]
name = "flask"
service = "flask_gunicorn"
settings = { threads = 16 }
[[stack]]
name = "fastapi"
service = "fastapi_uvicorn"
[load]
kind = "closed"
scenario = "io_bound.IoBoundUser"
users = [10, 20]
"""

ReadSmall = Callable[..., Experiment]
"""Reads SMALL_TOML with (old, new) pairs replaced, ``more`` at its end, and ``overrides``."""
