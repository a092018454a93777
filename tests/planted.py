"""Evaluation items in disguise, and rows in which they are hidden: what tests and bench/decontaminate.py plant."""

import json
import random
import re

from flywheel.judge import EvalText
from flywheel.seed import generate

NEW_NAMES = """
    Aurelio Beatrix Caspian Delphine Evander Fiorella Gideon Hermione Ignatius Jocasta Kenji Leocadia Matthias Nerissa
    Octavio Perpetua Quentin Rosalind Sebastian Theodora Ulysses Valeria Wolfgang Xanthe Yevgeny Zipporah
"""
NO_NAMES = """
    The A An In It Is He She They There This That At On If When How What Which Each Every For After Before Some Two Three
    Half His Her Their During By As To From While With And But So Then Since Because Given Assuming Calculate Find Mr Mrs Ms Dr
"""
"""Capitalised words that a planter leaves alone."""


def read_lines(path):
    """Return the lines of a JSONL file; U+2028 ends none."""
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def read_items(shared, n=200, skip=0, *, fewest_words=0):
    """Return ``n`` GSM8K and ``n`` FEVER items of the shared data, each FEVER claim once."""
    questions = [json.loads(line)["question"] for line in read_lines(shared / "gsm8k/test.jsonl")]
    claims = dict.fromkeys(json.loads(line)["claim"] for line in read_lines(shared / "fever/paper_dev.jsonl"))
    claims = [c for c in claims if len(c.split()) >= fewest_words]
    out = [EvalText("gsm8k", "test", f"g{i}", q) for i, q in enumerate(questions[skip : skip + n])]
    return out + [EvalText("fever", "dev", f"f{i}", c) for i, c in enumerate(claims[skip : skip + n])]


def make_rows(n, seed=0):
    """Return ``n`` generated rows: problems of the seed's world with their solutions."""
    source = generate("loop", seed, {1: 0.3, 2: 0.4, 3: 0.3})
    return [f"{p.question}\n{p.answer}" for _, p in zip(range(n), source, strict=False)]


def respace(text, rng):
    """Change white space as generators, converters and tokenisers do; no letter and no digit changes."""
    ways = [
        lambda t: re.sub(" ", lambda _: rng.choice(["  ", " ", "\t", "\u00a0", "\u2009 "]), t),
        lambda t: re.sub(r"([.?!,]) ", r"\1\n", t),
        lambda t: re.sub(r"\s*([.?!,;:$%'’/-])\s*", r" \1 ", t),
        lambda t: re.sub(r"\s*([.?!,;:$%'’/-])\s*", r"\1", t),
        lambda t: "\n".join(t[i : i + 40] for i in range(0, len(t), 40)),
        lambda t: t.replace(" ", "\u200b "),
    ]
    return rng.choice(ways)(text)


def recase(text, rng):
    """Change the case of all letters."""
    return rng.choice([str.upper, str.lower, str.title, str.swapcase])(text)


def names_in(texts):
    """Return the capitalised words that stand nowhere in lower case."""
    lower = {w for t in texts for w in re.findall(r"\b[a-z]+", t)}
    words = {w for t in texts for w in re.findall(r"\b[A-Z][a-z]+", t)}
    return {w for w in words - set(NO_NAMES.split()) if w.lower() not in lower}


def rename(text, rng, names):
    """Give every name another one, the same for the same; numbers and all other words stay."""
    new = dict(zip(sorted(names), rng.sample(NEW_NAMES.split() * 50, len(names)), strict=True))
    return re.sub(r"\b[A-Z][a-z]+\b", lambda m: new.get(m[0], m[0]), text)


def embed(text, rng, rows):
    """Put the text inside a longer one."""
    before, after = rng.sample(rows, 2)
    glue = rng.choice([" ", "\n", "\n\n", ' "'])
    return f"{before}{glue}{text}{glue}{after}"


def plant(items, rows, seed=0):
    """Yield (kind, item, text) for each item and kind; ``rows`` surround what is embedded."""
    rng = random.Random(seed)
    names = names_in([i.text for i in items])
    for item in items:
        yield "verbatim", item, f"{item.text}\nThe answer is {rng.randrange(100)}."
        yield "re-spaced", item, respace(item.text, rng)
        yield "re-cased", item, recase(item.text, rng)
        yield "embedded", item, embed(item.text, rng, rows)
        renamed = rename(item.text, rng, names)
        if renamed != item.text:
            yield "renamed", item, renamed
