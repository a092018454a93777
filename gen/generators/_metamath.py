"""More questions out of a problem whose answer is known: put in other words, and turned backwards."""

import re
from collections import Counter
from typing import Any

from .._answers import final_answer, same_answer
from .._generator import Ask, Fault, Item, generator
from .._text import nearest
from ._common import Outcome, is_cut, sort_out
from ._instructions import clean_instruction, why_failed

_SOURCE = "MetaMath (Yu et al. 2023, arXiv 2309.12284)"
_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w]|[.,]\d)")
_UNKNOWN = "X"


def numbers_in(text: str) -> Counter[str]:
    """Count the numbers written in digits."""
    return Counter(n.replace(",", "").rstrip(".") for n in _NUMBER.findall(text))


async def solve_known(ask: Ask, question: str, answer: str, **fields: Any) -> Outcome:
    """Yield solutions of a new question that reach the answer known beforehand; the others are drops."""
    tries, faults = sort_out(await ask(ask.options["template"], n=ask.options["tries"], question=question))
    for fault in faults:
        yield fault
    for completion in tries:
        found = final_answer(completion.text)
        if found is None or not same_answer(found, answer):
            yield completion.fail("no final answer" if found is None else "wrong answer")
        else:
            yield completion.made(completion.text.strip(), question=question, answer=answer, found=found, **fields)


@generator(
    "rephrase", consumes=("question", "answer"),
    options={"template": "solve-cot", "tries": 1, "same": 0.95, "keep_numbers": True}, templates=("rephrase", "solve-cot"),
    yields=("question", "answer", "found", "parent"), source=_SOURCE,
    most=lambda options, draws: (1 + draws, draws * options["tries"]),
)  # fmt: skip
async def rephrase(item: Item, ask: Ask) -> Outcome:
    """Put a problem in other words and solve it anew; its answer stays, and only solutions that reach it are kept.

    A rephrasing that lost or gained a number is dropped (``keep_numbers``). ``tries`` solutions are drawn for each.
    """
    question, answer = item.text("question"), item.text("answer")
    seen = [question]
    for completion in await ask("rephrase", question=question):
        new = clean_instruction(completion.text)
        reason = "cut off" if is_cut(completion) else why_failed(new, question, ask.options["same"])
        if reason is None and ask.options["keep_numbers"] and numbers_in(new) != numbers_in(question):
            reason = "numbers changed"
        if reason is None and nearest(new, seen) >= ask.options["same"]:
            reason = "duplicate question"
        if reason:
            yield completion.fail(reason)
            continue
        seen.append(new)
        async for outcome in solve_known(ask, new, answer, parent=question):
            yield outcome


@generator(
    "backward", consumes=("question", "answer"),
    options={"style": "fobar", "template": "solve-cot", "tries": 1, "per_item": 1},
    choices={"style": ("fobar", "self-verification")},
    templates=("backward-fobar", "backward-statement", "backward-question", "solve-cot"),
    yields=("question", "answer", "found", "parent", "style"),
    source=f"{_SOURCE}; FOBAR (arXiv 2308.07758); self-verification (arXiv 2212.09561)",
    most=lambda options, draws: (
        options["per_item"] * (1 + (options["style"] != "fobar")), options["per_item"] * options["tries"]
    ),
)  # fmt: skip
async def backward(item: Item, ask: Ask) -> Outcome:
    """Hide a number of a problem behind X, give the answer, and ask for X; only solutions that find it are kept.

    ``fobar`` adds the answer to the question as it is; ``self-verification`` has the model turn question and answer
    into a statement first. ``per_item`` numbers are hidden, each in a question of its own.
    """
    question, answer = item.text("question"), item.text("answer")
    spots = list(_NUMBER.finditer(question))
    if not spots:
        yield Fault("no number to hide", question)
        return
    for spot in ask.random.sample(spots, min(ask.options["per_item"], len(spots))):
        hidden = spot[0].rstrip(",.")
        masked = question[: spot.start()] + _UNKNOWN + question[spot.start() + len(hidden) :]
        if ask.options["style"] == "fobar":
            new = str(ask.render("backward-fobar", question=masked, answer=answer)[-1]["content"])
        else:
            (statement,) = await ask("backward-statement", n=1, question=masked, answer=answer)
            text = clean_instruction(statement.text)
            if _UNKNOWN not in text.split("?")[0] or not _states(text, answer):
                yield statement.fail("statement lost X or the answer")
                continue
            new = str(ask.render("backward-question", statement=text)[-1]["content"])
        async for outcome in solve_known(
            ask, new, hidden.replace(",", ""), parent=question, style=ask.options["style"]
        ):
            yield outcome


def _states(text: str, answer: str) -> bool:
    return not numbers_in(answer) - numbers_in(text) if numbers_in(answer) else answer.casefold() in text.casefold()
