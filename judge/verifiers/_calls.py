"""Tool calls in what models write: Python call syntax, JSON, OpenAI's ``tool_calls``, ``<tool_call>`` blocks.

Python calls are read as the Berkeley function-calling leaderboard reads them (BFCL, Patil et al. 2025; its model
handlers' ``ast_parse``): keyword arguments of literals; a bare name stands for itself as text, arithmetic is worked out. No
code is run.
"""

import ast
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ._arithmetic import compute, parse_formula
from ._json_text import find_values, loads

_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_FENCE = re.compile(r"```[ \t]*\w*[ \t]*\n(.*?)```", re.DOTALL)
_CALL_LIKE = re.compile(r"[\w.]+\s*\(")
_CALL_KEY = re.compile(r'"(?:name|function|arguments|parameters|tool_calls)"\s*:')
"""Text outside of all JSON values that has one of these is a call that cannot be read."""
_CALL_NAMED = re.compile(r"[A-Za-z_][\w.]{0,100}\(\s*[A-Za-z_]\w{0,100}\s*=(?!=)")
_CALL_LINE = re.compile(
    r"^[ \t\[(>*-]{0,40}[A-Za-z_][\w.]{0,100}\((?:[^()\n]|\([^()\n]*\))*\)[ \t\]),;.]*$", re.MULTILINE
)
_CALL_KEYS = re.compile(
    r'"name"\s*:\s*"[^"\n]*"\s*,\s*"(?:arguments|parameters)"\s*:|"(?:arguments|parameters)"\s*:[^\n]{0,300}"name"\s*:|"tool_calls"\s*:\s*\[\s*[^\]\s]'
    r'|"function"\s*:\s*\{'
)
_MARKS = re.compile(
    r"<(?:tool_call|function_call|function\s*=|invoke\b)|\[TOOL_CALLS?\]|<\|(?:python_tag|tool_call\w*)\|>"
)
_PREFIX = re.compile(r"\[TOOL_CALLS?\](?=\s*[\[{])|<\|python_tag\|>(?=\s*[\w\[{])")
"""What models write before a call that stands on its own."""
_ACTION = re.compile(r"^Action:[^\n]*\n+Action Input:", re.MULTILINE)
_MENTION = re.compile(r"(?<=[\w,:] )`[^`\n]+`|`[^`\n]+`(?= \w)")
"""Code within a sentence: it is spoken of."""
ARGUMENTS = ("arguments", "parameters", "args", "input")
LONGEST_CALLS = 100_000
"""Characters of the longest Python that is parsed."""


@dataclass(frozen=True)
class Call:
    """One call; ``positional`` arguments have no names, and no expected call has any."""

    name: str
    arguments: dict[str, Any]
    positional: int = 0


def read_calls(completion: str) -> list[Call] | None:
    """Return the calls that a completion makes; None where it makes none that can be read.

    An empty list is a completion that says so: ``[]``, or ``"tool_calls": []``. Every call counts, wherever it stands: one
    that cannot be read makes the whole unreadable, so that none is left out unseen.
    """
    completion = _PREFIX.sub(" ", completion)
    if (calls := _read_whole(completion)) is not None:
        return calls
    parts = [_read_block(block) for block in _TAGGED.findall(completion)]
    text = _TAGGED.sub("\n", completion)
    found = [(block, _read_block(block)) for block in _FENCE.findall(text)]
    parts += [calls for block, calls in found if calls is not None or _has_call(block)]
    return _join([*parts, _read_values(_FENCE.sub("\n", text))]) or None


def tries_to_call(completion: str, names: Iterable[str] = ()) -> bool:
    """Say whether a completion that makes no call that can be read tries to: marks of a call, keys of one in JSON, a line that is
    Python of a call, or one of the tools in ``names`` with arguments. Code in a fence, and a tool that is only named, are no tries.
    """
    text = _MENTION.sub(" ", completion)
    outside = _FENCE.sub("\n", text)
    if _MARKS.search(text) or _CALL_KEYS.search(text) or _CALL_LINE.search(outside) or _ACTION.search(outside):
        return True
    return any(re.search(rf"(?<![\w.]){re.escape(name)}\s*\(\s*(?:\w+\s*=|[\"'\[{{\d])", text) for name in names)


def _has_call(text: str) -> bool:
    """Say whether a text has what looks like a call: a key of JSON, or Python with arguments by name or as a line of its own."""
    return any(p.search(_MENTION.sub(" ", text)) for p in (_CALL_KEY, _CALL_NAMED, _CALL_LINE, _MARKS))


def _join(parts: list[list[Call] | None]) -> list[Call] | None:
    """Return the calls of all parts; None where one cannot be read."""
    return None if any(p is None for p in parts) else [call for part in parts for call in part or ()]


def _read_whole(text: str) -> list[Call] | None:
    """Return the calls of a text that is nothing else: JSON or Python."""
    value = _try_json(text)
    calls = calls_of(value) if value is not None else None
    return _read_python(text) if calls is None else calls


def _read_block(text: str) -> list[Call] | None:
    """Return the calls of a tagged or fenced block: JSON, Python, or several JSON values."""
    calls = _read_whole(text)
    return calls if calls is not None else _read_values(text) or None


def _read_values(text: str) -> list[Call] | None:
    """Return the calls among the JSON values of a text; None where one of them cannot be read.

    Values that are no calls, and do not look like one, are passed over.
    """
    values, rest = find_values(text, unique=True)
    if _has_call(rest):
        return None
    found = [(value, calls_of(value)) for value in values]
    if any(calls is None and _CALL_KEY.search(json.dumps(value)) for value, calls in found):
        return None
    return [call for _, calls in found for call in calls or ()]


def _try_json(text: str) -> Any:
    try:
        return loads(text, unique=True)
    except ValueError:
        return None


def calls_of(value: Any) -> list[Call] | None:
    """Return the calls of decoded JSON: a list of calls, one call, or a message with ``tool_calls``; None if it is none."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        if value.keys() & {"name", "function", *ARGUMENTS}:
            return None  # which of them is the call?
        value = value["tool_calls"]
    found = [_call_of(one) for one in (value if isinstance(value, list) else [value])]
    return None if any(f is None for f in found) else [f for f in found if f is not None]


def _call_of(value: Any) -> Call | None:
    """Return one call: ``{"name", "arguments"}``, OpenAI's ``{"function": {…}}``, or BFCL's ``{name: {argument: value}}``."""
    if not isinstance(value, dict):
        return None
    is_wrapped = isinstance(value.get("function"), dict)
    inner = value["function"] if is_wrapped else value
    if sum(k in inner for k in ARGUMENTS) > 1 or (is_wrapped and value.keys() & {"name", *ARGUMENTS}):
        return None  # which of them counts?
    name = inner.get("name")
    given = next((inner[k] for k in ARGUMENTS if k in inner), None)
    if isinstance(name, str) and (given is not None or inner.keys() == {"name"}):
        arguments = _try_json(given) if isinstance(given, str) and given.strip() else given or {}
        return Call(name, arguments) if isinstance(arguments, dict) else None
    if len(value) == 1:
        name, arguments = next(iter(value.items()))
        if isinstance(arguments, str):
            arguments = _try_json(arguments)
        return Call(name, arguments) if isinstance(arguments, dict) else None
    return None


def _read_python(text: str) -> list[Call] | None:
    bare = text.strip().strip("`").strip()
    if len(bare) > LONGEST_CALLS or not (_CALL_LIKE.match(bare.lstrip("[( '\"")) or bare == "[]"):
        return None
    try:
        body = ast.parse(bare.strip("'\""), mode="exec").body
        nodes = [n for statement in body for n in _call_nodes(statement)]
        return [_call_of_node(node) for node in nodes]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _call_nodes(statement: ast.stmt) -> list[ast.expr]:
    if not isinstance(statement, ast.Expr):
        raise ValueError("no call")
    value = statement.value
    return value.elts if isinstance(value, ast.List | ast.Tuple) else [value]


def _call_of_node(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
        raise ValueError("no call")
    if any(k.arg is None for k in node.keywords):
        raise ValueError("**arguments")
    return Call(ast.unparse(node.func), {str(k.arg): _value_of(k.value) for k in node.keywords}, len(node.args))


def _value_of(node: ast.expr) -> Any:
    """Return what an argument says; what is no literal stands for itself as text."""
    if isinstance(node, ast.Constant):
        return "..." if node.value is Ellipsis else node.value
    if isinstance(node, ast.List):
        return [_value_of(one) for one in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value_of(one) for one in node.elts)
    if isinstance(node, ast.Dict):
        found = {_key_of(k): _value_of(v) for k, v in zip(node.keys, node.values, strict=True)}
        if len(found) < len(node.keys):
            raise ValueError("a key stands twice")
        return found
    if isinstance(node, ast.UnaryOp | ast.BinOp):
        return _computed(node)
    if isinstance(node, ast.Call) and node.keywords and not node.args:
        call = _call_of_node(node)
        return {call.name: call.arguments}
    return ast.unparse(node)


def _key_of(node: ast.expr | None) -> str:
    key = _value_of(node) if node is not None else ""
    return key if isinstance(key, str) else json.dumps(key, default=str)


def _computed(node: ast.expr) -> Any:
    text = ast.unparse(node)
    try:
        return compute(parse_formula(text), {})
    except ValueError:
        return text
