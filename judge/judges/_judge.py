"""What a judge is: it turns a row into prompts and the completions of these into a verdict, and does no I/O itself.

Whoever runs a judge asks the prompts (through the driver, so that each answer is on record before it is used) and hands the
completions back. Nothing that comes back can raise: what cannot be read is an abstention, with its text on record.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ...llm import TokenChances
from ...schema import Message, canonical_json, content_id
from .._verdict import Verdict

VERSION = 3
"""Counts up with every change of asking or reading that can change a verdict."""
LONGEST_TEXT = 2000
"""Characters of an unread completion that the record keeps; the whole text is in ``requests``."""

Row = Mapping[str, Any]
"""What is judged: ``question`` (or ``prompt``, messages), ``completion``; ``reference`` (or ``answer``); of a pair ``first``
and ``second``."""


@dataclass(frozen=True)
class Prompt:
    """One question to the model.

    Attributes:
        template: name of the template file.
        values: the template's variables.
        tag: what tells this prompt from the others of the row: ``given order``, …
        n: completions.
        temperature: 0 = greedy.
        max_tokens: most tokens of one completion.
        top_logprobs: so many of the likeliest tokens at each place; 0 = none.
        model: which member of a panel is asked; None = whoever serves the judge.
        messages: what follows the template's own.
    """

    template: str
    values: Mapping[str, Any]
    tag: str = ""
    n: int = 1
    temperature: float = 0.0
    max_tokens: int = 1024
    top_logprobs: int = 0
    model: str | None = None
    messages: Sequence[Message] = ()


class Completed(Protocol):
    """One completion, as the driver has it."""

    @property
    def text(self) -> str:
        """The whole text."""
        ...

    @property
    def finish_reason(self) -> str:
        """``stop``, ``length``, …."""
        ...

    @property
    def request_id(self) -> str:
        """The request on record."""
        ...

    @property
    def draw(self) -> int:
        """Number of the completion within the request."""
        ...

    @property
    def tokens(self) -> Sequence[TokenChances]:
        """What was likely in the place of each token; empty where the endpoint does not say."""
        ...


@dataclass(frozen=True)
class Failed:
    """A prompt that brought no completion: why, and the id of its request."""

    reason: str
    request_id: str | None = None


Reply = Sequence[Completed] | Failed
"""What became of one prompt."""


@dataclass(frozen=True)
class Opinion:
    """What one completion says.

    Attributes:
        tag: which prompt it answers.
        value: a score on the rubric's scale, ``first``, ``second``, ``tie``, ``correct``, …; None = it says nothing.
        read: ``tokens`` (expectation over the score tokens), ``text``, or why nothing was read: ``unparsable``,
            ``cut off``, ``failed``.
        text: of a completion that was not read.
        request_id: the request on record.
        draw: number of the completion within the request.
        model: member of a panel.
        chances: probability of each score where it was read from tokens; not normalised.
    """

    tag: str
    value: Any
    read: str
    text: str | None = None
    request_id: str | None = None
    draw: int = 0
    model: str | None = None
    chances: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Record:
    """What a verdict rests on.

    Attributes:
        kind: of the judge.
        opinions: all that was said, in the order of asking.
        n_unread: completions that were asked for and say nothing.
        disagreement: the two orders, the draws, or the members do not agree.
        details: what else the kind notes.
    """

    kind: str
    opinions: tuple[Opinion, ...]
    n_unread: int = 0
    disagreement: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def request_ids(self) -> list[str]:
        """Ids of the requests, each once, in the order of asking."""
        return list(dict.fromkeys(o.request_id for o in self.opinions if o.request_id))

    def as_json(self) -> str:
        """Return the record as it is stored in ``verdicts.evidence``; what is empty is left out."""
        opinions = [
            {k: v for k, v in asdict(o).items() if v not in (None, "") and (k, v) != ("draw", 0)} for o in self.opinions
        ]
        found = {
            "kind": self.kind, "requests": self.request_ids, "disagreement": self.disagreement, "unread": self.n_unread,
            "opinions": opinions, **self.details,
        }  # fmt: skip
        return canonical_json(found)


@dataclass(frozen=True)
class Judgement:
    """A verdict with its record; ``verdict.evidence`` is the record as JSON."""

    verdict: Verdict
    record: Record


class Judge(Protocol):
    """One judge: settings, and how to ask and read."""

    @property
    def name(self) -> str:
        """What recipes call it."""
        ...

    @property
    def kind(self) -> str:
        """``rubric``, ``pairwise``, ``reference``, ``checklist``, ``grader`` or ``panel``."""
        ...

    @property
    def templates(self) -> tuple[str, ...]:
        """Names of the templates that it asks with."""
        ...

    def passes(self, score: float) -> bool | None:
        """Say whether a verdict's score, 0 to 1, passes; None where it neither passes nor fails."""
        ...

    def requests(self, row: Row) -> list[Prompt]:
        """Return what to ask of a row; nothing where the row lacks a column."""
        ...

    def read(self, row: Row, replies: Sequence[Reply]) -> Judgement:
        """Return the verdict that the replies come to, one reply for each prompt of :meth:`requests`, in its order."""
        ...


def judge_id(judge: Judge, model: str, template_ids: Iterable[str] = ()) -> str:
    """Return what verdicts are filed under: ``name@`` and a digest of everything that can change a verdict.

    Args:
        judge: with its settings.
        model: who answers, with its revision.
        template_ids: of the templates in use, a project's own among them.
    """
    settings = json.loads(json.dumps(asdict(judge)))  # type: ignore[call-overload]  # keys of levels are numbers
    shape = [VERSION, judge.kind, getattr(judge, "judge", judge).kind, settings, model, sorted(template_ids)]
    return f"{judge.name}@{content_id('jdg', shape)[4:12]}"


def make_judgement(
    kind: str, opinions: Sequence[Opinion], passed: bool | None, score: float | None, reason: str, *,
    disagreement: bool = False, **details: Any,
) -> Judgement:  # fmt: skip
    """Return a verdict with its record."""
    n_unread = sum(o.value is None for o in opinions)
    record = Record(kind, tuple(opinions), n_unread, disagreement, details)
    return Judgement(Verdict(passed, score, reason, record.as_json()), record)


def abstain(kind: str, opinions: Sequence[Opinion], reason: str | None = None, **details: Any) -> Judgement:
    """Return an abstention: neither a no nor a zero."""
    return make_judgement(kind, opinions, None, None, reason or why_unread(opinions), **details)


def why_unread(opinions: Sequence[Opinion]) -> str:
    """Return the commonest reason why nothing was read; the first of equals."""
    reasons = [o.read for o in opinions if o.value is None]
    return max(reasons, key=reasons.count) if reasons else "nothing was said"


def unread(completion: Completed, tag: str = "", *, is_cut: bool = False) -> Opinion:
    """Return the opinion of a completion that says nothing, since it was cut off or cannot be parsed."""
    why = "cut off" if is_cut or completion.finish_reason == "length" else "unparsable"
    return Opinion(tag, None, why, completion.text[:LONGEST_TEXT], completion.request_id, completion.draw)


def hear(reply: Reply, read: Callable[[Completed], Opinion], tag: str = "") -> list[Opinion]:
    """Return what the completions of a reply say by ``read``, or the opinion that stands for a prompt without any."""
    if isinstance(reply, Failed):
        return [Opinion(tag, None, "failed", reply.reason[:LONGEST_TEXT], reply.request_id)]
    return [_hear_one(completion, read, tag) for completion in reply]


def _hear_one(completion: Completed, read: Callable[[Completed], Opinion], tag: str) -> Opinion:
    try:
        return read(completion)
    except Exception:  # noqa: BLE001  # the boundary where a fault of a reader becomes an abstention
        return unread(completion, tag)
