"""How a generator reaches the model: see :class:`~flywheel.gen.Ask`. ``messages`` has the prompts of what it asked, and
``shortfalls`` a drop for each completion that did not come of a request that others came of.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..llm import ModelIdentity, Reply, Request, Sampling
from ..prompts import Template, UnfitValueError
from ..schema import Message, canonical_json, seed_from
from ._generator import AskError, Completion, Fault, Item
from ._parse import parse_json
from ._steps import Stage

KEYWORDS = ("n", "temperature", "draw", "max_tokens", "messages", "tools", "top_logprobs")
"""What ``ask()`` takes besides the values of a template; ``ask.json`` takes ``schema``, too."""
REPAIR = "{complaint}. Answer again, with the JSON alone."

Send = Callable[[Request], Awaitable[Reply]]


def refuse_keywords(template: Template, place: str, keywords: Sequence[str] = KEYWORDS) -> None:
    """Refuse a template that ``ask()`` cannot be given the values of: they would be taken for its own arguments, and sent as such.

    Raises:
        RecipeError: a variable is called like one of them.
    """
    for name in (*template.variables, *template.optional):
        if name in keywords:
            raise RecipeError(
                f"{place}, template {template.name}: variable {name!r}",
                expected=f"a name that ask() has no use of its own for: not {', '.join(keywords)}", received=repr(name),
                cure=f"rename it in the template and where it is given (given_{name}); of a problem's column: format: {{columns: {{given_{name}: {name}}}}}",
            )  # fmt: skip


class StageAsk:
    """Asks for one item of one step."""

    __slots__ = (
        "_item", "_model", "_random", "_seed", "_send", "_stage", "folder", "messages", "options", "shortfalls",
    )  # fmt: skip

    def __init__(self, stage: Stage, item: Item, model: ModelIdentity, seed: int, send: Send) -> None:
        self._stage = stage
        self._item = item
        self._model = model
        self._seed = seed
        self._send = send
        self._random: random.Random | None = None
        self.options: Mapping[str, Any] = stage.options
        self.folder: Path = stage.project_root
        self.messages: dict[str, tuple[Message, ...]] = {}
        self.shortfalls: list[Fault] = []

    def variables(self, template: str) -> tuple[str, ...]:
        """See :class:`~flywheel.gen.Ask`."""
        return self._stage.template(template).variables

    def render(self, template: str, /, **values: Any) -> tuple[Message, ...]:
        """See :class:`~flywheel.gen.Ask`."""
        try:
            return self._stage.render(template, values)
        except UnfitValueError as error:
            raise AskError(f"{error.place}: {error.received}, expected {error.expected}") from None

    @property
    def random(self) -> random.Random:
        """Seeded by recipe, step and input."""
        if self._random is None:
            self._random = random.Random(seed_from(self._seed, self._stage.name, self._content()))
        return self._random

    def _content(self) -> str:
        """Return what the item is, not whose: a sample of another run with the same content gets the same questions."""
        item = self._item
        if item.input_id.startswith("smp_"):
            return canonical_json([item.get("prompt"), item.get("completion")])
        return item.input_id

    async def __call__(
        self, template: str, /, *, n: int | None = None, temperature: float | None = None, draw: int = 0,
        max_tokens: int | None = None, messages: Sequence[Message] = (), tools: Sequence[Mapping[str, Any]] = (),
        top_logprobs: int = 0, **values: Any,
    ) -> list[Completion]:  # fmt: skip
        """See :class:`~flywheel.gen.Ask`."""
        return await self._ask(template, None, n, temperature, draw, max_tokens, messages, tools, values, top_logprobs)

    async def json(
        self, template: str, /, *, schema: Mapping[str, Any], n: int | None = None, temperature: float | None = None,
        draw: int = 0, max_tokens: int | None = None, messages: Sequence[Message] = (), **values: Any,
    ) -> list[Completion]:  # fmt: skip
        """See :class:`~flywheel.gen.Ask`."""
        found = await self._ask(template, schema, n, temperature, draw, max_tokens, messages, (), values)
        read = [_read(c, schema) for c in found]
        for i, completion in enumerate(read):
            attempt = 0
            while completion.fault is not None and attempt < self._stage.config.repairs:
                attempt += 1
                turns = (
                    *messages,
                    {"role": "assistant", "content": completion.text},
                    {"role": "user", "content": REPAIR.format(complaint=completion.fault)},
                )
                try:
                    again = await self._ask(
                        template, schema, 1, temperature, draw + 1000 * attempt, max_tokens, turns, (), values
                    )
                except AskError as error:  # the others are not lost with it
                    completion = replace(
                        completion, fault=f"{completion.fault}; asked again: {error.reason}",
                        request_id=error.request_id or completion.request_id,
                    )  # fmt: skip
                    break
                completion = _read(again[0], schema)
            read[i] = completion
        return read

    async def _ask(
        self, template: str, schema: Mapping[str, Any] | None, n: int | None, temperature: float | None, draw: int,
        max_tokens: int | None, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]],
        values: Mapping[str, Any], top_logprobs: int = 0,
    ) -> list[Completion]:  # fmt: skip
        stage, s = self._stage, self._stage.sampling
        found = stage.template(template)
        refuse_keywords(found, f"step {stage.name!r}", KEYWORDS if schema is None else (*KEYWORDS[:-2], "schema"))
        rendered = self.render(template, **values)
        request = Request(
            messages=(*rendered, *messages) if messages else rendered,
            sampling=Sampling(
                s.n if n is None else n, s.temperature if temperature is None else temperature, s.top_p,
                s.max_tokens if max_tokens is None else max_tokens,
                stage.seed_of(self._seed, draw, self._item.input_id), s.stop, s.logprobs,
            ),
            model=self._model, input_id=self._item.input_id, template_id=found.template_id, response_schema=schema,
            scope=stage.scope, step=stage.name, tools=tuple(tools), top_logprobs=top_logprobs,
        )  # fmt: skip
        self.messages[request.request_id] = request.messages
        reply = await self._send(request)
        if not reply.choices:
            raise AskError(reply.error or "no completion", reply.raw, request.request_id)
        missing = request.sampling.n - len(reply.choices)
        self.shortfalls += [Fault(reply.error or "too few choices", reply.raw, request.request_id)] * missing
        return [
            Completion(c.text, c.finish_reason, request.request_id, i, None, c.logprob, c.tool_calls, tokens=c.tokens)
            for i, c in enumerate(reply.choices[: request.sampling.n])
        ]


def _read(completion: Completion, schema: Mapping[str, Any]) -> Completion:
    """Return the completion with its JSON value, or the fault."""
    parsed = parse_json(completion.text, schema)
    return Completion(
        completion.text, completion.finish_reason, completion.request_id, completion.draw, parsed.value,
        completion.logprob, completion.tool_calls, parsed.complaint, parsed.lost,
    )  # fmt: skip
