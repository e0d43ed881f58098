"""What of the shell that a run is started from would reach Locust beside what the experiment says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from loadlab.errors import UsageError

OF_LOCUST = "LOCUST_"
"""Begins the names of Locust's own settings in the environment."""
CONFIG_FILES = (".locust.conf", "locust.conf", "pyproject.toml")
"""What Locust reads by itself: the first at home, the others in the current folder."""
SCENARIO_OPTIONS = ("LAB_CPU_N", "LAB_HOLD_S", "LAB_IDLE_S", "LAB_PAYLOAD_RECORDS", "LAB_QUOTA_IMPATIENT")
"""Options of the lab's scenario files; no experiment sets them."""


def check_shell(environ: Mapping[str, str], here: Path) -> None:
    """Raises UsageError for settings of Locust that lie about: they would change a run, and no bundle would tell."""
    found = sorted(name for name in environ if name.startswith(OF_LOCUST))
    if found:
        raise UsageError(
            f"environment: {', '.join(found)} would change what Locust does in a run, whatever the experiment says; "
            f"expected no {OF_LOCUST}* at all; unset {' '.join(found)} and run again"
        )
    for path in _config_files(environ.get("HOME"), here):
        raise UsageError(
            f"{path}: Locust reads its settings from it, and would change what a run does, whatever the experiment "
            "says; expected no such file; move it away while the run lasts, or start loadlab from another folder"
        )


def scenario_options(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Those that are set, by name: the load is not what it is without them."""
    return {name: environ[name] for name in SCENARIO_OPTIONS if name in environ}


def _config_files(home: str | None, here: Path) -> Iterator[Path]:
    at_home, beside, project = CONFIG_FILES
    if home and (own := Path(home) / at_home).is_file():
        yield own
    if (here / beside).is_file():
        yield here / beside
    if (here / project).is_file() and _speaks_of_locust(here / project):
        yield here / project


def _speaks_of_locust(project: Path) -> bool:
    try:
        tools = tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError, RecursionError):
        return False  # Locust ends with its own word on such a file, which stands in its log
    return isinstance(tools, dict) and "locust" in tools
