"""Requests solved with tools, by a depth-first search that goes back from dead ends."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...schema import Message, canonical_json
from .._answers import mentions_answer
from .._generator import Ask, Completion, Fault, Item, Made, generator
from .._parse import parse_json
from .._text import is_refusal
from .._tools import Definition, Tool, call_tool, define, load_tools, read_definitions
from ._common import Outcome

SIMULATE = "simulate"
GIVE_UP = define(
    "give_up", "Say that this way of going on leads nowhere, so that another one is tried.",
    {"reason": {"type": "string", "description": "why it leads nowhere"}}, ["reason"],
)  # fmt: skip
_GIVE_UP_NAME = "give_up"


@dataclass(frozen=True)
class _Branch:
    """A way through the tree, from the first call to its end. ``reason`` is empty when it solved the request."""

    messages: Sequence[Message]
    last: Completion
    reason: str = ""


@dataclass
class _Search:
    """The search of one item: the branches that ended, and how many nodes were made."""

    item: Item
    ask: Ask
    definitions: list[Definition]
    tools: Mapping[str, Tool]
    n_nodes: int = 0
    solved: _Branch | None = None
    failed: list[_Branch] = field(default_factory=list)

    async def explore(self, path: list[Message]) -> bool:
        """Go on from ``path``, depth first; True once the request is solved.

        Each node gets up to ``width`` children, each told what its elder siblings did. A child that gives up makes this
        node a dead end: the search goes back to the one above.
        """
        tried: list[str] = []
        for _ in range(self.ask.options["width"]):
            if self.n_nodes >= self.ask.options["max_nodes"]:
                return False
            reply = await self._expand(path, tried)
            self.n_nodes += 1
            message = _to_message(reply, self.n_nodes)
            here = [*path, message]
            if not reply.tool_calls:
                if self._end(here, reply):
                    return True
                tried.append(f"answered: {reply.text.strip()[:200]}")
                continue
            if any(c["function"]["name"] == _GIVE_UP_NAME for c in message["tool_calls"]):
                self.failed.append(_Branch(path, reply, "gave up"))
                return False
            step = _show_calls(message)
            if step in tried:
                self.failed.append(_Branch(here, reply, "repeated an attempt"))
                continue
            tried.append(step)
            if _depth(here) > self.ask.options["max_depth"]:
                self.failed.append(_Branch(here, reply, "too deep"))
                return False
            results = [await self._answer(call, here) for call in message["tool_calls"]]
            if self.ask.options["back_on_error"] and any(r["content"].startswith('{"error"') for r in results):
                self.failed.append(_Branch([*here, *results], reply, "call failed"))
                continue
            if await self.explore([*here, *results]):
                return True
        return False

    async def _expand(self, path: list[Message], tried: list[str]) -> Completion:
        messages = list(path)
        if tried:
            messages += self.ask.render("tool-retry", tried="\n".join(f"- {one}" for one in tried))
        (reply,) = await self.ask(
            "tool-solve", n=1, draw=len(tried), messages=messages, tools=[*self.definitions, GIVE_UP],
            question=self.item.text("question"),
        )  # fmt: skip
        return reply

    def _end(self, path: list[Message], reply: Completion) -> bool:
        """Take an answer in words: the end of this branch, good or bad."""
        known = self.item.text("answer")
        if not reply.text.strip() or is_refusal(reply.text):
            reason = "no answer"
        elif known and not mentions_answer(reply.text, known):
            reason = "wrong answer"
        elif len(path) == 1 and self.ask.options["require_call"]:
            reason = "answered without a tool"
        else:
            self.solved = _Branch(path, reply)
            return True
        self.failed.append(_Branch(path, reply, reason))
        return False

    async def _answer(self, call: Mapping[str, Any], path: list[Message]) -> Message:
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        options = self.ask.options
        if name not in {d["function"]["name"] for d in self.definitions}:
            content = json.dumps({"error": f"there is no tool {name!r}"})
        elif name in self.tools:
            content = await call_tool(
                self.tools[name], arguments, timeout_s=options["timeout_s"], max_chars=options["max_result_chars"]
            )
        else:
            content = await self._simulate(name, arguments, path)
        return {"role": "tool", "tool_call_id": call["id"], "name": name, "content": content}

    async def _simulate(self, name: str, arguments: str, path: list[Message]) -> str:
        definition = next(d for d in self.definitions if d["function"]["name"] == name)
        before = [f"{m['name']}: {m['content']}" for m in path if m["role"] == "tool"]
        (reply,) = await self.ask(
            "tool-simulate", n=1, temperature=0.0, definition=json.dumps(definition["function"], ensure_ascii=False),
            arguments=arguments, before="\n".join(before) or "none",
        )  # fmt: skip
        parsed = parse_json(reply.text, {"type": ["object", "array"]})
        text = reply.text.strip() if parsed.complaint else json.dumps(parsed.value, ensure_ascii=False)
        return text[: self.ask.options["max_result_chars"]] or '{"error": "no result"}'


def _depth(path: Sequence[Message]) -> int:
    return sum(m["role"] == "assistant" for m in path)


def _to_message(reply: Completion, number: int) -> Message:
    """Return a reply as an assistant message in OpenAI's shape; calls get ids that are the same in every run."""
    if not reply.tool_calls:
        return {"role": "assistant", "content": reply.text.strip()}
    calls = [
        {"id": f"call_{number}_{i}", "type": "function", "function": _read_function(call)}
        for i, call in enumerate(reply.tool_calls, 1)
    ]
    return {"role": "assistant", "content": reply.text.strip(), "tool_calls": calls}


def _read_function(call: Mapping[str, Any]) -> dict[str, str]:
    function = call.get("function", call)
    arguments = function.get("arguments") or "{}"
    return {
        "name": str(function.get("name", "")),
        "arguments": arguments if isinstance(arguments, str) else canonical_json(arguments),
    }


def _show_calls(message: Message) -> str:
    return "; ".join(f"{c['function']['name']}({c['function']['arguments']})" for c in message["tool_calls"])


def show_branch(messages: Sequence[Message]) -> str:
    """Return a branch as text: calls as ``name(arguments)``, results behind ``→``, the answer last."""
    lines = []
    for m in messages:
        if m["role"] == "tool":
            lines.append(f"→ {m['content']}")
        else:
            lines += [part for part in (m["content"], _show_calls(m) if m.get("tool_calls") else "") if part]
    return "\n".join(lines)


@generator(
    "tool_calls", consumes=("question",),
    options={
        "tools": SIMULATE, "width": 2, "max_depth": 8, "max_nodes": 30, "require_call": True, "timeout_s": 30.0,
        "max_result_chars": 4000, "back_on_error": False,
    },
    templates=("tool-solve", "tool-retry", "tool-simulate"),
    yields=("question", "answer", "messages", "completion_messages", "tools", "n_nodes", "n_calls", "branches"),
    source="ToolLLM's DFSDT (Qin et al. 2023, arXiv 2307.16789)",
    most=lambda options, draws: (options["max_nodes"] * (1 + (options["tools"] == SIMULATE)), 1),  # of one call a node
)  # fmt: skip
async def tool_calls(item: Item, ask: Ask) -> Outcome:
    """Solve a request with tools, depth first: a branch that leads nowhere is left, and its parent tries something else.

    ``tools`` is a Python file of the project, whose public functions are called (trusted code, run in this process; what
    a function raises is its result; it should give the same result when called again, or a crash costs its requests),
    or ``simulate``: the model plays the tools that the item's ``tools`` or ``api_list`` column defines. At each node up
    to ``width`` different steps are tried, down to ``max_depth`` calls and ``max_nodes`` nodes in all. A branch that
    answers without any call fails (``require_call``), as does one that misses a known answer.

    ``fields.messages`` is the solution in OpenAI's shape, ``completion_messages`` what follows the question, ``tools``
    the definitions, ``branches`` the rest of the tree: each branch that failed, with its reason and messages. With ``back_on_error`` a call whose result is an
    error is such a branch, and its parent tries another; else the model sees the error and goes on. The first branch that failed is the rejected row (kind ``solved/failed branch``); the others are drops.
    """
    search = _prepare(item, ask)
    if not search.definitions:
        yield Fault("no tools", item.text("question"))
        return
    await search.explore([])
    failed = list(search.failed)
    if search.solved is None:
        if not failed:
            yield Fault("no solution within max_nodes", item.text("question"))
    else:
        made = _make(
            search.solved, search, branches=[{"reason": b.reason, "messages": list(b.messages)} for b in failed]
        )
        rejected = next((b for b in failed if b.messages), None)
        if rejected is not None:
            failed.remove(rejected)
            made = made.against(_make(rejected, search), "solved/failed branch")
        yield made
    for branch in failed:
        yield branch.last.fail(f"branch failed: {branch.reason}", show_branch(branch.messages))


def _prepare(item: Item, ask: Ask) -> _Search:
    where = ask.options["tools"]
    if where == SIMULATE:
        return _Search(item, ask, read_definitions(item.get("tools") or item.get("api_list")), {})
    tools = load_tools(ask.folder / where, "options.tools")
    return _Search(item, ask, [tool.definition for tool in tools.values()], tools)


def _make(branch: _Branch, search: _Search, **more: Any) -> Made:
    question = search.item.text("question")
    prompt: list[Message] = [{"role": "user", "content": question}]
    return branch.last.made(
        show_branch(branch.messages), prompt=prompt, question=question, answer=search.item.get("answer"),
        messages=[*prompt, *branch.messages], completion_messages=list(branch.messages), tools=search.definitions,
        n_nodes=search.n_nodes, n_calls=sum(m["role"] == "tool" for m in branch.messages), **more,
    )  # fmt: skip
