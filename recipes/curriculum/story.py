"""Stories with given words at a level of reading: a generator of a user's size."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

from flywheel.gen import Ask, Fault, Item, Made, generator

LEVELS = {1: (10, 90, 0.05), 2: (16, 180, 0.15), 3: (26, 400, 1.0)}
"""Most words of a sentence, of a story, and the largest share of words outside the vocabulary; names and given words are known."""
ENDS = re.compile(r"(?:'s|s|es|ed|d|ing|ly|er|est|y)$")


@generator("story", consumes=("words", "level"), options={"vocabulary": "vocabulary.txt"}, templates=("story",))
async def story(item: Item, ask: Ask) -> AsyncIterator[Made | Fault]:
    """Write a story; one that leaves out a word, or is too hard for its level, is a drop."""
    words, level = item.text("words"), int(str(item.get("level")))
    lines = Path(ask.folder, ask.options["vocabulary"]).read_text(encoding="utf-8").splitlines()
    known = {w for line in (words.lower(), *lines) if not line.startswith("#") for w in re.findall(r"[\w'-]+", line)}
    sentence, whole, unknown = LEVELS[level]
    for completion in await ask("story", words=words, level=str(level), sentence=str(sentence), whole=str(whole)):
        text = completion.text.strip()
        said = re.findall(r"[\w'-]+", text)
        strange = [s for s in said if s.islower() and not known & forms(s)]
        if any(not any(s.lower().startswith(w) for s in said) for w in re.split(r",\s*", words.lower())):
            yield completion.fail("a word is left out")
        elif max(len(s.split()) for s in re.split(r"[.!?]+", text)) > sentence or len(said) > whole:
            yield completion.fail("too long for its level")
        elif len(strange) > unknown * len(said):
            yield completion.fail("words beyond its level", ", ".join(strange))
        else:
            yield completion.made(text, prompt=f"Tell a story with the words {words}.", text=text)


def forms(word: str) -> set[str]:
    """Return a word and what it may be a form of: runs, making, tried, stopped."""
    stem = ENDS.sub("", word)
    return {word, stem, f"{stem}e", f"{stem}y", re.sub(r"i$", "y", stem), re.sub(r"(.)\1$", r"\1", stem)}
