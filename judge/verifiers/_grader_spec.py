"""Graders of OpenAI's reinforcement fine-tuning format: their JSON, checked.

Source: the types of the ``openai`` client (``openai.types.graders``) and its guide "Graders"; ``pass_threshold`` as Azure's
fine-tuning has it. ``label_model`` is not read.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ...errors import RecipeError
from ...schema import texts_in
from ._arithmetic import names_in, parse_formula
from ._grader_template import check_template, columns_in

METRICS = (
    "fuzzy_match", "bleu", "gleu", "meteor", "cosine", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l",
)  # fmt: skip


class _Grader(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = ""
    pass_threshold: float | None = None
    """Score from which a completion passes; None = the verifier's ``threshold``."""


class StringCheck(_Grader):
    """Equal (``eq``), unequal (``ne``), contains (``like``), contains whatever the case (``ilike``): 1 or 0."""

    type: Literal["string_check"]
    input: str
    reference: str
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(_Grader):
    """How alike two texts are, 0 to 1: see :func:`~._similarity.measure_similarity`."""

    type: Literal["text_similarity"]
    input: str
    reference: str
    evaluation_metric: Literal[
        "fuzzy_match",
        "bleu",
        "gleu",
        "meteor",
        "cosine",
        "rouge_1",
        "rouge_2",
        "rouge_3",
        "rouge_4",
        "rouge_5",
        "rouge_l",
    ]


class PythonGrader(_Grader):
    """A program with ``grade(sample, item) -> float``; runs only in the sandbox."""

    type: Literal["python"]
    source: str
    image_tag: str | None = None
    """Read, and of no effect: the sandbox's Python runs it."""


class ScoreModel(_Grader):
    """A model that answers with a score; a judge runs it, no verifier."""

    type: Literal["score_model"]
    model: str
    input: list[dict[str, Any]] = Field(min_length=1)
    """Messages: ``role`` and ``content``, a text or parts."""
    range: tuple[float, float] = (0.0, 1.0)
    sampling_params: dict[str, Any] = Field(default_factory=dict)


class Multi(_Grader):
    """Several graders, and a formula over their scores: ``0.5 * a + 0.5 * b``."""

    type: Literal["multi"]
    graders: dict[
        str, Annotated["StringCheck | TextSimilarity | PythonGrader | ScoreModel", Field(discriminator="type")]
    ]
    calculate_output: str


Grader = StringCheck | TextSimilarity | PythonGrader | ScoreModel | Multi
_ADAPTER: TypeAdapter[Grader] = TypeAdapter(Annotated[Grader, Field(discriminator="type")])


def parse_grader(spec: Any, place: str) -> Grader:
    """Return the grader that ``spec`` describes.

    Raises:
        RecipeError: it describes none: an unknown key or type, a template or formula that cannot be read.
    """
    try:
        grader = _ADAPTER.validate_python(spec)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise RecipeError(
            f"{place}.{where}" if where else place, expected=first["msg"], received=repr(first.get("input"))[:200],
            cure="see docs/verifiers.md for the graders and their keys",
        ) from None  # fmt: skip
    for one in each_grader(grader):
        for text in texts_of(one):
            check_template(text, place)
    if isinstance(grader, Multi):
        _check_formula(grader, place)
    return grader


def _check_formula(grader: Multi, place: str) -> None:
    try:
        unknown = names_in(parse_formula(grader.calculate_output)) - grader.graders.keys()
        reason = f"no grader {sorted(unknown)[0]!r}" if unknown else ""
    except ValueError as error:
        reason = str(error)
    if reason:
        raise RecipeError(
            f"{place}.calculate_output", expected=f"a formula over {', '.join(grader.graders)}", received=reason,
            cure="numbers, + - * / ^ and min, max, abs, floor, ceil, exp, sqrt, log",
        )  # fmt: skip


def each_grader(grader: Grader) -> Iterator[Grader]:
    """Yield a grader and those inside it."""
    yield grader
    if isinstance(grader, Multi):
        yield from grader.graders.values()


def texts_of(grader: Grader) -> list[str]:
    """Return the templates of one grader."""
    if isinstance(grader, StringCheck | TextSimilarity):
        return [grader.input, grader.reference]
    if isinstance(grader, ScoreModel):
        return [text for message in grader.input for text in texts_in(message.get("content"))]
    return []


def columns_of(grader: Grader) -> list[str]:
    """Return the columns of the row that a grader's templates name."""
    return list(dict.fromkeys(c for one in each_grader(grader) for text in texts_of(one) for c in columns_in(text)))
