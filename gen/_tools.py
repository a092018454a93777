"""Tools that a model may call: definitions in OpenAI's shape, and Python functions behind them.

A tools file is the user's own: its functions are trusted code, run in this process with the user's rights, with
whatever arguments the model makes up. Give it nothing that must not be called with any argument.
"""

import asyncio
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from ..errors import RecipeError
from ..plugins import load_user_module
from ._parse import parse_json
from ._schema import fit

Definition = dict[str, Any]
"""One tool in OpenAI's shape: ``{"type": "function", "function": {"name", "description", "parameters"}}``."""

_SIMPLE = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    tuple: "array",
    dict: "object",
}
_ARGUMENT = re.compile(r"^\s+\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")
LONGEST_NAME = 64
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
"""What endpoints do not take in the name of a function."""
_TYPES_OF_BFCL = {"dict": "object", "float": "number", "tuple": "array"}
_TYPES_OF_TOOLBENCH = {
    "NUMBER": "number",
    "INTEGER": "integer",
    "BOOLEAN": "boolean",
    "ARRAY": "array",
    "OBJECT": "object",
}


@dataclass(frozen=True)
class Tool:
    """A definition, and the function that answers calls of it."""

    definition: Definition
    run: Callable[..., Any]

    @property
    def name(self) -> str:
        """The function's name."""
        return str(self.definition["function"]["name"])


def load_tools(path: Path, place: str) -> dict[str, Tool]:
    """Return the public functions of a Python file as tools: those with a docstring, defined in the file itself.

    Raises:
        NotFoundError: there is no such file.
        RecipeError: the file raises, or has no such function.
    """
    module = load_user_module(path, place)
    found = [f for name, f in vars(module).items() if inspect.isfunction(f) and not name.startswith("_")]
    tools = [Tool(describe(f), f) for f in found if f.__module__ == module.__name__ and f.__doc__]
    if not tools:
        raise RecipeError(
            f"{place}: {path}", expected="public functions with a docstring", received="none", cure="write one"
        )
    return {tool.name: tool for tool in tools}


def describe(function: Callable[..., Any]) -> Definition:
    """Return a function's definition: its JSON schema from the annotations, its words from the docstring."""
    doc = inspect.getdoc(function) or ""
    hints, words = typing.get_type_hints(function), _read_arguments(doc)
    properties: dict[str, Any] = {}
    required = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        properties[name] = {
            **schema_of(hints.get(name, Any)),
            **({"description": words[name]} if name in words else {}),
        }
        if parameter.default is parameter.empty:
            required.append(name)
    name = str(getattr(function, "__name__", "tool"))
    return define(name, " ".join(doc.split("\n\n")[0].split()), properties, required)


def define(name: str, description: str, properties: Mapping[str, Any], required: Sequence[str]) -> Definition:
    """Return a definition in OpenAI's shape."""
    parameters = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON schema of a type annotation; an empty one for what has none."""
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        options = [schema_of(p) for p in parts if p is not type(None)]
        return options[0] if len(options) == 1 else {"anyOf": options}
    if origin in (list, tuple):
        return {"type": "array", "items": schema_of(parts[0]) if parts else {}}
    return {"type": "object"} if origin is dict else {}


def _read_arguments(doc: str) -> dict[str, str]:
    """Return the description of each argument in a docstring's ``Args:`` section."""
    found: dict[str, str] = {}
    name = ""
    for line in doc.partition("Args:")[2].splitlines()[1:]:
        if line and not line[0].isspace():
            break
        if match := _ARGUMENT.match(line):
            name = match[1]
            found[name] = match[2].strip()
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return found


def read_definitions(value: Any) -> list[Definition]:
    """Return the definitions that an input column holds: OpenAI's, bare functions, or ToolBench's ``api_list``.

    JSON text is read. What cannot be read is left out.
    """
    if isinstance(value, str):
        value = parse_json(value, {"type": "array", "items": {"type": "object"}}).value
    found = [_read_definition(one) for one in value or () if isinstance(one, Mapping)]
    return [definition for definition in found if definition is not None]


def _read_definition(one: Mapping[str, Any]) -> Definition | None:
    if isinstance(one.get("function"), Mapping):
        return {"type": "function", "function": dict(one["function"])}
    if "api_name" in one:
        return _read_toolbench(one)
    if "name" in one:
        parameters = _as_json_schema(one.get("parameters") or {"type": "object", "properties": {}})
        name = {"name": _UNFIT.sub("_", str(one["name"]))[:LONGEST_NAME]}
        return {"type": "function", "function": {**name, **_pick(one, "description"), "parameters": parameters}}
    return None


def _as_json_schema(schema: Any) -> Any:
    """Return a schema whose types are JSON's, where BFCL has Python's (``dict``, ``float``, ``tuple``, ``any``)."""
    if isinstance(schema, list):
        return [_as_json_schema(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {k: _as_json_schema(v) for k, v in schema.items()}
    kind = schema.get("type")
    if kind == "any":
        del found["type"]
    elif isinstance(kind, str):
        found["type"] = _TYPES_OF_BFCL.get(kind, kind)
    return found


def _pick(one: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: one[key] for key in keys if key in one}


def _read_toolbench(one: Mapping[str, Any]) -> Definition:
    required, optional = one.get("required_parameters") or [], one.get("optional_parameters") or []
    properties = {}
    for p in (*required, *optional):
        kind = _TYPES_OF_TOOLBENCH.get(str(p.get("type", "")).upper(), "string")
        default = {"default": p["default"]} if p.get("default") not in (None, "") else {}
        properties[p["name"]] = {"type": kind, "description": p.get("description") or "", **default}
    name = f"{one['api_name']}_for_{one['tool_name']}" if one.get("tool_name") else one["api_name"]
    words = (
        " ".join(str(one.get("api_description") or "").split())
        or f"{one['api_name']} of {one.get('tool_name', '')}".strip()
    )
    return define(clean_name(name), words, properties, [p["name"] for p in required])


def clean_name(name: str) -> str:
    """Return a name that endpoints take for a function: letters, digits, ``_`` and ``-``, at most 64."""
    return re.sub(r"_{2,}", "_", re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_").lower())[:LONGEST_NAME] or "tool"


async def call_tool(tool: Tool, arguments: str, *, timeout_s: float, max_chars: int) -> str:
    """Call a tool with arguments as the model wrote them, and return its result as text: JSON, or an error in JSON.

    Functions run in a thread, coroutines in the loop. Whatever a tool raises is its result.
    """
    parsed = parse_json(arguments or "{}", {"type": "object"})
    if parsed.complaint is not None:
        return _error("arguments are not a JSON object")
    fitted = fit(parsed.value, {**tool.definition["function"]["parameters"], "additionalProperties": True})
    if fitted.complaint is not None:
        return _error(fitted.complaint)
    try:
        result = await asyncio.wait_for(_run(tool.run, fitted.value), timeout_s)
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    except TimeoutError:
        return _error(f"no result within {timeout_s:g} s")
    except Exception as error:  # noqa: BLE001  a tool's failure is for the model to deal with
        return _error(f"{type(error).__name__}: {error}")
    return text if len(text) <= max_chars else text[:max_chars] + " … (cut off)"


async def _run(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**arguments)
    return await asyncio.to_thread(function, **arguments)


def _error(words: str) -> str:
    return json.dumps({"error": words}, ensure_ascii=False)
