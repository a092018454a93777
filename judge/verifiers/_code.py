"""The code verifier: a completion's program run against tests, in the sandbox.

A function under test may be a method of ``class Solution`` (LeetCode; ``entry_point`` ``Solution().add`` or ``add``). Which tests
a row has is read from its columns:

=========================================  ==========================================================================
``test`` and ``entry_point``               HumanEval: ``check(candidate)``; each assert in its body is a test
``test``                                   ``unittest.TestCase`` classes, ``test_*`` functions: each method or function is a test
``test_list``                              MBPP: asserts, after ``test_setup_code`` and ``test_imports``
``cases``                                  ``[{"input": …, "output": …}]``: stdin and stdout, up to trailing white space; or
                                           APPS' ``{"inputs": […], "outputs": […]}``
=========================================  ==========================================================================

The program and its tests run in **two processes**. The program answers calls; it holds neither the tests, nor the expected
values, nor the channel on which results are told, and its answers arrive as plain data, so that an object that equals
everything equals nothing there. Exiting, printing, patching builtins or ``unittest``, and reading frames or memory
change what the program's own process does and no verdict. Not defended: a program that recognises arguments and returns
answers that it knows by heart; an assert that holds for any value (``assert f(x)``), or whose expected side calls the
program; tests whose sense depends on the program's classes (their comparisons are not believed, so they fail).
"""

import ast
import builtins
import contextlib
import json
import math
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .._verdict import Verdict
from ..sandbox import ISOLATIONS, Isolation, Limits, Outcome, run_entries, run_python
from ._program import bind_method, extract_program, parse_prompt
from ._verifier import CannotJudge, Case, verifier

LONGEST_EVIDENCE = 1000
_METHOD = re.compile(r"\s*(?:(\w+)\(\)\.)?(\w+)\s*")

_OPTIONS = {"timeout_s": 10.0, "memory_mb": 512, "isolation": "auto", "packages": (), "challenge": False}


class Grade(NamedTuple):
    """What a grader gave.

    Attributes:
        score: a finite number; None = it failed.
        error: the exception's last line, or what ended it; empty when there is a score.
        by_program: the error is that of the program under test, in its own process.
    """

    score: float | None
    error: str = ""
    by_program: bool = False


class _Tests(NamedTuple):
    prelude: str
    tests: list[str]
    check: str
    entry: str | None
    names: list[str]
    holder: str = "Solution"
    units: str = ""


@verifier("code", version=3, options=_OPTIONS, choices={"isolation": ISOLATIONS})
def verify_code(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Run the program of ``case`` against its tests: passed = all of them, score = their share.

    Options: ``timeout_s``: seconds of wall time for all tests of a row, for each of its ``cases``; ``memory_mb``: MiB;
    ``isolation``: see :data:`flywheel.judge.sandbox.Isolation`; ``packages``: folders to import from; ``challenge``:
    also MBPP's ``challenge_test_list``.

    Returns:
        Reasons: ``passed``, ``wrong answer``, ``error: NAME``, ``timeout``, ``memory limit``, ``output limit``,
        ``process limit``, ``file limit``, ``killed``, ``no code``. Abstentions: ``no tests``, ``bad tests``, ``bad cases``, ``broken tests: …``,
        ``sandbox failed``.

    Raises:
        SandboxError: this machine cannot isolate programs.
    """
    fields = case.fields
    cases = _read_cases(fields.get("cases"))
    tests = _read_tests(fields, challenge=options["challenge"])
    if not cases and tests is None:
        return Verdict(None, None, "no tests")
    prompt = fields.get("prompt") if tests and tests.entry and tests.prelude else None
    names = tests.names if tests else ()
    program = extract_program(case.completion, prompt=prompt or "", names=names)
    if program is None:
        return Verdict(False, 0.0, "no code")
    if tests is None:
        return _run_cases(program, cases, options)
    for name in tests.names:
        program = bind_method(program, name, tests.holder)
    return _run_tests(program, tests, options)


def run_grader(
    source: str, sample: Mapping[str, Any], item: Mapping[str, Any], limits: Limits | None = None, *,
    isolation: Isolation = "auto", packages: Sequence[str] = (),
) -> Grade:  # fmt: skip
    """Run a grader of kind ``python``: ``source`` defines ``grade(sample, item) -> float`` (OpenAI's RFT).

    A ``grade(sample, item, program)`` gets the completion's program as a third argument, of which it may call the functions:
    they run in a process of their own, as those of the verifier ``code`` do. A ``grade`` of two arguments that executes the
    completion itself lets it do whatever the grader can: no line between the two holds within one process.

    Raises:
        SandboxError: this machine cannot isolate programs.
    """
    nonce, has_program = secrets.token_hex(16), _takes_program(source)
    spec = {"source": source, "sample": dict(sample), "item": dict(item), "nonce": nonce, "has_program": has_program}
    entries = [{"entry": "grader", "source": json.dumps(spec), "stdin": ""}]
    if has_program:
        program = extract_program(str(sample.get("output_text") or "")) or ""
        entries.insert(0, {"entry": "answer", "source": program, "stdin": ""})
    done = run_entries(entries, limits=limits, isolation=isolation, packages=packages)
    return _read_grade(done, nonce, has_program=has_program)


def _takes_program(source: str) -> bool:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    found = [n for n in body if isinstance(n, ast.FunctionDef) and n.name == "grade"]
    return bool(found) and len(found[-1].args.args) - len(found[-1].args.defaults) >= 3


def _read_grade(done: Outcome, nonce: str, *, has_program: bool) -> Grade:
    """Return what the grader told; lines on its channel that lack the nonce are not its own."""
    told = [line for line in _read_lines(done.channel) if line.get("nonce") == nonce]
    if len(told) != 1:
        fault = done.reason in ("error", "sandbox")
        by_program = has_program and done.reason not in ("ok", "error", "sandbox")
        return Grade(None, done.stderr.strip().rpartition("\n")[2] if fault else done.reason, by_program)
    if "error" in told[0]:
        return Grade(None, str(told[0]["error"]), bool(told[0]["by_program"]))
    score = float(told[0]["score"])
    return Grade(score) if math.isfinite(score) else Grade(None, f"the score is {score}")


def _read_cases(value: Any) -> list[tuple[str, str]]:
    """Return (stdin, stdout) of each case.

    Raises:
        CannotJudge: one is something else.
    """
    cases = _as_list(_pair_up(value))
    for i, one in enumerate(cases):
        is_case = isinstance(one, Mapping) and all(_is_text(one.get(key)) for key in ("input", "output"))
        if not is_case:
            told = f'case {i + 1} of {len(cases)}: expected {{"input", "output"}} with texts, received {one!r}'
            raise CannotJudge("bad cases", told[:300])
    return [(_as_text(one["input"]), _as_text(one["output"])) for one in cases]


def _pair_up(value: Any) -> Any:
    """Return APPS' cases as a list of cases; anything else as it is."""
    found = value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(value)
    if not isinstance(found, Mapping) or not {"inputs", "outputs"} <= found.keys():
        return value
    given, wanted = found["inputs"], found["outputs"]
    if found.get("fn_name") or not (isinstance(given, list) and isinstance(wanted, list) and len(given) == len(wanted)):
        told = "expected as many outputs as inputs, both of a program that reads and prints (no fn_name)"
        raise CannotJudge("bad cases", f"{told}, received {found!r}"[:300])
    return [{"input": i, "output": o} for i, o in zip(given, wanted, strict=True)]


def _is_text(value: Any) -> bool:
    """Say whether a value is text, a number, or lines of these."""
    lines = value if isinstance(value, list) else [value]
    return all(isinstance(line, str | int | float) for line in lines)


def _read_tests(fields: Mapping[str, Any], *, challenge: bool) -> _Tests | None:
    holder, entry = _read_entry(fields.get("entry_point"))
    test = fields.get("test")
    if isinstance(test, str) and _has_units(test):
        return _Tests(_setup_of(fields), [], "", None, [entry] if entry else _called([test]), holder, test)
    if fields.get("test") and entry:
        if _checks_nothing(str(test)):
            return None
        prelude = parse_prompt(fields.get("prompt"), entry)
        return _Tests(prelude, [], str(fields["test"]), entry, [entry], holder)
    tests = _as_list(fields.get("test_list"))
    if challenge:
        tests += _as_list(fields.get("challenge_test_list"))
    if wrong := [t for t in tests if not isinstance(t, str)]:
        raise CannotJudge("bad tests", f"expected texts, received {wrong[0]!r}"[:300])
    tests = [t for t in tests if not _is_empty(t)]
    if not tests:
        return None
    return _Tests(_setup_of(fields), tests, "", None, [entry] if entry else _called(tests), holder)


def _setup_of(fields: Mapping[str, Any]) -> str:
    imports = [str(line) for line in _as_list(fields.get("test_imports"))]
    return "\n".join([*imports, str(fields.get("test_setup_code") or "")])


def _parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _has_units(source: str) -> bool:
    """Say whether tests are classes of unittest, or functions and classes of pytest, and no ``check(candidate)``."""
    body = tree.body if (tree := _parse(source)) else []
    names = [n.name for n in body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    classes = [n for n in body if isinstance(n, ast.ClassDef)]
    suites = [n for n in classes if n.name.startswith("Test") or any("TestCase" in ast.unparse(b) for b in n.bases)]
    methods = [n.name for c in classes for n in c.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return "check" not in names and any(name.startswith("test") for name in (*names, *(methods if suites else ())))


def _is_empty(source: str) -> bool:
    tree = _parse(source)
    return tree is not None and all(isinstance(n, ast.Pass) or _is_words(n) for n in tree.body)


def _is_words(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _checks_nothing(source: str) -> bool:
    """Say whether ``check`` has neither an assert nor a call that might make one."""
    tree = _parse(source)
    check = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check"), None) if tree else None
    return check is not None and not any(isinstance(n, ast.Assert | ast.Raise | ast.Call) for n in ast.walk(check))


def _read_entry(value: Any) -> tuple[str, str | None]:
    """Return the class and the name of the function under test: ``Solution().add`` is a method of ``Solution``."""
    found = _METHOD.fullmatch(value) if isinstance(value, str) else None
    return (found[1] or "Solution", found[2]) if found else ("Solution", value or None)


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _called(tests: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for text in tests:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        calls = [n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        found |= dict.fromkeys([n for n in calls if not hasattr(builtins, n)] or calls[:1])
    return list(found)


def _limits(options: Mapping[str, Any]) -> Limits:
    """CPU time is no limit of its own: the program and its tests share the wall time."""
    return Limits(cpu_s=options["timeout_s"] + 1, wall_s=options["timeout_s"], memory_mb=options["memory_mb"])


def _run_tests(program: str, tests: _Tests, options: Mapping[str, Any]) -> Verdict:
    spec = {
        "prelude": tests.prelude,
        "tests": tests.tests,
        "check": tests.check,
        "entry": tests.entry,
        "units": tests.units,
    }
    entries = [
        {"entry": "answer", "source": program, "stdin": ""},
        {"entry": "tests", "source": json.dumps(spec), "stdin": ""},
    ]
    done = run_entries(entries, limits=_limits(options), isolation=options["isolation"], packages=options["packages"])
    return _judge(done, _read_lines(done.channel))


def _read_lines(channel: bytes) -> list[dict[str, Any]]:
    """Return the messages of a channel; what is none is left out."""
    found = []
    for line in channel.decode("utf-8", "replace").split("\n"):
        with contextlib.suppress(ValueError, RecursionError):
            found.append(json.loads(line))
    return [message for message in found if isinstance(message, dict)]


def _judge(done: Outcome, told: list[dict[str, Any]]) -> Verdict:
    known = {
        key: message for message in told for key in ("tests", "failed", "broken", "ended", "done") if key in message
    }
    if done.reason == "sandbox":
        return Verdict(None, None, "sandbox failed", done.stderr[-LONGEST_EVIDENCE:])
    if "broken" in known:
        return Verdict(None, None, f"broken tests: {known['broken']['broken']}"[:200])
    if "failed" in known:
        line = str(known["failed"]["failed"]["line"])
        return Verdict(False, 0.0, _name_error(line), line[:LONGEST_EVIDENCE])
    results = {m["test"]: m for m in told if "test" in m}
    total = known.get("tests", {"tests": 0})["tests"]
    n_passed = sum(bool(m["passed"]) for m in results.values())
    if "tests" in known and not total:
        return Verdict(None, None, "no tests")
    if "done" in known and total and n_passed == total:
        return Verdict(True, 1.0, "passed", f"{total} of {total} tests")
    wrong = next((m for _, m in sorted(results.items()) if not m["passed"]), None)
    score = min(n_passed, max(total - 1, 0)) / total if total else 0.0
    if wrong is None:
        return Verdict(False, score, _name_stop(done), f"{n_passed} of {total} tests, then it ended")
    reason = wrong["reason"] if wrong["reason"] == "wrong answer" else _name_error(wrong["line"])
    evidence = f"test {wrong['test'] + 1} of {total}: {wrong['source']} · {wrong['line'] or 'AssertionError'}"
    return Verdict(False, score, reason, evidence[:LONGEST_EVIDENCE])


def _name_error(line: str) -> str:
    name = line.split(":")[0].strip()
    return "memory limit" if name == "MemoryError" else f"error: {name}"


def _name_stop(done: Outcome) -> str:
    names = {"timeout": "timeout", "memory": "memory limit", "output": "output limit"}
    names |= {"processes": "process limit", "files": "file limit", "killed": "killed"}
    return names.get(done.reason, "error: ended early")


def _run_cases(program: str, cases: list[tuple[str, str]], options: Mapping[str, Any]) -> Verdict:
    n_passed = 0
    wrong: tuple[str, str] | None = None
    for i, (stdin, expected) in enumerate(cases):
        settings: dict[str, Any] = {"isolation": options["isolation"], "packages": options["packages"]}
        done = run_python(program, stdin=stdin, limits=_limits(options), **settings)
        if done.reason == "sandbox":
            return Verdict(None, None, "sandbox failed", done.stderr[-LONGEST_EVIDENCE:])
        if done.ok and _normalise(done.stdout) == _normalise(expected):
            n_passed += 1
        elif wrong is None:
            wrong = _explain_case(i, len(cases), done, expected)
    if wrong is None:
        return Verdict(True, 1.0, "passed", f"{len(cases)} of {len(cases)} cases")
    return Verdict(False, n_passed / len(cases), *wrong)


def _explain_case(index: int, total: int, done: Outcome, expected: str) -> tuple[str, str]:
    last = done.stderr.rstrip().rpartition("\n")[2]
    if done.ok:
        reason, told = "wrong answer", f"expected {expected.rstrip()!r:.300}, received {done.stdout.rstrip()!r:.300}"
    elif done.reason == "error":
        reason, told = (_name_error(last) if last else f"error: exit status {done.exit_code}"), last
    else:
        reason, told = _name_stop(done), last
    return reason, f"case {index + 1} of {total}: {told}"[:LONGEST_EVIDENCE]


def _as_text(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _normalise(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
