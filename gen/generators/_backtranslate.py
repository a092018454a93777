"""Documents to questions: instruction/answer pairs whose answer stands in the text, with the passage that proves it."""

import asyncio
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from .._generator import Ask, Completion, Fault, Item, Made, generator
from .._text import choose_tag, is_refusal, leans_on_passage, locate_quote, words_of
from ._common import SAID, TEXT, Outcome, images_of, is_near_any, list_of, record, where_of

TYPES = (
    "factual", "definition", "why", "how", "comparison", "inference", "application", "multi-hop", "cause and effect",
    "yes or no with the reason", "list", "what if",
)  # fmt: skip
DIFFICULTIES = ("easy", "medium", "hard")
SAME_QUESTION = 0.85
"""ROUGE-L from which two questions on one chunk are the same."""

MIN_QUOTE_WORDS = 3
MIN_SHARED = 0.25
"""Least share of an answer's words that the text or the question must have, by their first five letters."""

PAIRS = record(pairs=list_of(record(type=TEXT, difficulty=TEXT, quote=TEXT, question=SAID, answer=TEXT)))
INSTRUCTION = record(instruction=TEXT, suitable={"type": "boolean"}, reason=TEXT)
CHECK = record(reason=TEXT, answerable={"type": "boolean"})


@generator(
    "backtranslate", consumes=("text",),
    options={
        "style": "qa", "pairs": 3, "types": TYPES, "difficulties": DIFFICULTIES, "closed_book": True, "check": "code",
        "min_chars": 80,
    },
    choices={"style": ("qa", "instruction"), "check": ("code", "model"), "difficulties": DIFFICULTIES},
    templates=("backtranslate-qa", "backtranslate-instruction", "backtranslate-check", "grounded-question"),
    yields=("question", "answer", "quote", "quote_start", "quote_end", "type", "difficulty", "grounded"),
    most=lambda options, draws: _most(options, draws),
    source="Humpback (Li et al. 2023, arXiv 2308.06259) for style: instruction; extractive QA for style: qa",
)  # fmt: skip
async def backtranslate(item: Item, ask: Ask) -> Outcome:
    """Ask what a text answers: chunk → questions (``qa``) or the one instruction (``instruction``) whose answer it holds.

    ``qa`` asks for ``pairs`` questions, each of its own type and difficulty, dealt out in turn from a seeded start, so
    that a set of chunks gets all of them evenly. Each answer must be proved by a quote, which is looked for in the text
    (``quote_start``, ``quote_end`` are offsets in it), and must share words with the text. ``instruction`` takes the text itself as the answer.

    Questions that speak of "the passage" are dropped when the trained prompt does not show it (``closed_book``). Without
    ``closed_book`` they are ``grounded``: steps that follow ask them over the text. With
    ``check: model`` a second request must find each question answerable from the text alone.
    """
    text, options = item.text("text"), ask.options
    if len(text.strip()) < options["min_chars"] and not item.get("media"):
        yield Fault("text too short", text)
        return
    make = _ask_pairs if options["style"] == "qa" else _ask_instruction
    async for outcome in make(item, ask):
        yield outcome


def _most(options: Mapping[str, Any], draws: int) -> tuple[int, int]:
    rows = draws * (options["pairs"] if options["style"] == "qa" else 1)
    return 1 + (rows if options["check"] == "model" else 0), rows


async def _ask_pairs(item: Item, ask: Ask) -> Outcome:
    text = item.text("text")
    completions = await ask.json(
        "backtranslate-qa", schema=PAIRS, text=text, tag=choose_tag(text), where=where_of(item), plan=_deal(ask),
        **images_of(item, ask),
    )  # fmt: skip
    seen: list[str] = []
    for completion in completions:
        for loss in completion.losses():
            yield loss
        if completion.value is None:
            continue
        sound = []
        for pair in completion.value["pairs"]:
            if (reason := _find_fault(pair, item, ask.options, seen)) is None:
                seen.append(pair["question"])
                sound.append(pair)
            else:
                yield completion.fail(reason, pair)
        for pair, verdict in zip(sound, await _check(sound, item, ask), strict=True):
            yield completion.fail(verdict, pair) if verdict else _make_pair(completion, pair, item, ask)


def _deal(ask: Ask) -> str:
    """Return the questions to ask, one a line: types and difficulties in turn from a random place."""
    types, difficulties = ask.options["types"] or TYPES, ask.options["difficulties"] or DIFFICULTIES
    first, second = ask.random.randrange(len(types)), ask.random.randrange(len(difficulties))
    return "\n".join(
        f"{i + 1}. type: {types[(first + i) % len(types)]}; difficulty: {difficulties[(second + i) % len(difficulties)]}"
        for i in range(ask.options["pairs"])
    )


def _find_fault(pair: Mapping[str, Any], item: Item, options: Mapping[str, Any], seen: Sequence[str]) -> str | None:
    """Return why a pair cannot be used, as far as code can tell."""
    question, answer = pair["question"], pair["answer"]
    if not answer.strip():
        return "empty answer"
    if is_refusal(answer) or is_refusal(question):
        return "refusal"
    if not item.get("media") and (reason := _find_unproved(pair, item.text("text"))):
        return reason
    if options["closed_book"] and leans_on_passage(question):
        return "question leans on the passage"
    if (
        answer.strip().casefold() in question.casefold()
        and len(answer) > 3
        and not pair["type"].startswith(("yes", "comp"))
    ):
        return "question gives the answer away"
    return "duplicate question" if is_near_any(question, seen, SAME_QUESTION) else None


def _find_unproved(pair: Mapping[str, Any], text: str) -> str | None:
    """Return why a quote cannot prove an answer: it is not there, too short, or the answer speaks of other things."""
    quote = locate_quote(text, pair["quote"])
    if quote is None:
        return "quote not in the text"
    if len(words_of(text[slice(*quote)])) < min(MIN_QUOTE_WORDS, len(words_of(text))):
        return "quote too short"
    said = {_stem(word) for word in words_of(pair["answer"]) if len(word) > 3 and not word.isdigit()}
    known = {_stem(word) for word in words_of(text)} | {_stem(word) for word in words_of(pair["question"])}
    return "answer not from the text" if said and len(said & known) < MIN_SHARED * len(said) else None


def _stem(word: str) -> str:
    return word[:5]


async def _check(pairs: Sequence[Mapping[str, Any]], item: Item, ask: Ask) -> list[str]:
    """Return for each pair why a second look finds it unanswerable; empty text where it does not."""
    if ask.options["check"] != "model":
        return [""] * len(pairs)
    return list(await asyncio.gather(*(_check_one(pair, item, ask) for pair in pairs)))


async def _check_one(pair: Mapping[str, Any], item: Item, ask: Ask) -> str:
    text = item.text("text")
    (verdict,) = await ask.json(
        "backtranslate-check", schema=CHECK, n=1, temperature=0.0, text=text, tag=choose_tag(text),
        question=pair["question"], answer=pair["answer"], **images_of(item, ask),
    )  # fmt: skip
    if verdict.value is None:
        return "check not parsed"
    return "" if verdict.value["answerable"] else "not answerable from the text"


def _find_label(said: str, asked: Sequence[str]) -> str | None:
    """Return the one of the labels asked for that a model means; None when it is none of them."""
    by_word = {label.casefold(): label for label in asked}
    word = said.strip().casefold()
    near = [known for known in by_word if len(word) > 2 and (known.startswith(word) or word.startswith(known))]
    near = near or get_close_matches(word, by_word, n=1)
    return by_word[near[0]] if near else None


def _make_pair(completion: Completion, pair: Mapping[str, Any], item: Item, ask: Ask) -> Made:
    """Make the row; a grounded answer ends with the words of the text that prove it."""
    text, answer = item.text("text"), pair["answer"].strip()
    start, end = locate_quote(text, pair["quote"]) or (None, None)
    quote = text[start:end] if start is not None else pair["quote"]
    fields = {
        "question": pair["question"].strip(), "answer": answer, "quote": quote, "quote_start": start, "quote_end": end,
        "type": _find_label(pair["type"], ask.options["types"] or TYPES),
        "difficulty": _find_label(pair["difficulty"], ask.options["difficulties"] or DIFFICULTIES),
        "grounded": not ask.options["closed_book"],
    }  # fmt: skip
    if ask.options["closed_book"]:
        return completion.made(answer, prompt=fields["question"], **fields)
    prompt = ask.render(
        "grounded-question", text=text, tag=choose_tag(text), question=fields["question"], **images_of(item, ask)
    )
    return completion.made(f"{answer}\n\nSource: “{' '.join(quote.split())}”", prompt=prompt, **fields)


async def _ask_instruction(item: Item, ask: Ask) -> Outcome:
    """Humpback: the text is the answer; what was the instruction?"""
    text = item.text("text")
    completions = await ask.json(
        "backtranslate-instruction", schema=INSTRUCTION, text=text, tag=choose_tag(text), where=where_of(item),
        **images_of(item, ask),
    )  # fmt: skip
    seen: list[str] = []
    for completion in completions:
        for loss in completion.losses():
            yield loss
        if completion.value is None:
            continue
        instruction = completion.value["instruction"].strip()
        pair = {"question": instruction, "answer": text, "quote": text, "type": "instruction", "difficulty": None}
        if not completion.value["suitable"]:
            yield completion.fail("text does not stand alone")
        elif not instruction or is_refusal(instruction):
            yield completion.fail("empty instruction")
        elif leans_on_passage(instruction):
            yield completion.fail("question leans on the passage")
        elif is_near_any(instruction, seen, SAME_QUESTION):
            yield completion.fail("duplicate question")
        elif reason := (await _check([pair], item, ask))[0]:
            yield completion.fail(reason)
        else:
            seen.append(instruction)
            yield completion.made(text.strip(), prompt=instruction, **pair, quote_start=0, quote_end=len(text))
