"""Blocks of source code: each function, method or class that stands by itself is one, and so is each run of lines between them.

A definition of Python has before it, as its block's ``before``, those imports and constants of the top of its file that it names, and a
method the head of its class: so that it can be read, and mostly run, without the rest. These lines are no part of its span. Before whatever has
an annotation stands ``from __future__ import annotations``, where the file has it; what sets a property stays with what gets it.
"""

import ast
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from ._blocks import Block, Line, code_blocks, span, split_lines, trim

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_OF_THE_HEAD = ("__init__", "__new__", "__post_init__")
"""Methods that stay with the head of their class: they make what the others work on."""
_ACCESSORS = ("setter", "getter", "deleter")
_POSTPONED = "annotations"
"""The name of the future in which annotations are not evaluated; nothing names it, and without it some files' definitions fail."""
_GAP = "\n\n\n"


def find_definitions(text: str) -> list[Block]:
    """Return the blocks of source code.

    Python's are the functions of its outermost level, the heads of its classes (fields and ``__init__``), and their methods, each with its
    decorators and the comment right above it; other languages' (and Python that does not parse) end at a blank line with an unindented line
    behind it.
    """
    lines = split_lines(text)
    found = code_blocks(lines) if (nodes := _parse(text)) is None else _Source(lines, nodes).blocks()
    return [replace(b, before=block.before) for block in found if (b := trim(text, block)) is not None]


def _parse(text: str) -> list[ast.stmt] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning: another's code is none of ours
            return ast.parse(text).body if "\f" not in text else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Source:
    """A module's lines, and what stands at its top."""

    def __init__(self, lines: list[Line], nodes: Sequence[ast.stmt]) -> None:
        self._lines = lines
        self._nodes = nodes
        self._top = [
            (names, node) for node in nodes if not isinstance(node, _DEFINITIONS) and (names := _names_made(node))
        ]
        self._is_postponed = any(_is_future(node) for node in nodes)

    def blocks(self) -> Iterator[Block]:
        at = 0
        for node in self._nodes:
            if not isinstance(node, _DEFINITIONS):
                continue
            first = self._first_line(node, at)
            if first < at:
                continue  # behind a semicolon, on a line of its own kind: it stays with what is before it
            yield from code_blocks(self._lines[at:first])
            at = node.end_lineno or len(self._lines)
            if isinstance(node, ast.ClassDef):
                yield from self._class_blocks(node, first, at)
            else:
                yield replace(span(self._lines, first, at, "code"), before=self._before([node]))
        yield from code_blocks(self._lines[at:])

    def _class_blocks(self, node: ast.ClassDef, first: int, stop: int) -> Iterator[Block]:
        """Yield the head of a class, then its methods and what stands between them, each with the head before it.

        A head of nothing but its own line goes with what stands first in it.
        """
        runs = _keep_properties(list(self._cut(node, first, stop)))
        end, members = runs[0]
        shell = ast.ClassDef(node.name, node.bases, node.keywords, members, node.decorator_list)
        head = "\n".join(line.text for line in self._lines[first:end]).rstrip() + "\n\n"
        if len(runs) > 1 and not members:
            del runs[0]
        at = first
        for end, members in runs:
            before = self._before([shell, *members]) + (head if at > first else "")
            yield replace(span(self._lines, at, end, "code"), before=before)
            at = end

    def _cut(self, node: ast.ClassDef, first: int, stop: int) -> Iterator[tuple[int, list[ast.stmt]]]:
        """Yield where runs of a class's lines end, and what they hold: its head, each method, and each run between two methods."""
        at, members, is_head = first, list[ast.stmt](), True
        for member in node.body:
            starts = self._first_line(member, at) if isinstance(member, _FUNCTIONS) else 0
            if not isinstance(member, _FUNCTIONS) or (is_head and member.name in _OF_THE_HEAD) or starts < at:
                members.append(member)
                continue
            if is_head or members:
                yield starts, members
            at, members, is_head = member.end_lineno or stop, [], False
            yield at, [member]
        if is_head or members:
            yield stop, members

    def _first_line(self, node: ast.stmt, least: int) -> int:
        """Return the line on which a definition begins, from 0: that of its first decorator, or of the comment right above."""
        decorators = node.decorator_list if isinstance(node, _DEFINITIONS) else []
        first = min([node.lineno, *(d.lineno for d in decorators)]) - 1
        while first > least and _is_comment(self._lines[first - 1], node.col_offset):
            first -= 1
        return first

    def _before(self, nodes: Sequence[ast.AST]) -> str:
        """Return the lines of the module's top that bind what ``nodes`` name, and what these name in turn, in their order."""
        wanted, used = _names_used(nodes), list[ast.stmt]()
        while found := [node for names, node in self._top if node not in used and names & wanted]:
            used += found
            wanted |= _names_used(found)
        if self._is_postponed and any(map(_has_annotation, [*nodes, *used])):
            wanted.add(_POSTPONED)
            used += [node for node in self._nodes if _is_future(node)]
        texts = [self._statement(node, wanted) for node in self._nodes if node in used]
        return "\n".join(texts) + _GAP if texts else ""

    def _statement(self, node: ast.stmt, wanted: Collection[str]) -> str:
        """Return a statement as it stands; of an import only the names that are wanted."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias for alias in node.names if _name_of(alias) in wanted]
            if len(names) < len(node.names):
                kept = (
                    ast.Import(names)
                    if isinstance(node, ast.Import)
                    else ast.ImportFrom(node.module, names, node.level)
                )
                return ast.unparse(kept)
        lines = self._lines[node.lineno - 1 : node.end_lineno]
        return "\n".join(line.text for line in lines)


def _keep_properties(runs: list[tuple[int, list[ast.stmt]]]) -> list[tuple[int, list[ast.stmt]]]:
    """Return runs of a class's lines with each accessor of a property (``@size.setter``), which cannot be defined without it, in its run."""
    kept = list[tuple[int, list[ast.stmt]]]()
    for end, members in runs:
        needed = set().union(*map(_properties_of, members))
        places = [i for i, (_, before) in enumerate(kept) if needed & {getattr(one, "name", "") for one in before}]
        since = places[-1] if places else len(kept)
        kept[since:] = [(end, [one for _, before in kept[since:] for one in before] + members)]
    return kept


def _properties_of(member: ast.stmt) -> set[str]:
    """Return the properties of which a method is an accessor."""
    decorators = member.decorator_list if isinstance(member, _FUNCTIONS) else []
    return {
        d.value.id
        for d in decorators
        if isinstance(d, ast.Attribute) and d.attr in _ACCESSORS and isinstance(d.value, ast.Name)
    }


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__" and _POSTPONED in map(_name_of, node.names)


def _has_annotation(node: ast.AST) -> bool:
    return any(
        isinstance(one, ast.AnnAssign) or getattr(one, "annotation", None) or getattr(one, "returns", None)
        for one in ast.walk(node)
    )


def _is_comment(line: Line, indent: int) -> bool:
    return line.indent == indent and line.text.lstrip().startswith("#")


def _name_of(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _names_made(node: ast.stmt) -> set[str]:
    """Return the names that a statement of a module's top binds; what binds none (a call, a loop) is no context of anything."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {_name_of(alias) for alias in node.names}
    if isinstance(node, ast.Try | ast.If):
        inner = [*node.body, *node.orelse, *(s for h in getattr(node, "handlers", ()) for s in h.body)]
        return set().union(*(_names_made(one) for one in inner)) if inner else set()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}


def _names_used(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that code reads and does not have as arguments; an annotation that is a text is read too."""
    found: set[str] = set()
    for node in nodes:
        inner = _names_used(ast.iter_child_nodes(node))
        if isinstance(node, (*_FUNCTIONS, ast.Lambda)):
            inner -= {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)} - _names_used(_outside(node))
        found |= inner
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            found.add(node.value)
    return found


def _outside(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.AST]:
    """Return what of a function is read before it has its arguments: decorators, defaults, annotations."""
    decorators = (
        [] if isinstance(node, ast.Lambda) else [*node.decorator_list, *([node.returns] if node.returns else [])]
    )
    return [node.args, *decorators]
