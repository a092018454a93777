"""The command line."""

from ._main import COMMANDS, cli, main

__all__ = ["COMMANDS", "cli", "main"]
