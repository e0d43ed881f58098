"""`python -m flask_gunicorn`: check the settings, then become gunicorn."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from svc_common.environment import exit_on_settings_error
from svc_common.listening import check_port
from svc_common.multiprocess_dir import fresh_multiprocess_dir
from svc_common.open_files import raise_open_file_limit
from svc_common.settings import load_or_exit

CONFIG_FILE = Path(__file__).with_name("gunicorn.conf.py")


def main() -> None:
    """Serve until told to stop. Exit codes: 0 stopped, 1 could not serve, 2 bad settings."""
    settings = load_or_exit("sync")
    with exit_on_settings_error():
        check_port(settings)
    raise_open_file_limit()
    # Named before any worker is forked, for the workers to count in and the arbiter to read.
    with fresh_multiprocess_dir() if settings.metrics else nullcontext():
        from flask_gunicorn.server import ConfiguredGunicorn

        ConfiguredGunicorn(CONFIG_FILE).run()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
