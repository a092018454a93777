"""What several generators share: JSON schemas in short, where a chunk stands, what a chunk's images are."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ...errors import InputError
from ...llm import check_image
from ...prompts import with_images
from ...schema import Message
from .._generator import Ask, AskError, Completion, Fault, Item
from .._text import choose_tag, is_refusal, nearest

Outcome = AsyncIterator[Any]
"""What a generator yields: Made and Fault."""

TEXT: dict[str, Any] = {"type": "string"}
SAID: dict[str, Any] = {"type": "string", "minLength": 1}


def record(**members: Any) -> dict[str, Any]:
    """Return the JSON schema of a mapping with exactly these members."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def list_of(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of a list of at least one element."""
    return {"type": "array", "items": dict(shape), "minItems": 1}


def one_of(*words: str | None) -> dict[str, Any]:
    """Return the JSON schema of one word of a few."""
    return {"type": "string", "enum": list(words)}


def where_of(item: Item) -> str:
    """Return the title and headings that a chunk stands under, as one line; a dash without any."""
    title, headings = item.text("title"), item.text("headings")
    if headings.partition(" > ")[0] == title:
        return headings or "-"
    return " > ".join(p for p in (title, headings) if p)


def images_of(item: Item, ask: Ask) -> dict[str, Any]:
    """Return the ``images`` value of a template for a chunk that is an image; nothing for one that is not.

    Raises:
        AskError: the image's file is gone: the item becomes a drop.
    """
    media = item.text("media")
    if not media or media.startswith(("data:", "http:", "https:")):
        return {"images": [media]} if media else {}
    try:
        check_image(ask.folder / media)
        return {"images": [media]}
    except InputError as error:
        raise AskError("image cannot be read", str(error)) from None


QUESTION = "question-over-text"
"""Template of a question that is asked over a text."""


def question_of(item: Item, ask: Ask) -> dict[str, Any]:
    """Return the values ``question`` and ``images`` of a template: the question as it has to be asked, with the text and
    the images that it is about, where it was made to be asked over them.

    Raises:
        AskError: an image's file is gone: the item becomes a drop.
    """
    question, text = item.text("question"), item.text("text")
    if images := item.get("question_images"):
        return {"question": question, "images": list(images)}
    if not item.get("grounded"):
        return {"question": question}
    if text.strip():
        question = str(ask.render(QUESTION, text=text, tag=choose_tag(text), question=question)[-1]["content"])
    return {"question": question, **images_of(item, ask)}


def prompt_of(asked: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the prompt that is a question (of :func:`question_of`) alone."""
    return ({"role": "user", "content": with_images(asked["question"], asked.get("images", ()))},)


def is_near_any(text: str, others: Sequence[str], limit: float) -> bool:
    """Say whether ``text`` repeats one of ``others``: ROUGE-L of ``limit`` or more; 0 = disabled."""
    return bool(limit) and nearest(text, others) >= limit


def why_unfit(text: str, *, keep_refusals: bool = False) -> str | None:
    """Return why a text cannot be used as it is; None when it can. Where declining may be right, refusals are kept."""
    if not text.strip():
        return "empty"
    return "refusal" if not keep_refusals and is_refusal(text) else None


def is_cut(completion: Completion) -> bool:
    """Say whether a completion stopped at ``max_tokens``, before its end."""
    return completion.finish_reason == "length"


def sort_out(completions: Sequence[Completion], *, keep_refusals: bool = False) -> tuple[list[Completion], list[Fault]]:
    """Part completions that say something from those that are empty or decline."""
    reasons = [(c, why_unfit(c.text, keep_refusals=keep_refusals)) for c in completions]
    return [c for c, why in reasons if why is None], [c.fail(why) for c, why in reasons if why is not None]
