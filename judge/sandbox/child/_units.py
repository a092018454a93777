"""Tests as ``unittest.TestCase`` classes, ``test_*`` functions and ``Test*`` classes of pytest: each method or function is a test.

Of pytest there is what such tests commonly use: ``raises``, ``approx``, ``mark.parametrize``; no fixtures.
"""

import ast
import importlib.util
import math
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LIBRARIES = frozenset(
    [
        "numpy",
        "pandas",
        "scipy",
        "sympy",
        "sklearn",
        "torch",
        "tensorflow",
        "jax",
        "matplotlib",
        "requests",
        "hypothesis",
        "parameterized",
        "networkx",
        "PIL",
        "bs4",
        "yaml",
        "attr",
        "pydantic",
        "flask",
        "django",
        "sqlalchemy",
        "cv2",
        "nltk",
        "lxml",
        "dateutil",
        "pytz",
        "freezegun",
        "mock",
    ]
)
"""Imports that are no name for the program: where one is missing, the tests cannot be run."""
Unit = tuple[str, str]
"""Name of the class, empty for a function; name of the test."""


def find_units(tree: ast.Module) -> list[Unit]:
    """Return the tests of a module, in their order.

    Raises:
        SyntaxError: one takes what only a fixture gives.
    """
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    found: list[Unit] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and _is_suite(node, classes):
            found += [(node.name, name) for name in dict.fromkeys(_methods(node, classes))]
        elif isinstance(node, FUNCTIONS) and node.name.startswith("test"):
            _check_arguments(node, 0)
            found.append(("", node.name))
    return found


def _is_suite(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
    bases = [ast.unparse(b).rpartition(".")[2] for b in node.bases]
    return node.name.startswith("Test") or any(
        b.endswith("TestCase") or (b in classes and b != node.name and _is_suite(classes[b], classes)) for b in bases
    )


def _methods(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    for base in node.bases:
        if (name := ast.unparse(base)) in classes and name != node.name:
            yield from _methods(classes[name], classes)
    for one in node.body:
        if isinstance(one, FUNCTIONS) and one.name.startswith("test"):
            _check_arguments(one, 1)
            yield one.name


def _check_arguments(node: Any, n_own: int) -> None:
    needed = [a.arg for a in node.args.args[n_own : len(node.args.args) - len(node.args.defaults)]]
    if needed and not any("parametrize" in ast.unparse(d) or "patch" in ast.unparse(d) for d in node.decorator_list):
        raise SyntaxError(f"{node.name} needs a fixture {needed[0]}")


def drop_runs(tree: ast.Module) -> None:
    """Leave out statements that run all tests: ``unittest.main()``."""
    pattern = re.compile(r"\b(?:unittest|pytest)\.main\(|\bunittest\.TextTestRunner\b")
    tree.body = [n for n in tree.body if not (isinstance(n, ast.Expr) and pattern.search(ast.unparse(n)))]


def take_imports(tree: ast.Module) -> dict[str, str]:
    """Take imports of modules that are not there out of ``tree``; return which name stands for which of the program's, ``*`` for
    the program itself.
    """
    taken: dict[str, str] = {}
    kept: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and not _is_there(node.module or ""):
            taken |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name != "*"}
        elif isinstance(node, ast.Import) and not all(_is_there(alias.name) for alias in node.names):
            taken |= {alias.asname or alias.name: "*" for alias in node.names if not _is_there(alias.name)}
            there = [alias for alias in node.names if _is_there(alias.name)]
            kept += [ast.Import(there)] if there else []
        else:
            kept.append(node)
    tree.body = kept
    ast.fix_missing_locations(tree)
    return taken


def _is_there(name: str) -> bool:
    top = name.partition(".")[0]
    if top in ("", "__main__"):
        return False
    known = top == "pytest" or top in LIBRARIES or top in sys.stdlib_module_names
    return known or (top not in sys.modules and importlib.util.find_spec(top) is not None)


def run_unit(names: dict[str, Any], unit: Unit, prepared: set[str]) -> None:
    """Run one test; whatever it raises is its result."""
    holder, name = unit
    if not holder:
        _call(names[name], names[name])
        return
    kind = names[holder]
    if hasattr(kind, "debug"):
        if holder not in prepared:
            kind.setUpClass()
            prepared.add(holder)
        kind(name).debug()
        return
    one = kind()
    for step in ("setup_method", "setUp"):
        if hasattr(one, step):
            getattr(one, step)()
    _call(getattr(one, name), getattr(kind, name))


def _call(function: Callable[..., Any], holder: Any) -> None:
    for given in getattr(holder, "parameters", [{}]):
        made = function(**given)
        if isinstance(made, types.CoroutineType):
            import asyncio

            asyncio.run(made)


class _Raises:
    def __init__(self, kinds: Any, match: str | None) -> None:
        self.kinds, self.match, self.value = kinds, match, None

    def __enter__(self) -> "_Raises":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if error is None:
            raise AssertionError(f"nothing raised, expected {self.kinds}")
        if not isinstance(error, self.kinds):
            return False
        if self.match is not None and not re.search(self.match, str(error)):
            raise AssertionError(f"{error} does not match {self.match}")
        self.value = error
        return True


class _Approx:
    def __init__(self, wanted: Any, rel: float | None = None, abs: float | None = None) -> None:
        self.wanted = wanted
        self.rel = 1e-6 if rel is None and abs is None else rel or 0.0
        self.abs = 1e-12 if abs is None else abs

    def __eq__(self, other: object) -> bool:
        return self._is_near(other, self.wanted)

    __hash__ = None  # type: ignore[assignment]

    def _is_near(self, found: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict) and isinstance(found, dict):
            return found.keys() == wanted.keys() and all(self._is_near(found[k], wanted[k]) for k in wanted)
        if isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
            return len(found) == len(wanted) and all(map(self._is_near, found, wanted))
        numbers = isinstance(found, int | float | complex) and isinstance(wanted, int | float | complex)
        if not numbers or isinstance(found, complex) or isinstance(wanted, complex):
            return bool(found == wanted)
        return bool(found == wanted) or abs(found - wanted) <= max(self.rel * abs(wanted), self.abs) < math.inf


class _Marks:
    def __getattr__(self, name: str) -> Any:
        return self._parametrize if name == "parametrize" else _pass_through

    @staticmethod
    def _parametrize(names: Any, values: Any, **_: Any) -> Any:
        keys = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)

        def mark(function: Any) -> Any:
            rows = [dict(zip(keys, v if len(keys) > 1 else [v], strict=True)) for v in values]
            before = getattr(function, "parameters", [{}])
            function.parameters = [{**one, **other} for one in before for other in rows]
            return function

        return mark


def _pass_through(*args: Any, **_: Any) -> Any:
    return args[0] if len(args) == 1 and callable(args[0]) else _pass_through


def install_pytest() -> None:
    """Put a module in the place of pytest."""
    module = types.ModuleType("pytest")

    def raises(kinds: Any, *args: Any, match: str | None = None, **named: Any) -> Any:
        if not args:
            return _Raises(kinds, match)
        with _Raises(kinds, match) as found:
            args[0](*args[1:], **named)
        return found

    def fail(reason: str = "") -> None:
        raise AssertionError(reason)

    vars(module).update(raises=raises, approx=_Approx, mark=_Marks(), fail=fail)
    sys.modules["pytest"] = module
