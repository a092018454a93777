"""The ``grader`` verifier: a grader of OpenAI's reinforcement fine-tuning format, run here.

``python`` graders run in the sandbox only; ``score_model`` needs a model, so that a judge (``judges/_grader.py``) asks it and hands
the score to :func:`grade`.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ...errors import RecipeError
from .._verdict import Verdict
from ..sandbox import choose
from ._arithmetic import compute, parse_formula
from ._code import run_grader
from ._grader_spec import (
    Grader,
    Multi,
    PythonGrader,
    ScoreModel,
    StringCheck,
    TextSimilarity,
    columns_of,
    each_grader,
    parse_grader,
)
from ._grader_template import NoSuchValue, columns_in, render
from ._json_text import read_json
from ._similarity import Embed, measure_similarity
from ._verifier import REQUIRED, CannotJudge, Case, verifier

MOST_FAULTS = 8
"""Parts of a ``multi`` grader that a completion may give nothing to grade; with more, all of it scores 0."""


class Fault(ValueError):
    """The completion gives a grader nothing to grade: the score is 0, with this reason."""


def make_sample(completion: str) -> dict[str, Any]:
    """Return what templates call ``sample``; ``output_json`` only where the completion is JSON."""
    sample: dict[str, Any] = {
        "output_text": completion,
        "choices": [{"message": {"role": "assistant", "content": completion}}],
    }
    try:
        sample["output_json"] = read_json(completion, prose=False)
    except ValueError:
        return sample
    if isinstance(sample["output_json"], dict) and isinstance(sample["output_json"].get("tool_calls"), list):
        sample["output_tools"] = sample["output_json"]["tool_calls"]
    return sample


def render_messages(grader: ScoreModel, case: Case, *, lenient: bool = False) -> list[dict[str, Any]]:
    """Return the messages that a ``score_model`` grader asks its model, templates filled in.

    Args:
        lenient: a text that names what the completion lacks is left empty.

    Raises:
        CannotJudge: the row lacks a column.
        Fault: the completion lacks what a template names.
    """
    item, sample = dict(case.fields), make_sample(case.completion)

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            try:
                return _render(value, item, sample)
            except Fault:
                if not lenient:
                    raise
                return ""
        if isinstance(value, Mapping):
            return {k: fill(v) for k, v in value.items()}
        return [fill(v) for v in value] if isinstance(value, list) else value

    return [{**message, "content": fill(message.get("content"))} for message in grader.input]


def grade(
    grader: Grader, case: Case, *, scores: Mapping[str, float] | None = None, embed: Embed | None = None
) -> float:
    """Return the score that a grader gives a completion.

    Args:
        grader: see :func:`parse_grader`.
        case: its ``fields`` are the ``item`` of templates.
        scores: of ``score_model`` graders that a judge has asked: by their name in ``graders``, "" for the grader itself.
        embed: for the metric ``cosine``.

    Raises:
        CannotJudge: the row lacks a column, a program fails, or a score is missing.
        Fault: the completion lacks what a template names.
    """
    item, sample, known = dict(case.fields), make_sample(case.completion), scores or {}
    if not isinstance(grader, Multi):
        return _grade_one(grader, item, sample, known.get(""), embed)
    values: dict[str, tuple[float, ...]] = {}
    fault = None
    for name, one in grader.graders.items():
        try:
            values[name] = (_grade_one(one, item, sample, known.get(name), embed),)
        except Fault as reason:
            fault, values[name] = reason, (0.0, one.range[1] if isinstance(one, ScoreModel) else 1.0)
    if fault and sum(len(each) > 1 for each in values.values()) > MOST_FAULTS:
        raise fault
    return _least(grader.calculate_output, values)


def _least(formula: str, values: Mapping[str, Sequence[float]]) -> float:
    """Return the lowest value of a formula: a part that cannot be graded counts as lowest and as highest, so that it gains nothing."""
    parsed = parse_formula(formula)
    try:
        return min(float(compute(parsed, dict(zip(values, each, strict=True)))) for each in product(*values.values()))
    except ValueError as error:
        raise CannotJudge("formula without a value", str(error)) from None


def _grade_one(
    grader: Grader, item: dict[str, Any], sample: dict[str, Any], score: float | None, embed: Embed | None
) -> float:
    if isinstance(grader, StringCheck):
        return _check_string(grader, *_render_both(grader, item, sample))
    if isinstance(grader, TextSimilarity):
        text, reference = _render_both(grader, item, sample)
        if not text.strip() or not reference.strip():
            return 0.0
        return measure_similarity(grader.evaluation_metric, text, reference, embed)
    if isinstance(grader, PythonGrader):
        return _run_source(grader.source, item, sample)
    if isinstance(grader, ScoreModel):
        render_messages(grader, Case(sample["output_text"], None, item))  # what it lacks is a fault, whatever was said
    if score is None:
        raise CannotJudge("no score of the model")
    return score


def _render_both(
    grader: StringCheck | TextSimilarity, item: Mapping[str, Any], sample: Mapping[str, Any]
) -> tuple[str, str]:
    """Return input and reference, filled in.

    Raises:
        CannotJudge: what the row gives for one of them is empty, so that nobody knows what was asked.
        Fault: the completion lacks what a template names.
    """
    text, reference = (_render(t, item, sample) for t in (grader.input, grader.reference))
    if any(columns_in(t) and not said.strip() for t, said in ((grader.input, text), (grader.reference, reference))):
        raise CannotJudge("empty reference")
    return text, reference


def _check_string(grader: StringCheck, text: str, reference: str) -> float:
    if grader.operation in ("eq", "ne"):
        return float((text == reference) is (grader.operation == "eq"))
    if grader.operation == "ilike":
        text, reference = text.lower(), reference.lower()
    return float(bool(reference.strip()) and reference in text)  # every text holds the empty one


def _render(text: str, item: Mapping[str, Any], sample: Mapping[str, Any]) -> str:
    try:
        return render(text, item, sample)
    except NoSuchValue as missing:
        if missing.namespace == "item":
            raise CannotJudge(f"no {missing}") from None
        raise Fault(f"completion without {str(missing).removeprefix('sample.')}") from None


def _run_source(source: str, item: Mapping[str, Any], sample: Mapping[str, Any]) -> float:
    """Run ``grade(sample, item)`` in the sandbox.

    Raises:
        Fault: the program of the completion fails, in a process of its own.
        CannotJudge: the grader gives no score.
    """
    done = run_grader(source, sample, item)
    if done.by_program:
        raise Fault(f"program fails: {done.error.split(':')[0]}")
    if done.score is None:
        raise CannotJudge("program without a score", done.error)
    return done.score


def _prepare(options: Mapping[str, Any], place: str) -> Sequence[str]:
    parsed = parse_grader(options["spec"], f"{place}.spec")
    if any(isinstance(one, ScoreModel) for one in each_grader(parsed)):
        raise RecipeError(
            f"{place}.spec", expected="a grader that code can run", received="score_model, which asks a model",
            cure="let a judge run it, whose model is the recipe's engine: flywheel judge run --judge GRADER.json --step STEP "
            "(imported: of imported sets), or judges: in the recipe",
        )  # fmt: skip
    check_runs_here(parsed, f"{place}.spec")
    return columns_of(parsed)


def check_runs_here(parsed: Grader, place: str) -> None:
    """Refuse a part that this machine cannot run, before anything runs.

    Raises:
        RecipeError: a similarity that needs embeddings.
        SandboxError: a program, where programs cannot be isolated.
    """
    for one in each_grader(parsed):
        if isinstance(one, TextSimilarity) and one.evaluation_metric == "cosine":
            measure_similarity("cosine", "", "")
        if isinstance(one, PythonGrader):
            choose("auto")


@verifier("grader", version=3, options={"spec": REQUIRED, "threshold": 0.5}, prepare=_prepare)
def grader(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Score by a grader of OpenAI's format: ``string_check``, ``text_similarity``, ``multi`` or ``python``.

    ``{{item.x}}`` is the row's column x, ``{{sample.output_text}}`` the completion, ``{{sample.output_json.x}}`` a value in its
    JSON. Passed from the grader's ``pass_threshold`` on, else from ``threshold``.
    """
    parsed = parse_grader(options["spec"], "spec")
    try:
        score = grade(parsed, case)
    except Fault as fault:
        return Verdict(False, 0.0, str(fault))
    least = options["threshold"] if parsed.pass_threshold is None else parsed.pass_threshold
    passed = score >= least
    return Verdict(passed, min(1.0, max(0.0, score)), "score reached" if passed else "score too low", f"{score:.6g}")
