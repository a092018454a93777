"""Groups of commands that know them by name and import a command's module when it is called."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose commands stand in modules beside this one: name to (module, what it does)."""

    lazy: Mapping[str, tuple[str, str]] = {}
    prefix = ""
    """Stands before the command's name in the name of its function: ``{prefix}{name}_command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click."""
        if cmd_name not in self.lazy:
            return None
        module = importlib.import_module(f".{self.lazy[cmd_name][0]}", __package__)
        command: click.Command = getattr(module, f"{self.prefix}{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy.items()])


def lazy_group(commands: Mapping[str, tuple[str, str]], prefix: str = "") -> type[LazyGroup]:
    """Return the class of a group with these commands: ``@click.group(cls=lazy_group(COMMANDS))``."""
    values: dict[str, Any] = {"lazy": commands, "prefix": prefix}
    return type("LazyCommands", (LazyGroup,), values)
