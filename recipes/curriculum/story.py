"""Stories with given words at a level of reading: a generator of a user's size."""

import re
from collections.abc import AsyncIterator

from flywheel.gen import Ask, Fault, Item, Made, generator

SENTENCE = {1: 10, 2: 16, 3: 26}
"""Most words of a sentence, by level."""
WHOLE = {1: 90, 2: 180, 3: 400}
"""Most words of a story, by level."""


@generator("story", consumes=("words", "level"), templates=("story",), yields=("text", "level"))
async def story(item: Item, ask: Ask) -> AsyncIterator[Made | Fault]:
    """Write a story; one that leaves out a word, or is too hard for its level, is a drop."""
    words, level = item.text("words"), int(str(item.get("level")))
    sentence, whole = SENTENCE[level], WHOLE[level]
    for completion in await ask("story", words=words, level=str(level), sentence=str(sentence), whole=str(whole)):
        text = completion.text.strip()
        said = re.findall(r"[\w'-]+", text.lower())
        missing = [w for w in re.split(r",\s*", words.lower()) if not any(s.startswith(w) for s in said)]
        longest = max(len(s.split()) for s in re.split(r"[.!?]+", text))
        if missing:
            yield completion.fail("a word is left out")
        elif longest > sentence or len(said) > whole:
            yield completion.fail("too hard for its level")
        else:
            yield completion.made(text, prompt=f"Tell a story with the words {words}.", text=text, level=level)
