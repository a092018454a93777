"""Broken versions of a Python program, each with one fault: what tests are worth shows in how many of them they catch.

Source: DeMillo, Lipton and Sayward (1978), "Hints on test data selection"; the kinds of faults are those that mutmut makes.

Not every fault can be seen from outside (``x >= 0`` for ``x > 0`` where 0 never comes): tests are not to be asked for all of them.
"""

import ast
import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_JOINED: dict[type[ast.boolop], type[ast.boolop]] = {ast.And: ast.Or, ast.Or: ast.And}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Mutant:
    """A program with one fault.

    Attributes:
        kind: ``nothing``, where no function gives or does anything, else the one thing that was changed: ``comparison``, ``operator``,
            ``constant`` or ``return``.
        line: where, in the program, from 1; the first, where there are several.
        code: the whole program.
    """

    kind: str
    line: int
    code: str


def make_mutants(code: str, most: int = 4) -> list[Mutant]:
    """Return broken versions of a program: of each kind the last first, so that few have different kinds.

    Of ``nothing``, the first, nothing comes back from any function, and of one that returns nothing the body is left out: no test is worth
    anything that this version passes. Of ``return`` this is so in one place only, of several: good tests may not see it, where ``None`` is as
    false as what came back, or a way out is rarely taken.

    Args:
        code: Python.
        most: so many at most.

    Returns:
        Nothing where nothing of it can be broken so, or it is no Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # another's code is none of ours
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    returns = list(_find_returns(tree))[::-1]
    versions: dict[str, list[list[_Change]]] = {
        "nothing": [returns] if returns else [],
        "comparison": _one_by_one(_find_comparisons(tree)),
        "operator": _one_by_one(_find_operators(tree)),
        "constant": _one_by_one(_find_constants(tree)),
        "return": [[change] for change in returns] if len(returns) > 1 else [],
    }
    found = list[Mutant]()
    for rank in range(max(map(len, versions.values()))):
        for kind, made in versions.items():
            if rank < len(made) and len(found) < most:
                found.append(_break(tree, kind, made[rank]))
    return found


_Change = tuple[int, Callable[[Any], None]]
"""Which node, in the order of walking, and what is done to a copy of it."""


def _one_by_one(changes: Iterator[_Change]) -> list[list[_Change]]:
    return [[change] for change in changes][::-1]


def _break(tree: ast.Module, kind: str, changes: list[_Change]) -> Mutant:
    broken = copy.deepcopy(tree)
    nodes: list[Any] = list(ast.walk(broken))
    for number, change in changes:
        change(nodes[number])
    line = min(int(getattr(nodes[number], "lineno", 1)) for number, _ in changes)
    return Mutant(kind, line, ast.unparse(ast.fix_missing_locations(broken)))


def _find_returns(tree: ast.Module) -> Iterator[_Change]:
    for number, node in enumerate(ast.walk(tree)):
        if isinstance(node, _FUNCTIONS):
            inner = [one for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None]
            if not inner and node.name != "__init__":
                yield number, _empty
        elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
            yield number, _return_nothing


def _find_comparisons(tree: ast.Module) -> Iterator[_Change]:
    skipped = _skipped(tree)
    for number, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.Compare) and id(node) not in skipped and type(node.ops[-1]) in _COMPARED:
            yield number, _turn_comparison


def _find_operators(tree: ast.Module) -> Iterator[_Change]:
    skipped = _skipped(tree)
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _COMPUTED:
            yield number, _turn_operator
        elif isinstance(node, ast.BoolOp):
            yield number, _turn_junction
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield number, _take_not_away


def _find_constants(tree: ast.Module) -> Iterator[_Change]:
    skipped = _skipped(tree)
    for number, node in enumerate(ast.walk(tree)):
        if (
            isinstance(node, ast.Constant)
            and id(node) not in skipped
            and isinstance(node.value, bool | int | float | str)
        ):
            yield number, _turn_constant


def _skipped(tree: ast.Module) -> set[int]:
    """Return the nodes that no fault is put into: annotations, texts that stand alone, and what formatted texts are made of."""
    roots = list[ast.AST]()
    for node in ast.walk(tree):
        roots += [one for name in ("annotation", "returns") if isinstance(one := getattr(node, name, None), ast.AST)]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            roots.append(node.value)
        if isinstance(node, ast.JoinedStr):
            roots += [part for part in node.values if isinstance(part, ast.Constant)]
            roots += [spec for part in node.values if (spec := getattr(part, "format_spec", None)) is not None]
    return {id(inner) for root in roots for inner in ast.walk(root)}


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _return_nothing(node: ast.Return) -> None:
    node.value = ast.Constant(None)


def _empty(node: ast.FunctionDef) -> None:
    node.body = [ast.Return(ast.Constant(None))]


def _turn_comparison(node: ast.Compare) -> None:
    node.ops[-1] = _COMPARED[type(node.ops[-1])]()


def _turn_operator(node: ast.BinOp) -> None:
    node.op = _COMPUTED[type(node.op)]()


def _turn_junction(node: ast.BoolOp) -> None:
    node.op = _JOINED[type(node.op)]()


def _take_not_away(node: ast.UnaryOp) -> None:
    node.operand = ast.UnaryOp(ast.Not(), node.operand)


def _turn_constant(node: ast.Constant) -> None:
    if isinstance(node.value, bool):
        node.value = not node.value
    elif isinstance(node.value, str):
        node.value = node.value + "x" if node.value else "x"
    elif isinstance(node.value, int | float):
        node.value = node.value + 1
