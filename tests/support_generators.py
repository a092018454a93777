"""A scripted Ask: real templates and the real parser, replies from a list or a function."""

import asyncio
import random
from pathlib import Path

from flywheel.errors import FlywheelError
from flywheel.gen import Completion, Fault, Item, Made, complete_options, parse_json
from flywheel.prompts import load_template


class ScriptedAsk:
    """Answers with ``replies``: a list, taken in order, or a function of (template, prompt text, number of the draw).

    A reply is a text; or a dict of Completion's attributes, for tool calls.
    """

    def __init__(self, replies, options, *, seed="item", draws=1, folder=None, repairs=0):
        self.replies, self.options = replies, options
        self.random, self.draws, self.repairs = random.Random(seed), draws, repairs
        self.folder = Path(folder) if folder else Path("no-project")
        self.asked = []
        self.n_requests = 0

    def _reply(self, template, messages, draw, tools):
        self.asked.append({"template": template, "messages": messages, "draw": draw, "tools": tools})
        if callable(self.replies):
            return self.replies(template, text_of(messages), draw)
        if not self.replies:
            raise AssertionError(f"{template} was asked, but the script is at its end:\n{text_of(messages)}")
        return self.replies.pop(0)

    async def __call__(
        self, template, /, *, n=None, temperature=None, draw=0, max_tokens=None, messages=(), tools=(), **values
    ):
        await asyncio.sleep(0)
        self.n_requests += 1
        prompt = [*self.render(template, **values), *messages]
        completions = []
        for i in range(n or self.draws):
            reply = self._reply(template, prompt, draw + i, tools)
            more = {"text": reply} if isinstance(reply, str) else {"text": "", **reply}
            completions.append(
                Completion(
                    **{"finish_reason": "stop", "request_id": f"req_{len(self.asked)}", "draw": draw + i, **more}
                )
            )
        return completions

    async def json(
        self, template, /, *, schema, n=None, temperature=None, draw=0, max_tokens=None, messages=(), **values
    ):
        completions = []
        for c in await self(template, n=n, draw=draw, messages=messages, **values):
            parsed = parse_json(c.text, schema)
            completions.append(
                Completion(
                    c.text,
                    c.finish_reason,
                    c.request_id,
                    c.draw,
                    parsed.value,
                    fault=parsed.complaint,
                    lost=parsed.lost,
                )
            )
        return completions

    def variables(self, template):
        return load_template(template, self.folder).variables

    def render(self, template, /, **values):
        return load_template(template, self.folder).render(values)


def text_of(messages):
    """Return prompt messages as one text, images shortened."""
    parts = []
    for m in messages:
        content = m.get("content") or ""
        if isinstance(content, list):
            content = "\n".join(
                p["text"] if p["type"] == "text" else f"({p['image_url']['url'][:30]})" for p in content
            )
        calls = "".join(f"\n{c['function']['name']}({c['function']['arguments']})" for c in m.get("tool_calls") or ())
        parts.append(f"[{m['role']}]\n{content}{calls}")
    return "\n".join(parts) + "\n"


def run(generator, values, replies, *, draws=1, seed="item", folder=None, **options):
    """Run a generator over one item; return (rows made, faults, the ask)."""
    ask = ScriptedAsk(replies, complete_options(generator, options), seed=seed, draws=draws, folder=folder)

    async def collect():
        return [outcome async for outcome in generator.run(Item("item", values, "req_item"), ask)]

    outcomes = asyncio.run(collect())
    assert all(isinstance(o, Made | Fault) for o in outcomes)
    return [o for o in outcomes if isinstance(o, Made)], [o for o in outcomes if isinstance(o, Fault)], ask


def reasons(faults):
    return [fault.reason for fault in faults]


__all__ = ["FlywheelError", "ScriptedAsk", "reasons", "run", "text_of"]
