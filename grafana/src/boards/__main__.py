"""Writes every board as classic dashboard JSON into the folder that is named (``grafana/dashboards``)."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from boards.render import render_all


def main() -> None:
    """python -m boards FOLDER."""
    folder = Path(sys.argv[1])
    for name, text in render_all().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    main()
