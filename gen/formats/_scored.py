"""UltraFeedback: an ``instruction`` and several ``completions``, each with the ratings of its annotations.

The flat form of other such sets is read too: ``generations`` and ``ratings`` as lists of equal length.
"""

from collections.abc import Mapping, ValuesView
from typing import Any

from ._base import Format
from ._record import SCORED, Answer, BadRow, CannotWrite, Record, Row, name_type, need_text, only_text

SCORE_KEYS = ("overall_score", "fine-grained_score", "score", "rating")
TEXT_KEYS = ("response", "completion", "text", "output", "content")


class Scored(Format):
    """A completion's score is its overall score; without one, the mean of its annotations' ratings."""

    name = "ultrafeedback"
    title = "UltraFeedback: instruction, completions with scores or annotations (or generations and ratings)"
    kinds = frozenset({SCORED})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        if not {"instruction", "prompt"} & row.keys():
            return 0.0
        given = row.get("completions")
        if isinstance(given, list) and given and all(isinstance(c, dict) and set(TEXT_KEYS) & c.keys() for c in given):
            return 1.0
        return 0.95 if isinstance(row.get("generations"), list) and isinstance(row.get("ratings"), list) else 0.0

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        question = "instruction" if "instruction" in row else "prompt"
        prompt = ({"role": "user", "content": need_text(row, question)},)
        flat = "completions" not in row
        answers = _flat_answers(row) if flat else _answers(row["completions"])
        shape: Row = {"question": question, **({"flat": True} if flat else {})}
        return Record(prompt, answers, shape=shape)

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        if len(record.prompt) != 1:
            raise CannotWrite("ultrafeedback wants one instruction, without system message or earlier turns")
        row: Row = {record.shape.get("question", "instruction"): only_text(record.prompt, "ultrafeedback")[0]}
        if record.shape.get("flat"):
            return row | {
                "generations": [_text(a) for a in record.answers],
                "ratings": [a.score for a in record.answers],
            }
        return row | {"completions": [_spell(a) for a in record.answers]}


def _answers(given: Any) -> tuple[Answer, ...]:
    if not isinstance(given, list) or not given:
        raise BadRow(f"'completions' is {name_type(given) if given else 'empty'}, expected a list of completions")
    return tuple(_read(c, f"completions[{i}]") for i, c in enumerate(given))


def _read(completion: Any, place: str) -> Answer:
    key = next((k for k in TEXT_KEYS if isinstance(completion, dict) and isinstance(completion.get(k), str)), None)
    if key is None:
        raise BadRow(f"{place} has no text under 'response'")
    extra = {k: v for k, v in completion.items() if k not in (key, "model")}
    model = completion.get("model")
    if not isinstance(model, str) and "model" in completion:
        extra["model"] = model
    turns = ({"role": "assistant", "content": completion[key]},)
    spelled = extra if key == TEXT_KEYS[0] else {**extra, "text_key": key}
    return Answer(turns, score=_score(completion), model=model if isinstance(model, str) else None, extra=spelled)


def _score(completion: Row) -> float | None:
    for key in SCORE_KEYS:
        if (number := _number(completion.get(key))) is not None:
            return number
    annotations = completion.get("annotations")
    ratings = [_number(a.get("Rating", a.get("rating"))) for a in _parts(annotations)]
    known = [r for r in ratings if r is not None]
    return sum(known) / len(known) if known else None


def _parts(annotations: Any) -> list[Mapping[str, Any]]:
    """Return the annotations: an object of aspects, each one annotation or a list of them."""
    values = annotations.values() if isinstance(annotations, Mapping) else annotations
    if not isinstance(values, list | ValuesView):
        return []
    flat = [part for v in values for part in (v if isinstance(v, list) else [v])]
    return [part for part in flat if isinstance(part, Mapping)]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < float("inf") else None


def _flat_answers(row: Row) -> tuple[Answer, ...]:
    texts, ratings = row.get("generations"), row.get("ratings")
    if not isinstance(texts, list) or not isinstance(ratings, list) or len(texts) != len(ratings) or not texts:
        raise BadRow("'generations' and 'ratings' are not two lists of equal length")
    if not all(isinstance(t, str) for t in texts):
        raise BadRow("'generations' holds something else than texts")
    pairs = zip(texts, ratings, strict=True)
    return tuple(Answer(({"role": "assistant", "content": t},), score=_number(r)) for t, r in pairs)


def _text(answer: Answer) -> str:
    if len(answer.turns) != 1:
        raise CannotWrite("ultrafeedback wants one message as each completion")
    return only_text(answer.turns, "ultrafeedback")[0]


def _spell(answer: Answer) -> Row:
    extra = dict(answer.extra)
    row: Row = {extra.pop("text_key", TEXT_KEYS[0]): _text(answer)}
    if answer.model is not None:
        row = {"model": answer.model, **row}
    if answer.score is not None and not answer.extra:
        row["overall_score"] = answer.score
    return row | extra
