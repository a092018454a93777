"""Blocks of source code: each function or class that stands by itself is one, and so is each run of lines between them."""

import ast
import warnings
from collections.abc import Iterator

from ._blocks import Block, Line, code_blocks, span, split_lines, trim

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def find_definitions(text: str) -> list[Block]:
    """Return the blocks of source code.

    Python's are the functions and classes of its outermost level, each with its decorators and the comment right above it;
    other languages' (and Python that does not parse) end at a blank line with an unindented line behind it.
    """
    lines = split_lines(text)
    found = code_blocks(lines) if (nodes := _parse(text)) is None else _python_blocks(lines, nodes)
    return [b for block in found if (b := trim(text, block)) is not None]


def _parse(text: str) -> list[ast.stmt] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning: another's code is none of ours
            return ast.parse(text).body if "\f" not in text else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _python_blocks(lines: list[Line], nodes: list[ast.stmt]) -> Iterator[Block]:
    at = 0
    for node in nodes:
        if not isinstance(node, _DEFINITIONS):
            continue
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
        while first > at and lines[first - 1].text.startswith("#"):
            first -= 1
        if first < at:
            continue  # behind a semicolon, on a line of its own kind: it stays with what is before it
        yield from code_blocks(lines[at:first])
        at = node.end_lineno or len(lines)
        yield span(lines, first, at, "code")
    yield from code_blocks(lines[at:])
