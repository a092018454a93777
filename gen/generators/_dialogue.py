"""Documents to conversations."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...schema import Message
from .._generator import Ask, Fault, Item, generator
from .._text import choose_tag, is_refusal, leans_on_passage, locate_quote
from ._common import SAID, TEXT, Outcome, images_of, is_near_any, list_of, record, where_of

EXCHANGES = record(exchanges=list_of(record(user=SAID, assistant=SAID, quote=TEXT)))
SAME_QUESTION = 0.85
PEOPLE = (
    "a curious beginner", "a student before an examination", "a practitioner in a hurry", "a sceptic who asks for reasons",
    "a colleague from another field",
)  # fmt: skip


@generator(
    "dialogue", consumes=("text",),
    options={"exchanges": 3, "people": PEOPLE, "closed_book": True, "min_exchanges": 2, "min_chars": 80},
    templates=("dialogue", "grounded-dialogue"), yields=("messages", "quotes", "spans", "person"),
    most=lambda options, draws: (1, draws),
    source="grounded conversations, with the citing of backtranslate",
)  # fmt: skip
async def dialogue(item: Item, ask: Ask) -> Outcome:
    """Turn a text into a conversation of several exchanges in which each reply is proved by a quote of the text.

    A row's prompt is all messages but the last, its completion the last; ``fields.messages`` has them all. A
    conversation is cut before the first exchange that cannot be used, and dropped when fewer than ``min_exchanges``
    remain. With ``closed_book: false`` the trained prompt opens with the text.
    """
    text, options = item.text("text"), ask.options
    if len(text.strip()) < options["min_chars"] and not item.get("media"):
        yield Fault("text too short", text)
        return
    person = ask.random.choice(list(options["people"] or PEOPLE))
    completions = await ask.json(
        "dialogue", schema=EXCHANGES, text=text, tag=choose_tag(text), where=where_of(item), person=person,
        exchanges=options["exchanges"], **images_of(item, ask),
    )  # fmt: skip
    for completion in completions:
        for loss in completion.losses():
            yield loss
        if completion.value is None:
            continue
        sound, reason = _take_sound(completion.value["exchanges"], item, ask)
        if reason:
            yield completion.fail(reason, completion.value["exchanges"][len(sound)])
        if len(sound) < options["min_exchanges"]:
            yield completion.fail("too few exchanges")
            continue
        messages = _messages(sound, item, ask)
        yield completion.made(
            messages[-1]["content"], prompt=messages[:-1], messages=messages, quotes=[e["quote"] for e in sound],
            spans=[locate_quote(text, e["quote"]) for e in sound], person=person,
        )  # fmt: skip


def _take_sound(exchanges: list[dict[str, Any]], item: Item, ask: Ask) -> tuple[list[dict[str, Any]], str | None]:
    """Return the exchanges before the first unusable one, and what is wrong with that."""
    sound: list[dict[str, Any]] = []
    for exchange in exchanges:
        if reason := _find_fault(exchange, sound, item, ask):
            return sound, reason
        sound.append(exchange)
    return sound, None


def _find_fault(exchange: Mapping[str, Any], before: list[dict[str, Any]], item: Item, ask: Ask) -> str | None:
    if not exchange["user"].strip() or not exchange["assistant"].strip():
        return "empty turn"
    if is_refusal(exchange["assistant"]):
        return "refusal"
    if not item.get("media") and locate_quote(item.text("text"), exchange["quote"]) is None:
        return "quote not in the text"
    if ask.options["closed_book"] and leans_on_passage(f"{exchange['user']} {exchange['assistant']}"):
        return "turn leans on the passage"
    return "repeated turn" if is_near_any(exchange["user"], [e["user"] for e in before], SAME_QUESTION) else None


def _messages(exchanges: Sequence[Mapping[str, Any]], item: Item, ask: Ask) -> list[Message]:
    """Return the conversation; with an open book, its first message shows the text."""
    messages: list[Message] = []
    for exchange in exchanges:
        messages.append({"role": "user", "content": exchange["user"].strip()})
        messages.append({"role": "assistant", "content": exchange["assistant"].strip()})
    if ask.options["closed_book"]:
        return messages
    text, question = item.text("text"), messages[0]["content"]
    opening = ask.render(
        "grounded-dialogue", text=text, tag=choose_tag(text), question=question, **images_of(item, ask)
    )
    return [*opening, *messages[1:]]
