"""Calls of tools put into texts, Toolformer's way: what of them helps is for a verifier to say."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .._generator import REQUIRED, Ask, Completion, Fault, Item, Made, generator
from .._tools import Tool, call_tool, load_tools
from ._common import Outcome, why_unfit

_CALL = re.compile(r"<call>(.*?)</call>", re.DOTALL)
FORM = "[{call} → {result}] "


@generator(
    "insert_calls", consumes=("question", "text"),
    options={"tools": REQUIRED, "form": FORM, "timeout_s": 30.0, "max_result_chars": 200}, templates=("insert-calls",),
    yields=("question", "before", "call", "result", "called", "inserted", "after"),
    source="Toolformer (Schick et al. 2023, arXiv 2302.04761)", most=lambda options, draws: (1, 8 * draws),
)  # fmt: skip
async def insert_calls(item: Item, ask: Ask) -> Outcome:
    """Put calls of tools into an answer where their results help to write on; each call is a row of its own.

    The model copies ``text``, the answer to ``question``, with ``<call>name(argument=value)</call>`` where a call belongs; a copy that differs is a drop.
    ``tools`` is a Python file of the project whose public functions are called (trusted code, see ``tool_calls``); a call that cannot be read or fails is a
    drop. The row is the text with the call and its result, as ``form`` says (``{call}``, ``{result}``), and ``fields`` has the parts: ``before``, ``called`` (``form``
    without a result), ``inserted``, ``after``, which the verifier ``lowers_loss`` reads.
    """
    tools = load_tools(ask.folder / ask.options["tools"], "options.tools")
    text = item.text("text").strip()
    described = "\n".join(_describe(tool) for tool in tools.values())
    for completion in await ask("insert-calls", question=item.text("question"), text=text, described=described):
        if why := why_unfit(completion.text):
            yield completion.fail(why)
            continue
        places = list(_find_calls(completion.text.strip()))
        if _CALL.sub("", completion.text).split() != text.split():
            yield completion.fail("text was changed")
        elif not places:
            yield completion.fail("no call")
        else:
            for at, call in places:
                yield await _make(completion, item, ask, tools, at, call)


def _describe(tool: Tool) -> str:
    function = tool.definition["function"]
    return f"{tool.name}({', '.join(function['parameters']['properties'])}): {function['description']}"


def _find_calls(marked: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield what stands before and after each call, the other calls taken out, and the call."""
    for found in _CALL.finditer(marked):
        yield (_CALL.sub("", marked[: found.start()]), _CALL.sub("", marked[found.end() :])), found[1].strip()


async def _make(
    completion: Completion, item: Item, ask: Ask, tools: Mapping[str, Tool], at: tuple[str, str], call: str
) -> Made | Fault:  # fmt: skip
    options, (before, after) = ask.options, at
    try:
        tool, arguments = read_call(call, tools)
    except ValueError as error:
        return completion.fail(f"call cannot be read: {error}", call)
    result = await call_tool(
        tool, json.dumps(arguments), timeout_s=options["timeout_s"], max_chars=options["max_result_chars"]
    )
    if result.startswith('{"error"'):
        return completion.fail("call failed", f"{call} → {result}")
    inserted, called = (options["form"].replace("{call}", call).replace("{result}", said) for said in (result, ""))
    return completion.made(
        before + inserted + after, prompt=item.text("question"), question=item.text("question"), before=before, call=call,
        result=result, called=called, inserted=inserted, after=after,
    )  # fmt: skip


def read_call(call: str, tools: Mapping[str, Tool]) -> tuple[Tool, dict[str, Any]]:
    """Return the tool and the arguments of a call as Python writes it; those without a name are the first ones.

    Raises:
        ValueError: it is no call of one of the tools, or its arguments are no plain values.
    """
    try:
        node = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError("no Python") from None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError("no call")
    tool = tools.get(node.func.id)
    if tool is None:
        raise ValueError("no such tool")
    names = list(tool.definition["function"]["parameters"]["properties"])
    if len(node.args) > len(names) or any(k.arg is None for k in node.keywords):
        raise ValueError("other arguments")
    try:
        given = {name: ast.literal_eval(value) for name, value in zip(names, node.args, strict=False)}
        return tool, given | {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    except (ValueError, TypeError, SyntaxError):
        raise ValueError("arguments are no plain values") from None
