"""Completions of problems."""

from .._answers import final_answer
from .._generator import Ask, Item, generator
from ._common import QUESTION, Outcome, question_of, sort_out


@generator(
    "solve", consumes=("question",), options={"template": "solve-cot", "keep_refusals": False}, templates=("solve-cot", "solve", QUESTION),
    yields=("question", "answer", "found"),
    most=lambda options, draws: (1, draws), images=True,
    source="sampling for verification, as in Cobbe et al. 2021 (arXiv 2110.14168)",
)  # fmt: skip
async def solve(item: Item, ask: Ask) -> Outcome:
    """Draw k completions of a problem (the step's ``draws``); a verifier judges them later.

    ``fields.found`` is the final answer that the completion names, or null. ``template`` may be any that has the one
    variable ``question``. With ``keep_refusals`` completions that decline are kept: of a request that harms they are right.
    """
    completions, faults = sort_out(
        await ask(ask.options["template"], **question_of(item, ask)), keep_refusals=ask.options["keep_refusals"]
    )
    for fault in faults:
        yield fault
    for completion in completions:
        yield completion.made(
            question=item.text("question"), answer=item.get("answer"), found=final_answer(completion.text)
        )
