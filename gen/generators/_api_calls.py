"""API documentation to instructions and the one call that carries each out."""

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._generator import Ask, Fault, Item, generator
from .._text import choose_tag, is_refusal
from ._common import SAID, TEXT, Outcome, is_near_any, list_of, record, where_of

CALLS = record(calls=list_of(record(instruction=SAID, call=SAID, explanation=TEXT)))
SAME_INSTRUCTION = 0.85


@generator(
    "api_calls", consumes=("text",), options={"calls": 3, "language": "python", "show_document": True},
    choices={"language": ("python", "any")}, templates=("api-calls", "api-question"),
    yields=("question", "answer", "explanation", "api"), source="Gorilla (Patil et al. 2023, arXiv 2305.15334)",
    most=lambda options, draws: (1, draws * options["calls"]),
)  # fmt: skip
async def api_calls(item: Item, ask: Ask) -> Outcome:
    """Read an API's documentation and write what people would want of it, each with the one call that does it.

    A Python call must parse, and the function that it calls and its keyword arguments must stand in the documentation;
    calls of ``language: any`` must only name something that it has. The instruction must not name the API.
    ``show_document`` puts the documentation into the trained prompt (retriever-aware training).
    """
    text = item.text("text")
    if not text.strip():
        yield Fault("text too short", text)
        return
    completions = await ask.json(
        "api-calls", schema=CALLS, text=text, tag=choose_tag(text), where=where_of(item), calls=ask.options["calls"]
    )
    seen: list[str] = []
    for completion in completions:
        for loss in completion.losses():
            yield loss
        for one in completion.value["calls"] if completion.value else ():
            if reason := _find_fault(one, text, seen, ask):
                yield completion.fail(reason, one)
                continue
            question, call = one["instruction"].strip(), one["call"].strip()
            seen.append(question)
            prompt: Any = question
            if ask.options["show_document"]:
                prompt = ask.render("api-question", question=question, text=text, tag=choose_tag(text))
            fields = {"question": question, "answer": call, "explanation": one["explanation"], "api": _callee(call)}
            yield completion.made(call, prompt=prompt, **fields)


def _find_fault(one: Mapping[str, Any], text: str, seen: Sequence[str], ask: Ask) -> str | None:
    call = one["call"].strip()
    if is_refusal(one["instruction"]) or is_refusal(call):
        return "refusal"
    if reason := find_call_fault(call, text, ask.options["language"]):
        return reason
    name = _callee(call)
    if name and len(name) > 3 and re.search(rf"\b{re.escape(name)}\b", one["instruction"]):
        return "instruction names the API"
    return "duplicate instruction" if is_near_any(one["instruction"], seen, SAME_INSTRUCTION) else None


def find_call_fault(call: str, text: str, language: str) -> str | None:
    """Return why a call cannot be one of the API that ``text`` documents; None when it can."""
    if language != "python":
        words = re.findall(r"[A-Za-z_][\w./-]{2,}", call)
        return None if any(word in text for word in words) else "call of something that the text does not have"
    node = _parse_call(call)
    if node is None:
        return "not a call that parses"
    names = [_callee(call), *(k.arg for k in node.keywords if k.arg)]
    unknown = [n for n in names if n and not re.search(rf"\b{re.escape(n)}\b", text)]
    return None if not unknown else "call of something that the text does not have"


def _parse_call(call: str) -> ast.Call | None:
    """Return the outermost call of the last statement."""
    try:
        body = ast.parse(call).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    value = getattr(body[-1], "value", None) if body else None
    return value if isinstance(value, ast.Call) else None


def _callee(call: str) -> str:
    """Return the last part of the name that is called; empty text without a call."""
    node = _parse_call(call)
    function = node.func if node else None
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
