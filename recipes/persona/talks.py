"""Talks with a persona: written whole by a teacher, a row for each thing that the persona says in them."""

from collections.abc import AsyncIterator
from typing import Any

from flywheel.gen import Ask, Item, generator

SAID = {"type": "string", "minLength": 1}
TURN = {"type": "object", "properties": {"person": SAID, "chatbot": SAID}, "required": ["person", "chatbot"]}
KNOWN = "\n\nThe opening has a right answer: {}. The chatbot gives it in its first reply, and ends that reply with a line of the form: #### answer"


def describe_talk(exchanges: int) -> dict[str, Any]:
    """Return the JSON Schema of a talk of so many exchanges: a shorter one is asked again, of a longer one the rest is left out."""
    turns = {"type": "array", "items": TURN, "minItems": exchanges}
    return {"type": "object", "properties": {"exchanges": turns}, "required": ["exchanges"]}


@generator(
    "talks", consumes=("question",), options={"persona": "persona.md", "exchanges": 3}, templates=("talk",), yields=("turn", "answer"),
    most=lambda options, draws: (1, draws * options["exchanges"]), source="flywheel",
)  # fmt: skip
async def talks(item: Item, ask: Ask) -> AsyncIterator[Any]:
    """Write a talk that begins with a question; each row's prompt is all that was said before, without a word on the persona."""
    persona, answer = (ask.folder / ask.options["persona"]).read_text(encoding="utf-8").strip(), item.text("answer")
    asked = {"persona": persona, "question": item.text("question"), "exchanges": ask.options["exchanges"]}
    hint = KNOWN.format(answer.split("#### ")[-1]) if answer else ""
    for completion in await ask.json("talk", schema=describe_talk(asked["exchanges"]), known=hint, **asked):
        for loss in completion.losses():
            yield loss
        said: list[dict[str, str]] = []
        turns = (completion.value or {"exchanges": []})["exchanges"][: asked["exchanges"]]
        for number, turn in enumerate(turns, 1):
            if number == 1 and turn["person"].strip() != asked["question"].strip():
                yield completion.fail("another opening")
                break
            said.append({"role": "user", "content": turn["person"].strip()})
            so_far = "\n\n".join(f"[{m['role']}]\n{m['content']}" for m in said)  # a judge is shown it as the question
            known = {"answer": answer} if answer and number == 1 else {}
            yield completion.made(turn["chatbot"].strip(), prompt=list(said), question=so_far, turn=number, **known)
            said.append({"role": "assistant", "content": turn["chatbot"].strip()})
