"""The table of generators in docs/generators.md, made from the registry."""

from collections.abc import Iterable
from typing import Any

from ._generator import Generator

LONGEST_LIST = 5
_HEAD = ("generator", "what it does", "consumes", "yields", "options (default)", "templates", "source")


def render_table(generators: Iterable[Generator]) -> str:
    """Return a Markdown table, one row a generator."""
    rows = [_HEAD, ("---",) * len(_HEAD), *map(_row, generators)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def _row(generator: Generator) -> tuple[str, ...]:
    options = [_option(generator, key, default) for key, default in generator.options.items()]
    return (
        f"`{generator.name}`", generator.summary.replace("``", "`"), _names(generator.consumes), _names(generator.yields),
        "<br>".join(options), _names(generator.templates), generator.source,
    )  # fmt: skip


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" if " " not in name else name for name in names) or "–"


def _option(generator: Generator, key: str, default: Any) -> str:
    choices = generator.choices.get(key)
    others = "" if choices is None or isinstance(default, list | tuple) else f" of {', '.join(map(str, choices))}"
    return f"`{key}` ({_show(default)}{others})"


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple) and len(value) > LONGEST_LIST:
        return f"{', '.join(map(str, value[:2]))}, … {len(value)} in all"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value) if value or isinstance(value, int | float) else "none"
