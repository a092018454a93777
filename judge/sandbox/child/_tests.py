"""The tests' side of a pair: runs asserts against handles of the program, and writes what came of each.

Lines of JSON on the channel: ``{"tests": n}``, one ``{"test", "passed", "reason", "source", "line"}`` for each, and
``{"done": true}``; or ``{"failed": …}`` when the program did not load, ``{"broken": …}`` when the tests themselves fail.
"""

import ast
import builtins
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from ._peer import Handle, Peer, ProgramEnded, describe
from ._units import drop_runs, find_units, install_pytest, run_unit, take_imports

_BUILTINS = frozenset(dir(builtins))
_HOOK = "__flywheel_test__"
WHOLE = "check(candidate)"

Spec = dict[str, Any]
Tell = Callable[[dict[str, Any]], None]


def run_tests(spec: Spec, peer: Peer, channel: int) -> None:
    """Run the tests of ``spec``.

    Args:
        spec: ``prelude``: trusted code that runs first; ``tests``: one source text each; ``check``: source that defines
            ``check(candidate)``; ``units``: source of unittest's classes or pytest's functions; ``entry``: name of the function
            under test, or None.
    """

    def tell(message: dict[str, Any]) -> None:
        data = memoryview(json.dumps(message).encode() + b"\n")
        while data:
            data = data[os.write(channel, data) :]

    try:
        suite = _Suite(spec, peer, tell)
    except SyntaxError as error:
        tell({"broken": describe(error)["line"]})
        return
    tell({"tests": suite.count})
    try:
        hello = peer.receive()
        if "failed" in hello:
            tell({"failed": hello["failed"]})
            return
        suite.run([str(name) for name in hello["names"]])
        if peer.is_over:
            raise ProgramEnded("the program ended")
    except (ProgramEnded, KeyError, TypeError) as error:
        tell({"ended": str(error)})
        return
    tell({"done": True})


class _Suite:
    def __init__(self, spec: Spec, peer: Peer, tell: Tell) -> None:
        self.peer, self.tell = peer, tell
        self.entry: str | None = spec["entry"]
        self.prelude = ast.parse(spec["prelude"], "setup")
        self.tests = [ast.parse(text, "test") for text in spec["tests"]]
        self.check = ast.parse(spec["check"] or "", "test")
        self.is_check = bool(spec["check"])
        if self.is_check and "check" not in _defined(self.check):
            raise SyntaxError("the tests define no check(candidate)")
        self.suite = ast.parse(spec.get("units") or "", "test")
        self.units = find_units(self.suite)
        drop_runs(self.suite)
        self.imported = take_imports(self.suite)
        named = [".".join(filter(None, unit)) for unit in self.units]
        self.sources = [*(_number_asserts(self.check) if self.is_check else ()), *spec["tests"], *named]
        self.count = len(self.sources)
        self.names: dict[str, Any] = {"__name__": "tests"}
        self.told: set[int] = set()

    def run(self, given: list[str]) -> None:
        if self.units:
            install_pytest()
        try:
            self._bind(given)
            exec(compile(self.prelude, "setup", "exec"), self.names)
            if self.entry:
                self.names[self.entry] = Handle(self.peer, self.entry, "function")
            if self.is_check:
                ast.fix_missing_locations(self.check)
                exec(compile(self.check, "test", "exec"), self.names)
            if self.units:
                exec(compile(self.suite, "test", "exec"), self.names)
        except Exception as error:  # noqa: BLE001 whatever the set-up raises
            self._fault(error)
            return
        if self.is_check:
            self._run_check()
        for i, test in enumerate(self.tests, self.count - len(self.tests) - len(self.units)):
            self._one(i, lambda test=test: exec(compile(test, "test", "exec"), self.names))  # type: ignore[misc]
        prepared: set[str] = set()
        for i, unit in enumerate(self.units, self.count - len(self.units)):
            self._one(i, lambda unit=unit: run_unit(self.names, unit, prepared))  # type: ignore[misc]

    def _fault(self, error: Exception) -> None:
        """Set-up that fails once the program was asked is the program's fault; else the tests are broken."""
        missing = isinstance(error, NameError)
        if hasattr(error, "line") or missing or self.peer.has_asked:
            for i in range(self.count):
                self._tell(i, error)
        else:
            self.tell({"broken": describe(error)["line"]})

    def _bind(self, given: list[str]) -> None:
        """Give the tests the names that they use and do not define: modules first, the program's last."""
        trees = [self.prelude, self.check, self.suite, *self.tests]
        caught = {name for tree in trees for name in _caught(tree)}
        defined = {name for tree in trees for name in _defined(tree)}
        under_test = {self.entry} if self.entry else {n for t in self.tests for n in _called(t, defined)}
        for name in sorted({n for tree in trees for n in _loaded(tree)} - defined):
            if name in _BUILTINS and name not in under_test:
                continue
            if (name in sys.stdlib_module_names and name not in under_test) or (name == "pytest" and self.units):
                self.names[name] = importlib.import_module(name)
            elif name in given:
                self.names[name] = self._stand_in(name, is_caught=name in caught)
        for name, meant in self.imported.items():
            whole = {n: self._stand_in(n, is_caught=n in caught) for n in given} if meant == "*" else {}
            if whole or meant in given:
                self.names[name] = (
                    SimpleNamespace(**whole) if whole else self._stand_in(meant, is_caught=name in caught)
                )

    def _stand_in(self, name: str, *, is_caught: bool) -> Any:
        """Return what stands for something of the program: a handle, or of an exception that the tests catch a class."""
        return self.peer.stand_in(name) if is_caught else Handle(self.peer, name, "function")

    def _run_check(self) -> None:
        self.names[_HOOK] = self._one
        try:
            self.names["check"](Handle(self.peer, self.entry, "function"))
        except Exception as error:  # noqa: BLE001 code between the asserts
            for i in range(self.count):
                if i not in self.told:
                    self._tell(i, error)
            return
        if WHOLE in self.sources:
            self._tell(self.sources.index(WHOLE), None)

    def _one(self, i: int, test: Callable[[], Any]) -> None:
        try:
            test()
        except Exception as error:  # noqa: BLE001 whatever a test raises is its result
            if type(error).__name__ == "SkipTest":
                self.tell({"broken": f"a test is skipped: {error}"[:200]})
            self._tell(i, error)
        else:
            if self.peer.is_over:  # a bare except of the test may have swallowed it
                raise ProgramEnded("the program ended")
            self._tell(i, None)

    def _tell(self, i: int, error: Exception | None) -> None:
        self.told.add(i)
        source = self.sources[i]
        line = getattr(error, "line", None) or (describe(error)["line"] if error else "")
        is_wrong = isinstance(error, AssertionError) and not hasattr(error, "line")
        reason = "passed" if error is None else "wrong answer" if is_wrong else f"error: {line.split(':')[0]}"
        passed = error is None
        self.tell({"test": i, "passed": passed, "reason": reason, "source": source[:500], "line": line[:500]})


def _number_asserts(tree: ast.Module) -> list[str]:
    """Make each assert in the body of ``check`` a test of its own; return their sources.

    What else ``check`` does (loops with asserts in them, calls) is one more test, the last.
    """
    check = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check"), None)
    sources: list[str] = []
    is_rest = False
    for at, node in enumerate(check.body if check else []):
        if not isinstance(node, ast.Assert) or any(isinstance(n, ast.NamedExpr) for n in ast.walk(node)):
            is_rest = True
            continue
        function, call = ast.parse(f"def _test():\n    pass\n{_HOOK}({len(sources)}, _test)").body
        assert isinstance(function, ast.FunctionDef) and check is not None
        function.body = [node]
        check.body[at] = ast.If(ast.Constant(True), [function, call], [])
        sources.append(ast.unparse(node))
    return [*sources, WHOLE] if is_rest or not sources else sources


def _called(tree: ast.AST, defined: Iterable[str]) -> set[str]:
    """Return which names of one test may be the function under test: builtins only when nothing else is called."""
    names = [n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    own = {n for n in names if n not in _BUILTINS and n not in defined}
    return own or set(names[:1])


def _caught(tree: ast.AST) -> set[str]:
    """Return the names of what the tests catch: ``except E``, ``assertRaises(E)``, ``pytest.raises(E)``."""
    kinds = [n.type for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.type is not None]
    for n in ast.walk(tree):
        if (
            isinstance(n, ast.Call)
            and n.args
            and ast.unparse(n.func).lower().endswith(("raises", "raisesregex", "suppress"))
        ):
            kinds += n.args[:1]
    found = {n.id for kind in kinds for n in ast.walk(kind) if isinstance(n, ast.Name)}
    return found | {n.attr for kind in kinds for n in ast.walk(kind) if isinstance(n, ast.Attribute)}


def _loaded(tree: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _defined(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
    return found
