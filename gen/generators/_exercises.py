"""Textbook sections to exercises with solutions."""

from collections.abc import Mapping, Sequence
from typing import Any

from .._answers import final_answer, same_answer
from .._generator import Ask, Fault, Item, generator
from .._text import choose_tag, is_refusal, leans_on_passage
from ._common import SAID, TEXT, Outcome, images_of, is_near_any, list_of, one_of, record, where_of

LEVELS = ("easy", "medium", "hard")
EXERCISES = record(exercises=list_of(record(difficulty=one_of(*LEVELS), exercise=SAID, solution=TEXT, answer=TEXT)))
SAME_EXERCISE = 0.85


@generator(
    "exercises", consumes=("text",), options={"exercises": 5, "closed_book": True, "min_chars": 200},
    templates=("exercises",), yields=("question", "answer", "difficulty", "rank"),
    most=lambda options, draws: (1, draws * options["exercises"]),
    source="textbook exercises, as in Li et al. 2023 (phi-1.5, arXiv 2309.05463) but from a given section",
)  # fmt: skip
async def exercises(item: Item, ask: Ask) -> Outcome:
    """Write exercises on a section, easy to hard, each with its solution worked out.

    ``fields.rank`` is an exercise's place from easy to hard in its section, from 1. An exercise whose solution ends at
    another answer than the stated one is dropped.
    """
    text = item.text("text")
    if len(text.strip()) < ask.options["min_chars"] and not item.get("media"):
        yield Fault("text too short", text)
        return
    completions = await ask.json(
        "exercises", schema=EXERCISES, text=text, tag=choose_tag(text), where=where_of(item),
        exercises=ask.options["exercises"], **images_of(item, ask),
    )  # fmt: skip
    seen: list[str] = []
    for completion in completions:
        for loss in completion.losses():
            yield loss
        sound = []
        for one in completion.value["exercises"] if completion.value else ():
            if reason := _find_fault(one, seen, ask):
                yield completion.fail(reason, one)
            else:
                seen.append(one["exercise"])
                sound.append(one)
        sound.sort(key=lambda one: LEVELS.index(one["difficulty"]))
        for rank, one in enumerate(sound, 1):
            question, answer = one["exercise"].strip(), one["answer"].strip()
            fields = {"question": question, "answer": answer, "difficulty": one["difficulty"], "rank": rank}
            yield completion.made(one["solution"].strip(), prompt=question, **fields)


def _find_fault(one: Mapping[str, Any], seen: Sequence[str], ask: Ask) -> str | None:
    if not one["solution"].strip():
        return "no solution"
    if is_refusal(one["solution"]):
        return "refusal"
    if ask.options["closed_book"] and leans_on_passage(one["exercise"]):
        return "exercise leans on the passage"
    end = final_answer(one["solution"])
    if end is not None and one["answer"].strip() and not same_answer(end, one["answer"]):
        return "solution ends at another answer"
    return "duplicate exercise" if is_near_any(one["exercise"], seen, SAME_EXERCISE) else None
