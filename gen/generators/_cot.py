"""Reasoning for questions whose answer is known."""

import re

from .._answers import final_answer, same_answer
from .._generator import Ask, Completion, Item, generator
from ._common import QUESTION, Outcome, question_of, sort_out

_SPEAKS_OF_HINT = re.compile(
    r"\b(?:hint|as (?:given|provided|stated) (?:above|in the hint)|(?:given|provided|known|correct|expected|reference) "
    r"(?:final )?answer|answer (?:is |was |that (?:is|was) )?(?:already )?(?:given|provided|known)|"
    r"we (?:already )?know (?:that )?the answer|since the answer (?:is|must be)|to (?:match|reach|get|arrive at) the (?:given|known) )",
    re.IGNORECASE,
)


@generator(
    "cot", consumes=("question", "answer"), options={"tries": 0, "hint": True, "hint_tries": 1, "overlap": 0.6},
    templates=("cot", "cot-hint", QUESTION), yields=("question", "answer", "found", "rationalised"),
    most=lambda options, draws: (1 + options["hint"], max(options["tries"] or draws, options["hint_tries"])),
    images=True,
    source="STaR (Zelikman et al. 2022, arXiv 2203.14465)",
)  # fmt: skip
async def cot(item: Item, ask: Ask) -> Outcome:
    """Add reasoning to a known answer: what ends at the right answer is kept, and with none, the answer is given as a hint.

    ``tries`` completions (0 = the step's draws) are compared with the answer; when all are wrong and ``hint`` is on,
    ``hint_tries`` more are told it (rationalisation), and those that speak of the hint are dropped. The row's prompt
    never has the hint; ``fields.rationalised`` marks the rows that needed it. Free-text answers agree from a share
    ``overlap`` of common words.
    """
    question, answer, asked = item.text("question"), item.text("answer"), question_of(item, ask)
    tries, faults = sort_out(await ask("cot", n=ask.options["tries"] or None, **asked))
    for fault in faults:
        yield fault
    right = [c for c in tries if _is_right(c, answer, ask)]
    for completion in tries:
        if completion not in right:
            yield completion.fail("no final answer" if final_answer(completion.text) is None else "wrong answer")
    for completion in right:
        yield completion.made(
            completion.text.strip(),
            question=question,
            answer=answer,
            found=final_answer(completion.text),
            rationalised=False,
        )
    if right or not ask.options["hint"]:
        return
    prompt = ask.render("cot", **asked)
    hinted, faults = sort_out(await ask("cot-hint", n=ask.options["hint_tries"], **asked, answer=answer))
    for fault in faults:
        yield fault
    for completion in hinted:
        if not _is_right(completion, answer, ask):
            yield completion.fail("wrong answer in spite of the hint")
        elif _SPEAKS_OF_HINT.search(completion.text):
            yield completion.fail("speaks of the hint")
        else:
            yield completion.made(
                completion.text.strip(), prompt=prompt, question=question, answer=answer,
                found=final_answer(completion.text), rationalised=True,
            )  # fmt: skip


def _is_right(completion: Completion, answer: str, ask: Ask) -> bool:
    found = final_answer(completion.text)
    return found is not None and same_answer(found, answer, overlap=ask.options["overlap"])
