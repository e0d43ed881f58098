"""One line per log record, on stderr."""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"


class OneLineFormatter(logging.Formatter):
    """Keeps every record, a traceback too, on one line, so that lines can be counted and collected."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        return super().format(record).replace("\r", "").replace("\n", " | ")


def configure_logging(level: str) -> None:
    """Send everything from `level` ("info", "debug", ...) on to stderr, one line per record."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
