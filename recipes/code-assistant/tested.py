"""Programs that come with tests: a model writes asserts, and these stay where the program passes them and a broken one does not."""

import asyncio
from collections.abc import AsyncIterator

from flywheel.gen import Ask, Fault, Item, Made, generator
from flywheel.judge import Case, Verdict, complete_options, find_verifier, run_verifier

ASSERTS = {"type": "array", "items": {"type": "string"}, "minItems": 2}
SCHEMA = {"type": "object", "properties": {"tests": ASSERTS}, "required": ["tests"], "additionalProperties": False}


@generator(
    "tested", consumes=("question", "answer"), options={"timeout_s": 5.0}, templates=("write-tests", "solve-code"),
    yields=("question", "answer", "test_list"), most=lambda options, draws: (1, draws),
)  # fmt: skip
async def tested(item: Item, ask: Ask) -> AsyncIterator[Made | Fault]:
    """Write tests of a program that answers a question; the program is the row's completion."""
    code, verifier = item.text("answer").strip(), find_verifier("code", ask.folder)
    options = complete_options(verifier, {"timeout_s": ask.options["timeout_s"]}, "tested.py")

    async def run(program: str, tests: list[str]) -> Verdict:
        return await asyncio.to_thread(run_verifier, verifier, Case(program, fields={"test_list": tests}), options)

    for completion in await ask.json("write-tests", schema=SCHEMA, question=item.text("question"), code=code):
        for loss in completion.losses():
            yield loss
        if completion.value is None:
            continue
        tests = completion.value["tests"]
        verdict = await run(code, tests)
        if not verdict.passed:
            yield completion.fail(f"the program and its tests disagree: {verdict.reason}")
        elif (await run(code.replace("return ", "return None and "), tests)).passed:
            yield completion.fail("tests that a broken program passes")
        else:
            prompt = ask.render("solve-code", question=item.text("question"))
            yield completion.made(code, prompt=prompt, question=item.text("question"), answer=code, test_list=tests)
