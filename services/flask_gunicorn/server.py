"""gunicorn, configured by its file in this folder and by nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gunicorn.app.base import Application

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["ConfiguredGunicorn"]


class ConfiguredGunicorn(Application):
    """Leaves out gunicorn's command line and `GUNICORN_CMD_ARGS`: what runs is what the settings say."""

    def __init__(self, config_file: Path) -> None:
        self._config_file = config_file
        super().__init__(prog="flask_gunicorn")  # type: ignore[no-untyped-call]

    def load_config(self) -> None:
        """Read the one configuration file."""
        self.load_config_from_file(str(self._config_file))  # type: ignore[no-untyped-call]

    def load(self) -> Flask:
        """The application to serve, made in each worker, or once before the fork when preloading."""
        # Imported here, because the arbiter must not hold what only workers or preloading need: forked
        # workers would share it, and memory with and without preloading could not be told apart.
        from flask_gunicorn.app import create_from_environment

        return create_from_environment()
