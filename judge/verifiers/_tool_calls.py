"""The ``tool_calls`` verifier: the calls of a completion against the expected ones.

The semantics are those of the Berkeley function-calling leaderboard's AST evaluation (BFCL, Patil et al. 2025, ICML; its
``ast_checker``): each expected argument has a list of allowed values, in which "" means that it may be left out; texts
are compared without spaces, case and ``, . / - _ * ^``; a whole number passes for a float, and a float never for an integer;
the order of parallel calls does not matter; where the answers have another type than the tool's definition says (a
variable's name), they count.

Unlike there: values nested in lists and objects are compared to any depth by the same rules; a dot in a function's name may
be an underscore whatever the model; positional arguments are wrong instead of unseen; true is never 1; a key that stands twice makes
a call unreadable; and a call that cannot be read is no absence of one: where none is expected BFCL lets it pass, and as a reward that
would pay for broken calls.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._verdict import Verdict
from ._calls import Call, calls_of, read_calls, tries_to_call
from ._json_text import loads
from ._verifier import CannotJudge, Case, verifier

Allowed = dict[str, list[Any]]
"""Argument to allowed values; "" among them: it may be left out."""
Expected = tuple[str, Allowed]

_TYPES: dict[str, type] = {
    "string": str, "any": str, "integer": int, "float": float, "number": float, "boolean": bool, "array": list,
    "tuple": list, "dict": dict, "object": dict,
}  # fmt: skip
MOST_CALLS = 200
"""More calls than this are no answer that anyone expects."""
_NUMBER = {"type": "number"}
_IGNORED = re.compile(r"[ ,./\-_*^]")


def fold_text(text: str) -> str:
    """Return ``text`` as BFCL compares it."""
    return _IGNORED.sub("", text).lower().replace("'", '"')


def read_expected(value: Any) -> list[Expected]:
    """Return expected calls: BFCL's ``[{name: {argument: [allowed, …]}}]``, or plain calls, of which each value is the one.

    Raises:
        CannotJudge: it is neither.
    """
    value = _decode(value)
    one_list = value if isinstance(value, list) else [value]
    if all(isinstance(one, dict) and len(one) == 1 and _is_allowed(next(iter(one.values()))) for one in one_list):
        return [next(iter(one.items())) for one in one_list]
    calls = calls_of(value)
    if calls is None:
        raise CannotJudge("bad reference", f"{value!r}, expected a list of calls"[:200])
    return [(call.name, {name: [given] for name, given in call.arguments.items()}) for call in calls]


def _is_allowed(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, list) for v in value.values())


def _decode(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return loads(value)
    except ValueError:
        calls = read_calls(value)
        return None if calls is None else [{"name": c.name, "arguments": c.arguments} for c in calls]


def read_tools(value: Any) -> dict[str, Mapping[str, Any]]:
    """Return the parameters of tools by name, of BFCL's and OpenAI's definitions; nothing where there are none.

    Raises:
        CannotJudge: the column holds something else.
    """
    value = _decode(value) if isinstance(value, str) else value
    found = {}
    for one in value if isinstance(value, list | tuple) else [value] if value is not None else []:
        tool = one.get("function") if isinstance(one, Mapping) and isinstance(one.get("function"), Mapping) else one
        if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
            raise CannotJudge("bad tools", f"{one!r}, expected a definition with a name"[:200])
        parameters = tool.get("parameters")
        found[tool["name"]] = parameters if isinstance(parameters, Mapping) else {}
    return found


def find_fault(call: Call, expected: Expected, parameters: Mapping[str, Any] | None) -> str:
    """Return what is wrong with a call, short and countable; empty for nothing.

    Args:
        call: what the completion calls.
        expected: the call that is wanted.
        parameters: JSON schema of the tool's arguments (``properties``, ``required``); None = not known.
    """
    name, allowed = expected
    if call.name not in (name, name.replace(".", "_")):
        return "wrong function"
    if call.positional:
        return "positional arguments"
    properties = (parameters or {}).get("properties")
    required = (parameters or {}).get("required")
    if any(name not in call.arguments for name in (required if isinstance(required, list) else ())):
        return "missing argument"
    for argument, value in call.arguments.items():
        known = properties if isinstance(properties, Mapping) else None
        if argument not in allowed or (known is not None and argument not in known):
            return "unexpected argument"
        if fault := _find_value_fault(value, allowed[argument], (known or {}).get(argument)):
            return fault
    if any(argument not in call.arguments and "" not in values for argument, values in allowed.items()):
        return "missing argument"
    return ""


def _find_value_fault(value: Any, allowed: Sequence[Any], schema: Any) -> str:
    """Return ``wrong type``, ``wrong value`` or nothing of one argument."""
    wanted = _type_of(schema)
    if isinstance(value, tuple) and _kind_of(schema) in (None, "tuple"):
        value = list(value)
    if wanted is float and _is_whole(value):
        value = float(value)
    answers = [a for a in allowed if not _is_blank(a)]
    by_answer = type(answers[0]) if answers else None
    if wanted is not None and type(value) is not wanted and type(value) is not by_answer:
        return "wrong type"
    if wanted is None and answers and not any(_is_kind(value, a) for a in answers):
        return "wrong type"
    return "" if any(_is_same(value, a, schema) for a in allowed) else "wrong value"


def _kind_of(schema: Any) -> str | None:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return kind if isinstance(kind, str) else None


def _type_of(schema: Any) -> type | None:
    return _TYPES.get(_kind_of(schema) or "")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**300


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and value == ""


def _is_kind(value: Any, answer: Any) -> bool:
    return type(value) is type(answer) or (_is_whole(value) and isinstance(answer, float))


def _is_same(value: Any, answer: Any, schema: Any = None) -> bool:
    """Compare by BFCL's rules; in an object that is expected, each value is a list of allowed ones, as its answers have it."""
    if isinstance(value, bool) or isinstance(answer, bool):
        return value is answer
    if isinstance(value, str) and isinstance(answer, str):
        return fold_text(value) == fold_text(answer)
    if isinstance(value, int | float) and isinstance(answer, int | float):
        return bool(value == answer) and (_type_of(schema) is float or _is_kind(value, answer))
    if isinstance(value, list | tuple) and isinstance(answer, list):
        items = schema.get("items") if isinstance(schema, Mapping) else None
        return len(value) == len(answer) and all(_is_same(v, a, items) for v, a in zip(value, answer, strict=True))
    if isinstance(value, dict) and isinstance(answer, dict):
        return _is_same_object(value, answer)
    return value is None and answer is None


def _is_same_object(value: dict[str, Any], answer: dict[str, Any]) -> bool:
    """Compare objects; numbers in them by value alone, as BFCL does not look at their types."""
    if any(key not in answer for key in value):
        return False
    if not all(isinstance(allowed, list) for allowed in answer.values()):
        return value.keys() == answer.keys() and all(_is_same(v, answer[k], _NUMBER) for k, v in value.items())
    missing = (allowed for key, allowed in answer.items() if key not in value)
    same = all(any(_is_same(v, a, _NUMBER) for a in [*answer[k], answer[k]]) for k, v in value.items())
    return same and all(any(_is_blank(a) for a in allowed) for allowed in missing)


@verifier("tool_calls", version=3, options={"expect": "calls"}, choices={"expect": ("calls", "none")})
def tool_calls(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Match the calls of a completion with the expected ones, in any order; types by the row's column ``tools``.

    ``expect: none`` passes completions without a call (BFCL's irrelevance), as an empty list of expected calls does; one that
    tries to call and breaks off is no such completion (``unreadable call``).
    """
    found = read_calls(case.completion)
    said = (
        None if found is None else json.dumps([[c.name, c.arguments] for c in found], ensure_ascii=False, default=str)
    )
    if options["expect"] == "calls" and case.expected is None:
        raise CannotJudge("no expected")
    expected = [] if options["expect"] == "none" else read_expected(case.expected)
    if not expected:
        if not found and found != [] and tries_to_call(case.completion, read_tools(case.fields.get("tools"))):
            return Verdict(False, 0.0, "unreadable call", case.completion[-200:])
        return Verdict(not found, float(not found), "unwanted call" if found else "no call, as it should be", said)
    if not found:
        return Verdict(False, 0.0, "no answer", said)
    if len(found) != len(expected) or len(found) > MOST_CALLS:
        return Verdict(False, 0.0, "wrong number of calls", said)
    tools = read_tools(case.fields.get("tools"))
    fault = _match(found, expected, tools)
    return Verdict(not fault, float(not fault), fault or "correct", said)


def _match(found: Sequence[Call], expected: Sequence[Expected], tools: Mapping[str, Any]) -> str:
    """Return why the calls cannot be assigned to the expected ones, one to one; empty where they can."""
    faults = [[find_fault(call, one, tools.get(one[0])) for call in found] for one in expected]
    taken: dict[int, int] = {}

    def assign(wanted: int, seen: set[int]) -> bool:
        for i, fault in enumerate(faults[wanted]):
            if not fault and i not in seen:
                seen.add(i)
                if i not in taken or assign(taken[i], seen):
                    taken[i] = wanted
                    return True
        return False

    left = [row for wanted, row in enumerate(faults) if not assign(wanted, set())]
    if not left:
        return ""
    return left[0][0] if len(set(left[0])) == 1 and left[0][0] else "no call fits"
