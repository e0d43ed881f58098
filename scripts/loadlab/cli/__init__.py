"""What people type. Heavy imports happen inside the commands, so that --help stays quick."""

from loadlab.cli.app import main

__all__ = ["main"]
