"""Run the golden server: ``python -m golden``, settings from ``GOLDEN_*``."""

from __future__ import annotations

import json
import os
import sys

from golden.server import GoldenServer
from golden.settings import GoldenSettings
from svc_common.environment import exit_on_settings_error
from svc_common.open_files import raise_open_file_limit


def main() -> None:
    """Serve until SIGTERM, then write the log out, print the summary as one line of JSON and exit with code 0."""
    with exit_on_settings_error():
        settings = GoldenSettings.from_env(os.environ)
    raise_open_file_limit()
    try:
        server = GoldenServer(settings)
    except OSError as error:
        sys.exit(f"golden: {settings.host}:{settings.port} or {settings.log}: {error.strerror}")
    server.stop_at_signals()
    server.run()
    print(json.dumps(server.summary()), flush=True)


if __name__ == "__main__":
    main()
