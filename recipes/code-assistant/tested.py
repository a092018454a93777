"""Programs that come with tests: a model writes asserts, and these stay where the program passes them and broken versions of it do not."""

import asyncio
from collections.abc import AsyncIterator

from flywheel.gen import Ask, Fault, Item, Made, generator
from flywheel.judge import Case, complete_options, find_verifier, make_mutants, run_verifier

ASSERTS = {"type": "array", "items": {"type": "string"}, "minItems": 2}
SCHEMA = {"type": "object", "properties": {"tests": ASSERTS}, "required": ["tests"], "additionalProperties": False}


@generator(
    "tested", consumes=("question", "answer"), options={"timeout_s": 5.0, "mutants": 4, "caught": 0.5}, templates=("write-tests", "solve-code"),
    yields=("question", "answer", "test_list"), most=lambda options, draws: (1, draws),
)  # fmt: skip
async def tested(item: Item, ask: Ask) -> AsyncIterator[Made | Fault]:
    """Write tests of a program that answers a question; the program is the row's completion.

    The tests have to catch a version in which nothing is returned anywhere, and of ``mutants`` broken ones, with it, the share ``caught``: some
    faults cannot be seen.
    """
    code, verifier = item.text("answer").strip(), find_verifier("code", ask.folder)
    options = complete_options(verifier, {"timeout_s": ask.options["timeout_s"]}, "tested.py")
    mutants = make_mutants(code, ask.options["mutants"])
    if not mutants:
        yield Fault("nothing in the program can be broken: no tests of it could be tried", code)
        return

    async def passes(program: str, tests: list[str]) -> str:
        """Return why a program does not pass; empty text where it does."""
        verdict = await asyncio.to_thread(run_verifier, verifier, Case(program, fields={"test_list": tests}), options)
        return "" if verdict.passed else verdict.reason

    for completion in await ask.json("write-tests", schema=SCHEMA, question=item.text("question"), code=code):
        for loss in completion.losses():
            yield loss
        if completion.value is None:
            continue
        tests = completion.value["tests"]
        if reason := await passes(code, tests):
            yield completion.fail(f"the program and its tests disagree: {reason}")
            continue
        missed = [mutant.kind for mutant in mutants if not await passes(mutant.code, tests)]
        if "nothing" in missed or len(missed) > (1 - ask.options["caught"]) * len(mutants):
            yield completion.fail("tests that broken programs pass", {"faults not seen": missed, "tests": tests})
        else:
            prompt = ask.render("solve-code", question=item.text("question"))
            yield completion.made(code, prompt=prompt, question=item.text("question"), answer=code, test_list=tests)
