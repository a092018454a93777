"""Critiques of completions, and completions that heed them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...config import read_text
from ...errors import RecipeError
from .._answers import final_answer, same_answer
from .._generator import Ask, Completion, Fault, Item, Made, generator
from .._text import words_of
from ._common import QUESTION, SAID, Outcome, is_cut, one_of, prompt_of, question_of, record, why_unfit

_NUMBERED = re.compile(r"^\s*(?:step\s*)?\d+\s*[.:)]\s*", re.IGNORECASE)
VERDICTS = ("correct", "wrong", "weak")
CRITIQUE = record(critique=SAID, first_wrong_step={"type": ["integer", "null"]}, verdict=one_of(*VERDICTS))
BY_PRINCIPLES = record(critique=SAID, principle={"type": ["integer", "null"]}, verdict=one_of(*VERDICTS))
PRINCIPLES = "critique-by-principles"
"""The template of a critique by written principles."""
_NUMBER = re.compile(r"^\s*(\d+)[.)]\s", re.MULTILINE)
_SOURCE = "MR-GSM8K (Zeng et al. 2023, arXiv 2312.17080) for the first wrong step; Self-Refine (arXiv 2303.17651)"


def split_steps(solution: str) -> list[str]:
    """Return the steps of a solution: its lines, without their own numbers. A text of one line is one step."""
    lines = [_NUMBERED.sub("", line).strip() for line in solution.strip().splitlines()]
    return [line for line in lines if line]


def number_steps(steps: list[str]) -> str:
    """Return steps one a line, numbered from 1."""
    return "\n".join(f"{i}. {step}" for i, step in enumerate(steps, 1))


def find_contradiction(value: Mapping[str, Any], n_steps: int) -> str | None:
    """Return what in a critique does not go together: step and verdict, or a step that is not there."""
    step = value["first_wrong_step"]
    if value["verdict"] == "wrong" and step is None:
        return "wrong, but no step named"
    if value["verdict"] == "correct" and step is not None:
        return "correct, but a wrong step named"
    return "no such step" if step is not None and not 1 <= step <= n_steps else None


def find_misnaming(value: Mapping[str, Any], known: Sequence[int]) -> str | None:
    """Return what in a critique by principles does not go together: verdict and principle, or a principle that is not there."""
    broken = value["principle"]
    if (value["verdict"] == "correct") != (broken is None):
        return "correct, but a principle named" if broken is not None else "no principle named"
    return "no such principle" if broken is not None and broken not in known else None


def _read_principles(ask: Ask) -> str:
    """Return the principles that the critic is to go by; empty where it goes by steps.

    Raises:
        RecipeError: the file has no numbered lines.
        NotFoundError: there is no such file.
    """
    name = ask.options["principles"]
    if not name:
        return ""
    place = "critique, options.principles"
    text = read_text(ask.folder / name, place, expected="a text file with numbered principles").strip()
    if not _NUMBER.search(text):
        raise RecipeError(
            place, expected="principles, numbered 1. 2. 3.", received="no numbered line", cure=f"number those of {name}"
        )
    return text


def _criticised(item: Item) -> str:
    """Return what is to be criticised: a sample's completion, or a problem's solution."""
    return item.text("completion") or item.text("solution")


async def _criticise(item: Item, ask: Ask) -> list[tuple[Completion, Mapping[str, Any] | None, list[Fault]]]:
    """Ask for critiques; each with its value, or with the faults that stand for it."""
    if principles := _read_principles(ask):
        return await _criticise_by(principles, item, ask)
    steps = split_steps(_criticised(item))
    answer = item.text("answer") if ask.options["show_answer"] else ""
    known = f"\n\nThe final answer is known to be: {answer}" if answer else ""
    completions = await ask.json(
        "critique", schema=CRITIQUE, **question_of(item, ask), steps=number_steps(steps), known=known
    )
    judged: list[tuple[Completion, Mapping[str, Any] | None, list[Fault]]] = []
    for completion in completions:
        faults, value = completion.losses(), completion.value
        if value is not None and (why := why_unfit(value["critique"]) or find_contradiction(value, len(steps))):
            faults, value = [completion.fail(why)], None
        judged.append((completion, value, faults))
    return judged


async def _criticise_by(
    principles: str, item: Item, ask: Ask
) -> list[tuple[Completion, Mapping[str, Any] | None, list[Fault]]]:
    """Ask for critiques that name the principle that a completion breaks."""
    known = [int(n) for n in _NUMBER.findall(principles)]
    asked = {**question_of(item, ask), "completion": _criticised(item), "principles": principles}
    judged: list[tuple[Completion, Mapping[str, Any] | None, list[Fault]]] = []
    for completion in await ask.json(PRINCIPLES, schema=BY_PRINCIPLES, **asked):
        faults, value = completion.losses(), completion.value
        if value is not None and (why := find_misnaming(value, known)):
            faults, value = [completion.fail(why)], None
        judged.append((completion, value, faults))
    return judged


@generator(
    "critique", consumes=("question",), options={"show_answer": False, "principles": ""},
    templates=("critique", PRINCIPLES, QUESTION),
    yields=("question", "answer", "original", "original_prompt", "critique", "first_wrong_step", "verdict", "n_steps", "principle"),
    source=_SOURCE, most=lambda options, draws: (1, draws), images=True,
)  # fmt: skip
async def critique(item: Item, ask: Ask) -> Outcome:
    """Criticise a completion: name the first wrong step (from 1) or the main weakness, and a verdict.

    The completion's lines are its steps. ``verdict`` is ``correct``, ``wrong`` (then a step is named) or ``weak``
    (nothing false, something to better). ``show_answer`` lets the critic see a known answer. The criticised completion
    is handed on as ``fields.original``. ``principles`` names a file of numbered ones in the project's folder: then the critique
    says which ``principle`` the completion breaks, in the place of a step (Constitutional AI, Bai et al. 2022, arXiv 2212.08073).
    """
    if not _criticised(item).strip():
        yield Fault("nothing to criticise")
        return
    for completion, value, faults in await _criticise(item, ask):
        for fault in faults:
            yield fault
        if value is not None:
            yield completion.made(
                question=item.text("question"), answer=item.get("answer"), original=_criticised(item),
                original_prompt=item.get("prompt"), n_steps=len(split_steps(_criticised(item))),
                **value,
            )  # fmt: skip


_REVISE_OPTIONS = {"skip_correct": True, "overlap": 0.6, "keep_refusals": False}


@generator(
    "revise", consumes=("question", "critique"), options=_REVISE_OPTIONS, templates=("revise", QUESTION),
    yields=("question", "answer", "critique", "found"), source="Self-Refine (Madaan et al. 2023, arXiv 2303.17651)",
    most=lambda options, draws: (1, draws), images=True,
)  # fmt: skip
async def revise(item: Item, ask: Ask) -> Outcome:
    """Write an improved completion that heeds a critique; with the original it makes a ``revised/original`` pair.

    Where an answer is known, the revision must reach it and the original must not have. Originals that the critique
    finds correct are left alone (``skip_correct``). With ``keep_refusals`` a revision may decline.
    """
    if ask.options["skip_correct"] and item.text("verdict") == "correct":
        yield Fault("nothing to revise", item.text("critique"))
        return
    text = item.text("original") or _criticised(item)
    prompt = item.get("original_prompt") if item.get("original") else item.get("prompt")
    if not text.strip():
        yield Fault("nothing to revise")
        return
    attempt = _Attempt(item.text("question"), item.get("answer"), text, prompt or prompt_of(question_of(item, ask)))
    async for outcome in _revise(item, attempt, item.text("critique"), ask):
        yield outcome


@dataclass(frozen=True)
class _Attempt:
    """A first completion of a question, with the prompt that it answers."""

    question: str
    answer: Any
    text: str
    prompt: Any


async def _revise(item: Item, attempt: _Attempt, words: str, ask: Ask, n: int | None = None, draw: int = 0) -> Outcome:
    values: dict[str, Any] = {**question_of(item, ask), "completion": attempt.text, "critique": words}
    for completion in await ask("revise", n=n, draw=draw, **values):
        reason = "cut off" if is_cut(completion) else _why_no_better(completion.text, attempt, ask)
        yield completion.fail(reason) if reason else _make_revision(completion, attempt, words)


def _why_no_better(revised: str, attempt: _Attempt, ask: Ask) -> str | None:
    if reason := why_unfit(revised, keep_refusals=ask.options["keep_refusals"]):
        return reason
    if words_of(revised) == words_of(attempt.text):
        return "unchanged"
    if attempt.answer in (None, attempt.text):  # of an imported row the completion itself is the answer on record
        return None
    before, after = final_answer(attempt.text), final_answer(revised)
    known, overlap = str(attempt.answer), ask.options["overlap"]
    if after is None:
        return None if before is None else "no final answer"
    if not same_answer(after, known, overlap=overlap):
        return "still wrong"
    return "original was right" if before is not None and same_answer(before, known, overlap=overlap) else None


def _make_revision(completion: Completion, attempt: _Attempt, words: str) -> Made:
    prompt, fields = attempt.prompt, {"question": attempt.question, "answer": attempt.answer}
    found = final_answer(completion.text)
    made = completion.made(completion.text.strip(), prompt=prompt, **fields, critique=words, found=found)
    return made.against(completion.made(attempt.text, prompt=prompt, **fields), "revised/original")


@generator(
    "critique_revise", consumes=("question",), options={"show_answer": False, "principles": "", **_REVISE_OPTIONS},
    templates=("critique", PRINCIPLES, "revise", QUESTION), yields=("question", "answer", "critique", "found"), source=_SOURCE,
    most=lambda options, draws: (1 + draws, draws), images=True,
)  # fmt: skip
async def critique_revise(item: Item, ask: Ask) -> Outcome:
    """Criticise a completion and revise it, as one step: the critiques themselves are not kept as rows."""
    if not _criticised(item).strip():
        yield Fault("nothing to criticise")
        return
    prompt = item.get("prompt") or prompt_of(question_of(item, ask))
    attempt = _Attempt(item.text("question"), item.get("answer"), _criticised(item), prompt)
    for i, (completion, value, faults) in enumerate(await _criticise(item, ask)):
        for fault in faults:
            yield fault
        if value is None:
            continue
        if ask.options["skip_correct"] and value["verdict"] == "correct":
            yield completion.fail("nothing to revise")
            continue
        async for outcome in _revise(item, attempt, value["critique"], ask, n=1, draw=i):
            yield outcome
