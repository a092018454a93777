"""Graders of OpenAI's reinforcement fine-tuning format that ask a model: ``score_model``, and ``multi`` with one in it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...errors import RecipeError
from ..verifiers._grader import Fault, check_runs_here, grade, render_messages
from ..verifiers._grader_spec import Grader, Multi, ScoreModel, each_grader, parse_grader
from ..verifiers._json_text import read_json
from ..verifiers._verifier import CannotJudge, Case
from ._judge import Completed, Judgement, Opinion, Prompt, Reply, Row, abstain, hear, make_judgement, unread, why_unread
from ._parse import is_cut_at
from ._row import text_of

MAX_TOKENS = 1024
_NUMBER = r"-?(?:\d+(?:\.\d*)?|\.\d+)"
_LINE = re.compile(
    rf"^[^\w\n]*(?:(?:final|overall|total|my)\s+)?(?:score|result|grade)(?:\s+is)?[^\w\n.-]*(?P<n>{_NUMBER})(?:\s*/\s*(?P<of>{_NUMBER}))?[^\w\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ALONE = re.compile(rf"\A[^\w.-]*(?P<n>{_NUMBER})(?:\s*/\s*(?P<of>{_NUMBER}))?[^\w]*\Z")


@dataclass(frozen=True)
class GraderJudge:
    """Scores a completion by a grader: its models are asked, its other parts run here.

    The model that answers is the recipe's, or the judge's own engine: the grader's ``model`` is not asked. Of its
    ``sampling_params``, ``temperature`` and ``max_completions_tokens`` count.

    Attributes:
        name: what recipes call it.
        spec: the grader's JSON.
        threshold: score, mapped to 0..1, from which a completion passes where the grader has no ``pass_threshold``.
        template: name of the template file, around the grader's messages.
    """

    name: str
    spec: Mapping[str, Any]
    threshold: float = 0.5
    template: str = "judge-grader"

    kind = "grader"

    @cached_property
    def grader(self) -> Grader:
        """The grader, read."""
        return parse_grader(dict(self.spec), f"judge {self.name}: key spec")

    @property
    def templates(self) -> tuple[str, ...]:
        """See :class:`Judge`."""
        return (self.template,)

    def requests(self, row: Row) -> list[Prompt]:
        """See :class:`Judge`. One prompt for each ``score_model``; its tag is the grader's name in ``multi``."""
        try:
            return [] if row.get("completion") is None else [self._prompt(*one, row) for one in self._models()]
        except CannotJudge:
            return []

    def _models(self) -> Iterator[tuple[str, ScoreModel]]:
        parts = self.grader.graders.items() if isinstance(self.grader, Multi) else [("", self.grader)]
        return ((name, one) for name, one in parts if isinstance(one, ScoreModel))

    def _prompt(self, name: str, model: ScoreModel, row: Row) -> Prompt:
        turns = [(_role(m), text_of(m["content"])) for m in render_messages(model, _case(row), lenient=True)]
        at = next((i for i, (role, _) in enumerate(turns) if role != "system"), len(turns) - 1)
        values = {
            "system": "\n\n".join(text for _, text in turns[:at]), "user": turns[at][1],
            "low": f"{model.range[0]:g}", "high": f"{model.range[1]:g}",
        }  # fmt: skip
        rest = tuple({"role": role, "content": text} for role, text in turns[at + 1 :])
        given = model.sampling_params
        tokens = int(given.get("max_completions_tokens") or given.get("max_tokens") or MAX_TOKENS)
        return Prompt(self.template, values, name, 1, float(given.get("temperature") or 0.0), tokens, messages=rest)

    def read(self, row: Row, replies: Sequence[Reply]) -> Judgement:
        """See :class:`Judge`. Where a reply cannot be read, the whole is an abstention."""
        if row.get("completion") is None:
            return abstain(self.kind, [], "no completion")
        opinions = [o for one, reply in zip(self._models(), replies, strict=False) for o in _hear(*one, reply)]
        scores = {o.tag: float(o.value) for o in opinions if o.value is not None}
        try:
            rating = grade(self.grader, _case(row), scores=scores)
        except Fault as fault:
            return make_judgement(self.kind, opinions, False, 0.0, str(fault))
        except CannotJudge as error:
            is_unread = any(o.value is None for o in opinions)
            return abstain(self.kind, opinions, why_unread(opinions) if is_unread else error.reason)
        low, high = self.grader.range if isinstance(self.grader, ScoreModel) else (0.0, 1.0)
        score = min(1.0, max(0.0, (rating - low) / (high - low)))
        least = self.grader.pass_threshold
        passed = rating >= least if least is not None else score >= self.threshold
        reason = "score reached" if passed else "score too low"
        return make_judgement(self.kind, opinions, passed, score, reason, rating=rating, scores=scores)


def read_number(text: str, low: float, high: float) -> tuple[float, int] | None:
    """Return the score of a grader's reply and where it ends: the last line ``Score: n``, else the ``score`` or ``result`` of
    its JSON, else a reply that is a number alone.

    None where there is none, where it is outside of ``low`` to ``high``, or out of another highest score.
    """
    lines = list(_LINE.finditer(text)) or list(_ALONE.finditer(text))
    if lines:
        value, of, end = float(lines[-1]["n"]), lines[-1]["of"], lines[-1].end("n")
    else:
        found = _json_number(text)
        if found is None:
            return None
        value, of, end = found, None, 0
    is_on_scale = low <= value <= high and (of is None or float(of) == high)
    return (value, end) if is_on_scale else None


def _json_number(text: str) -> float | None:
    try:
        value = read_json(text)
    except ValueError:
        return None
    found = next((value[k] for k in ("score", "result") if k in value), None) if isinstance(value, dict) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _hear(name: str, model: ScoreModel, reply: Reply) -> list[Opinion]:
    def read(completion: Completed) -> Opinion:
        found = read_number(completion.text, *model.range)
        if found is None:
            return unread(completion, name)
        if found[1] and is_cut_at(completion.text, completion.finish_reason, found[1]):
            return unread(completion, name, is_cut=True)
        return Opinion(name, found[0], "text", None, completion.request_id, completion.draw)

    return hear(reply, read, name)


def _case(row: Row) -> Case:
    return Case(text_of(row["completion"]), None, row)


def _role(message: Mapping[str, Any]) -> str:
    role = str(message.get("role") or "user")
    return "system" if role == "developer" else role


def check_grader(judge: GraderJudge, place: str) -> None:
    """Refuse a grader that no judge can run.

    Raises:
        RecipeError: it is none, asks no model, or shows it something else than text.
    """
    parsed = parse_grader(dict(judge.spec), place)
    models = [one for one in each_grader(parsed) if isinstance(one, ScoreModel)]
    if not models:
        raise RecipeError(
            place, expected="a grader that asks a model: score_model, or multi with one in it", received=parsed.type,
            cure="run it by code: flywheel judge verify --verifier grader --option spec=@FILE, or a judge of kind verifier",
        )  # fmt: skip
    check_runs_here(parsed, place)
    for one in models:
        _check_model(one, place)


def _check_model(model: ScoreModel, place: str) -> None:
    low, high = model.range
    if not low < high:
        raise RecipeError(
            f"{place}.range", expected="a lowest score below the highest", received=f"{low:g}, {high:g}", cure="mend it"
        )
    parts = [p for m in model.input for p in _parts(m.get("content")) if not isinstance(p, str)]
    if wrong := next((p for p in parts if not (isinstance(p, Mapping) and isinstance(p.get("text"), str))), None):
        raise RecipeError(f"{place}.input", expected="messages of text", received=str(wrong)[:200], cure="leave it out")


def _parts(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]
