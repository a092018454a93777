r"""HH-RLHF: ``chosen`` and ``rejected`` as whole transcripts, ``\n\nHuman: … \n\nAssistant: …``."""

import re
from collections.abc import Sequence

from ...schema import Message
from ._base import Format
from ._record import DPO, Answer, BadRow, CannotWrite, Record, Row, need_text, only_text

HUMAN, ASSISTANT = "Human", "Assistant"
_TURN = re.compile(rf"\n\n({HUMAN}|{ASSISTANT}):")
_OPENING = re.compile(rf"^\n\n({HUMAN}|{ASSISTANT}):")


class Transcript(Format):
    """The turns that both transcripts begin with are the prompt; a turn's text keeps its spaces as they are."""

    name = "hh-rlhf"
    title = "HH-RLHF transcripts: chosen and rejected, each \\n\\nHuman: … \\n\\nAssistant: …"
    kinds = frozenset({DPO})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        texts = [row.get("chosen"), row.get("rejected")]
        return float(all(isinstance(t, str) and _OPENING.match(t) for t in texts))

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        chosen, rejected = (_read(need_text(row, c), c) for c in ("chosen", "rejected"))
        n = 0
        while n < min(len(chosen), len(rejected)) - 1 and chosen[n] == rejected[n]:
            n += 1
        return Record(tuple(chosen[:n]), (_answer(chosen[n:], "chosen"), _answer(rejected[n:], "rejected")), True)

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        if record.tools:
            raise CannotWrite("hh-rlhf has no place for tools")
        chosen, rejected = record.answers
        return {
            "chosen": _spell((*record.prompt, *chosen.turns)),
            "rejected": _spell((*record.prompt, *rejected.turns)),
        }


def _read(text: str, column: str) -> list[Message]:
    if not _OPENING.match(text):
        raise BadRow(f"{column!r} does not begin with '\\n\\n{HUMAN}:'")
    parts = _TURN.split(text)[1:]
    roles = {HUMAN: "user", ASSISTANT: "assistant"}
    return [
        {"role": roles[who], "content": said.removeprefix(" ")}
        for who, said in zip(parts[::2], parts[1::2], strict=True)
    ]


def _answer(turns: Sequence[Message], column: str) -> Answer:
    if not any(m["role"] == "assistant" for m in turns):
        raise BadRow(f"{column!r} does not end in words of the assistant")
    return Answer(tuple(turns))


def _spell(turns: Sequence[Message]) -> str:
    texts = only_text(turns, "a transcript")
    names = {"user": HUMAN, "assistant": ASSISTANT}
    if any(m["role"] not in names for m in turns):
        raise CannotWrite("hh-rlhf knows only Human and Assistant")
    return "".join(f"\n\n{names[m['role']]}: {text}" for m, text in zip(turns, texts, strict=True))
