"""What a generator is: an asynchronous function from one input row to new rows, asking a model as it goes.

A generator is given an :class:`Item` and an :class:`Ask`, and yields :class:`Made` rows and :class:`Fault` s. It may ask
as often as it likes, one question after another or several at once: every answer is on record before it gets it, so
that a generator that is started again after a crash is given the same answers at no cost. It must therefore ask the
same when it is told the same: no clock, no random numbers but ``ask.random``.

A generator of a user's own is one small file::

    from flywheel.gen import Made, generator

    @generator("haiku", version="1", consumes=("text",))
    async def haiku(item, ask):
        for completion in await ask("haiku", text=item.text("text")):
            yield completion.made(prompt="Write a haiku.", completion=completion.text.strip())

named in the recipe as ``generator: haiku.py``, and its template in the project's ``prompts/haiku.yaml``.
"""

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import cleandoc
from pathlib import Path
from typing import Any, Protocol

from ..llm import TokenChances
from ..plugins import REQUIRED as REQUIRED
from ..schema import Message, VerdictRow


@dataclass(frozen=True)
class Item:
    """One input row of a step.

    Attributes:
        input_id: id of the chunk, problem or sample.
        values: its columns by name. A chunk has ``text, headings, title, source, media``; a problem ``question, answer,
            solution``; an imported row the columns of its file, ``prompt, completion, format`` and, of a prompt of one
            turn, ``question, answer``; a sample its ``fields`` and ``prompt`` (messages) and ``completion``, and
            whatever its own input had that its fields do not name: a critique's item still has the question, the answer
            and the chunk's ``text`` of the steps before it.
        request_id: of the request that a sample is a completion of, an imported one too; None of chunks, problems and prompts.
    """

    input_id: str
    values: Mapping[str, Any]
    request_id: str | None = None

    def text(self, name: str, default: str = "") -> str:
        """Return a value as text; ``default`` where it is absent or NULL."""
        value = self.values.get(name)
        return default if value is None else value if isinstance(value, str) else str(value)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value as it is."""
        return self.values.get(name, default)


@dataclass(frozen=True)
class Completion:
    """One completion that came back. ``value`` is the parsed JSON of an :meth:`Ask.json`."""

    text: str
    finish_reason: str
    request_id: str
    draw: int
    value: Any = None
    logprob: float | None = None
    tool_calls: Sequence[Mapping[str, Any]] = ()
    fault: str | None = None
    """Of an :meth:`Ask.json`: why the text could not be parsed, also after repair; ``value`` is then None."""
    lost: Sequence[str] = ()
    """Of an :meth:`Ask.json`: elements of lists that did not fit the schema or were cut off, each with its reason; the
    others are in ``value``. See :meth:`losses`."""
    tokens: Sequence[TokenChances] = ()
    """What was likely in the place of each token, where ``top_logprobs`` were asked for and the endpoint gives them."""

    def made(
        self, completion: str | None = None, *, prompt: str | Sequence[Message] | None = None, **fields: Any
    ) -> "Made":
        """Return a row made from this completion.

        Args:
            completion: what a model should learn to say; default: the text as it came.
            prompt: what it should learn to say it to; text stands for one user message; None: the request's own.
            fields: parsed values, kept in ``samples.fields``; anything that JSON can hold.
        """
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return Made(
            self.request_id, self.draw, self.text if completion is None else completion, messages, fields,
            self.finish_reason, self.logprob,
        )  # fmt: skip

    def fail(self, reason: str, raw: Any = None) -> "Fault":
        """Return the drop of this completion, with its text; or of one item in it, with ``raw``, that item."""
        if raw is not None and not isinstance(raw, str):
            raw = json.dumps(raw, ensure_ascii=False)
        return Fault(reason, self.text if raw is None else raw, self.request_id)

    def losses(self) -> list["Fault"]:
        """Return the drops that parsing made: of the whole text, or of what of it is lost."""
        reasons = [f"not parsed: {self.fault}"] if self.fault is not None else [f"not parsed: {r}" for r in self.lost]
        return [self.fail(reason) for reason in reasons]


@dataclass(frozen=True)
class Made:
    """One new row: see :meth:`Completion.made`."""

    request_id: str
    draw: int
    completion: str
    prompt: Sequence[Message] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    logprob: float | None = None
    rejected: "Made | None" = None
    """A worse completion of the same prompt: the two become a pair."""
    kind: str = ""
    """What makes the pair: ``revised/original``, ``solved/failed branch``, …"""
    verdicts: Sequence[VerdictRow] = ()
    """What it says of other rows, put on record in one group with it: a judge's."""

    def against(self, rejected: "Made", kind: str) -> "Made":
        """Return this row as the better one of a pair."""
        return replace(self, rejected=rejected, kind=kind)


@dataclass(frozen=True)
class Fault:
    """One item of a completion that is not kept: a drop with its reason and raw text."""

    reason: str
    raw: str | None = None
    request_id: str | None = None


class Ask(Protocol):
    """How a generator reaches the model. Calls raise :class:`AskError` when a request failed for good; a generator lets
    that pass, and its input becomes a drop with the reason.
    """

    options: Mapping[str, Any]
    """The step's ``options`` from the recipe, the generator's defaults filled in."""
    folder: Path
    """The project's folder: relative paths in options, and a chunk's ``media``, are under it."""

    async def __call__(
        self, template: str, /, *, n: int | None = None, temperature: float | None = None, draw: int = 0,
        max_tokens: int | None = None, messages: Sequence[Message] = (), tools: Sequence[Mapping[str, Any]] = (),
        top_logprobs: int = 0, **values: Any,
    ) -> list[Completion]:  # fmt: skip
        """Render ``template`` with ``values`` and return its completions, in draw order.

        Args:
            template: name of a template file.
            n: completions; default: the step's ``draws``.
            temperature: default: the step's.
            draw: number that tells repeated equal questions apart (their seed differs).
            max_tokens: default: the step's.
            messages: turns that follow the rendered prompt, for dialogues that go on.
            tools: JSON-schema tool definitions, passed to the endpoint.
            top_logprobs: so many of the likeliest tokens at each place; 0 = none.
            values: the template's variables, all of them; and ``images``: URLs (a chunk's ``media`` too) that the last
                message shows, whether or not the template names them.
        """
        ...

    async def json(
        self, template: str, /, *, schema: Mapping[str, Any], n: int | None = None, temperature: float | None = None,
        draw: int = 0, max_tokens: int | None = None, messages: Sequence[Message] = (), **values: Any,
    ) -> list[Completion]:  # fmt: skip
        """Ask for JSON of ``schema``: by the endpoint's JSON-schema mode where it has one, else by the template's words,
        read by one tolerant parser; what does not fit is asked again at most ``repairs`` times (the step's setting),
        with the parser's complaint. Each completion has ``value``, or ``fault`` with the reason.
        """
        ...

    @property
    def random(self) -> random.Random:
        """Seeded by recipe, step and the input's content."""
        ...

    def variables(self, template: str) -> tuple[str, ...]:
        """Return the names of the values that a template must be given."""
        ...

    def render(self, template: str, /, **values: Any) -> tuple[Message, ...]:
        """Render ``template`` without asking: the prompt that a model trained on the row shall see."""
        ...


class AskError(Exception):
    """A request failed for good: the reason, and the body that came back if there was one."""

    def __init__(self, reason: str, raw: str | None = None, request_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.raw = raw
        self.request_id = request_id


Generate = Callable[[Item, Ask], AsyncIterator[Made | Fault]]
Most = Callable[[Mapping[str, Any], int], tuple[float, float]]


@dataclass(frozen=True)
class Generator:
    """A named generator.

    Attributes:
        name: as recipes name it.
        version: of its parser; a column of each sample.
        run: the function.
        consumes: names that an item must have values for; an item that lacks one is a drop that says so.
        options: the options it knows, with their defaults; a recipe may set these and no others.
        templates: names of the template files that it uses.
        yields: names of the fields that its rows have.
        choices: for an option that takes one of a few values, these.
        source: the paper it follows.
        most: from options and draws to the most requests and rows of one input, repairs left out; None: not known.
        images: whether it shows the model the images that a question is about (``images=`` of :class:`Ask`); a question about an
            image is a drop for one that does not.
    """

    name: str
    version: str
    run: Generate
    consumes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    templates: tuple[str, ...] = ()
    yields: tuple[str, ...] = ()
    choices: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    source: str = ""
    most: "Most | None" = None
    images: bool = False

    @property
    def summary(self) -> str:
        """The first paragraph of the function's docstring, as one line."""
        return " ".join(cleandoc(self.run.__doc__ or "").split("\n\n")[0].split())

    @property
    def parser(self) -> str:
        """Name and version as one word."""
        return f"{self.name}@{self.version}"


def generator(
    name: str, *, version: str = "1", consumes: Sequence[str] = (), options: Mapping[str, Any] | None = None,
    templates: Sequence[str] = (), yields: Sequence[str] = (), choices: Mapping[str, Sequence[Any]] | None = None,
    source: str = "", most: "Most | None" = None, images: bool = False,
) -> Callable[[Generate], Generator]:  # fmt: skip
    """Make a :class:`Generator` of an asynchronous generator function (see the module's example)."""

    def make(run: Generate) -> Generator:
        return Generator(
            name, version, run, tuple(consumes), dict(options or {}), tuple(templates), tuple(yields), dict(choices or {}),
            source, most, images,
        )  # fmt: skip

    return make
