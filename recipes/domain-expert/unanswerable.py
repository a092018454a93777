"""Questions that a document leaves open (SQuAD 2.0, arXiv 1806.03822), so that "it does not say" is learned too: of a user's size."""

from collections.abc import AsyncIterator

from flywheel.gen import Ask, Fault, Item, Made, choose_tag, generator

DECLINES = "The document does not say."
TEXT = {"type": "string", "minLength": 1}
QUESTIONS = {"type": "object", "properties": {"questions": {"type": "array", "items": TEXT}}, "required": ["questions"]}
CHECK = {"type": "object", "properties": {"answerable": {"type": "boolean"}}, "required": ["answerable"]}


@generator(
    "unanswerable", consumes=("text",), options={"pairs": 2},
    templates=("unanswerable", "unanswerable-check", "grounded-question"), yields=("question", "answer"),
    most=lambda options, draws: (1 + draws * options["pairs"], draws * options["pairs"]),
)  # fmt: skip
async def unanswerable(item: Item, ask: Ask) -> AsyncIterator[Made | Fault]:
    """Ask what a text seems to say and does not; a question that a second look finds answered is a drop."""
    text, tag = item.text("text"), choose_tag(item.text("text"))
    for completion in await ask.json("unanswerable", schema=QUESTIONS, text=text, tag=tag, pairs=ask.options["pairs"]):
        for loss in completion.losses():
            yield loss
        for question in (completion.value or {"questions": ()})["questions"][: ask.options["pairs"]]:
            (seen,) = await ask.json(
                "unanswerable-check", schema=CHECK, n=1, temperature=0.0, text=text, tag=tag, question=question
            )
            if seen.value is None or seen.value["answerable"]:
                yield completion.fail("answerable after all" if seen.value else "check not parsed", question)
            else:
                prompt = ask.render("grounded-question", text=text, tag=tag, question=question)
                yield completion.made(DECLINES, prompt=prompt, question=question, answer=DECLINES)
