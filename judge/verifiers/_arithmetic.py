"""Formulas of other people's, worked out without running them as code: numbers, names, ``+ - * / ^``, a few functions."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

LONGEST_FORMULA = 1000
LARGEST = 1e100
"""Values beyond this are refused."""
FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min, "max": max, "abs": abs, "floor": math.floor, "ceil": math.ceil, "exp": math.exp, "sqrt": math.sqrt,
    "log": math.log,
}  # fmt: skip
"""The functions that OpenAI's ``calculate_output`` knows."""

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow,
    ast.Mod: operator.mod, ast.FloorDiv: operator.floordiv,
}  # fmt: skip


def parse_formula(text: str) -> ast.expr:
    """Return the tree of a formula; ``^`` is a power, as in the graders' formulas.

    Raises:
        ValueError: it is no formula, or holds something else than numbers, names, operators and :data:`FUNCTIONS`.
    """
    if len(text) > LONGEST_FORMULA:
        raise ValueError(f"longer than {LONGEST_FORMULA} characters")
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"no formula: {error}") from None
    for node in ast.walk(tree):
        _check_node(node)
    return tree


def _check_node(node: ast.AST) -> None:
    if isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS) or node.keywords or not node.args:
            raise ValueError(f"a call of something else than {', '.join(FUNCTIONS)}")
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise ValueError(f"{node.value!r} is no number")
    elif not isinstance(node, ast.BinOp | ast.UnaryOp | ast.Name | ast.expr_context | ast.operator | ast.unaryop):
        raise ValueError(f"{type(node).__name__} has no place in a formula")


def names_in(tree: ast.expr) -> set[str]:
    """Return the names of values that a formula reads."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}


def compute(tree: ast.expr, values: Mapping[str, float]) -> float:
    """Return the value of a checked formula.

    Raises:
        ValueError: a name without a value, a division by zero, a value that is too large or no real number.
    """
    try:
        value: float = _compute(tree, values)
    except (ArithmeticError, TypeError, RecursionError) as error:
        raise ValueError(str(error) or type(error).__name__) from None
    return value


def _compute(node: ast.expr, values: Mapping[str, float]) -> Any:
    if isinstance(node, ast.Constant):
        value: Any = node.value
    elif isinstance(node, ast.Name):
        if node.id not in values:
            raise ValueError(f"no value for {node.id!r}")
        value = values[node.id]
    elif isinstance(node, ast.UnaryOp):
        inner = _compute(node.operand, values)
        value = -inner if isinstance(node.op, ast.USub) else +inner
    elif isinstance(node, ast.BinOp):
        left, right = _compute(node.left, values), _compute(node.right, values)
        if isinstance(node.op, ast.Pow):
            left = float(left)  # a power of whole numbers could fill the memory
        value = _OPERATORS[type(node.op)](left, right) if type(node.op) in _OPERATORS else _refuse(node.op)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        value = FUNCTIONS[node.func.id](*(_compute(a, values) for a in node.args))
    else:
        value = _refuse(node)
    if isinstance(value, complex) or not abs(value) <= LARGEST:
        raise ValueError("too large, or no real number")
    return value


def _refuse(node: ast.AST) -> Any:
    raise ValueError(f"{type(node).__name__} has no place in a formula")
