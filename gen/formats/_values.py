"""What a generator sees of an imported row: the row's own columns, and the names that generators ask for."""

from collections.abc import Iterator, Sequence
from typing import Any

from ...schema import Message
from ...store import Store
from ._load import Loaded, read_rows_of
from ._record import CannotWrite, Record, Row, text_of
from ._registry import find_format

RESERVED = frozenset({"problem_id", "media", "grounded", "question_images"})
"""Names that say of an item where it comes from: no column of a set can."""


def read_imported(store: Store, sample_ids: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Yield (sample id, values) of samples that an import made, and of prompts without one, by the ids of their requests.

    The values are the columns of the row as they stood in the file, and over them ``prompt`` (messages), ``completion``,
    ``format``, and where the row has them ``question`` (with ``question_images``), ``answer``, ``solution``, ``system``, ``tools``.
    """
    for loaded, ids in read_rows_of(store, sample_ids):
        shared = {**_columns(loaded), **_named(loaded)}
        for i, sample_id in enumerate(ids):
            yield sample_id, shared | _said(loaded.record, i)


def _columns(loaded: Loaded) -> Row:
    """Return the row as its file had it; nothing for a sample that is not its whole row."""
    if loaded.format is None:
        return {}
    try:
        row = loaded.written_as(find_format(loaded.format))
    except CannotWrite:
        return {}
    return {name: value for name, value in row.items() if name not in RESERVED}


def _named(loaded: Loaded) -> Row:
    record = loaded.record
    found: Row = {"prompt": list(record.prompt), "format": loaded.format, **_asked(record)}
    if record.problem is not None:
        found |= {"question": record.problem.question, "solution": record.problem.solution}
    if record.tools is not None:
        found["tools"] = record.tools
    return {name: value for name, value in found.items() if value is not None}


def _asked(record: Record) -> Row:
    """Return the question of a prompt of one turn, and what its system message says."""
    system = [m for m in record.prompt if m["role"] == "system"]
    turns = [m for m in record.prompt if m["role"] != "system"]
    found: Row = {"system": text_of(system[0].get("content"))} if system else {}
    if len(turns) == 1 and turns[0]["role"] == "user" and (images := _images_beside_text(turns[0])) is not None:
        found["question"] = text_of(turns[0]["content"])
        if images:
            found["question_images"] = images
    return found


def _images_beside_text(message: Message) -> list[str] | None:
    """Return the URLs of a message's images, none for one of text alone; None when it holds anything else."""
    content: Any = message.get("content")
    if isinstance(content, str):
        return []
    parts = [part for part in content or () if part.get("type") != "text"]
    urls = [str(url) for part in parts if (url := (part.get("image_url") or {}).get("url"))]
    return urls if len(urls) == len(parts) else None


def _said(record: Record, i: int) -> Row:
    """Return the completion; it is the answer too, unless the set itself calls it wrong. A prompt alone has neither."""
    if not record.answers:
        return {}
    answer = record.answers[i]
    if record.problem is not None:
        return {"completion": answer.text, "answer": record.problem.answer}
    is_wrong = answer.passed is False or (record.preferred and i > 0)
    return {"completion": answer.text, "answer": None if is_wrong else answer.text}
