"""TRL's ``prompt``/``completion``, ``prompt``/``chosen``/``rejected`` and ``prompt``/``completion``/``label``.

Each is conversational (lists of messages) or plain (texts). The prompt of a preference row may be missing: it is then
what ``chosen`` and ``rejected`` begin with in common.
"""

from os.path import commonprefix
from typing import Any

from ...schema import Message
from ._base import Format
from ._messages import are_messages, arguments_as_objects, need_messages, need_prompt, need_tools
from ._record import DPO, KTO, PROMPT, SFT, Answer, BadRow, Record, Row, need_text, only_text, say

Said = str | list[Message]
"""What a column holds: a text, or messages."""

_SAYS_MORE = {"completions", "generations", "conversations", "messages", "instruction"}
"""Columns by which a row with a prompt is in another format."""
NO_LABELS = {"0", "false", "no", "bad", "undesirable"}
YES_LABELS = {"1", "true", "yes", "good", "desirable"}


class TRL(Format):
    """Prompt and completion, or a prompt alone.

    A prompt alone is recognised where no other column can be its completion: it is conversational, or the only text.
    """

    name = "trl"
    title = "TRL: prompt, completion (conversational or plain), or prompt alone"
    kinds = frozenset({SFT, PROMPT})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        if "prompt" not in row or "chosen" in row:
            return 0.0
        if "completion" in row:
            return float("label" not in row)
        texts = [k for k, v in row.items() if isinstance(v, str) and k != "tools"]
        is_alone = are_messages(row["prompt"]) or texts == ["prompt"]
        return 0.9 if is_alone and not _SAYS_MORE & row.keys() else 0.0

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        prompt = _said(row, "prompt")
        if "completion" not in row:
            return Record(need_prompt(_as_prompt(prompt), "prompt"), (), tools=need_tools(row), shape=_shape(prompt))
        answer = _answer(_said(row, "completion"))
        return Record(_as_prompt(prompt), (answer,), tools=need_tools(row), shape=_shape(prompt, row["completion"]))

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        row: Row = {"prompt": _spell_prompt(record)}
        if record.answers:
            row["completion"] = _spell(record, record.turns)
        return row if record.tools is None else row | {"tools": record.tools}


class TRLKTO(TRL):
    """Prompt, completion and whether it is desirable."""

    name = "trl-kto"
    title = "TRL KTO: prompt, completion, label (conversational or plain)"
    kinds = frozenset({KTO})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        return float({"prompt", "completion", "label"} <= row.keys()) if "chosen" not in row else 0.0

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        if "completion" not in row:
            raise BadRow("no column 'completion'")
        record = super().parse(row)
        answer = Answer(record.answers[0].turns, passed=need_label(row, "label"))
        return Record(record.prompt, (answer,), tools=record.tools, shape=record.shape)

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        return super().write(record) | {"label": record.answers[0].passed}


class TRLDPO(Format):
    """Prompt, chosen, rejected; ``shape`` says whether the prompt stands in the answers' columns too."""

    name = "trl-dpo"
    title = "TRL preference: prompt, chosen, rejected (conversational or plain; the prompt may be implicit)"
    kinds = frozenset({DPO})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        if not {"chosen", "rejected"} <= row.keys() or "conversations" in row or "instruction" in row:
            return 0.0
        return 1.0 if "prompt" in row else 0.8

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        chosen, rejected = _said(row, "chosen"), _said(row, "rejected")
        if isinstance(chosen, str) != isinstance(rejected, str):
            raise BadRow("one of 'chosen' and 'rejected' is text, the other is messages")
        explicit = _said(row, "prompt") if row.get("prompt") is not None else None
        shape = _shape(*([] if explicit is None else [explicit]), chosen)
        if explicit is None or _repeats(explicit, chosen, rejected):
            shape["prompt_in_answers"] = "only" if explicit is None else "too"
            explicit, chosen, rejected = _take_common(chosen, rejected)
        return Record(_as_prompt(explicit), (_answer(chosen), _answer(rejected)), True, need_tools(row), shape=shape)

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        where = record.shape.get("prompt_in_answers")
        before = record.prompt if where else ()
        row: Row = {} if where == "only" else {"prompt": _spell_prompt(record)}
        for column, answer in zip(("chosen", "rejected"), record.answers, strict=True):
            row[column] = _spell(record, (*before, *answer.turns))
        return row if record.tools is None else row | {"tools": record.tools}


def need_label(row: Row, column: str) -> bool:
    """Return a yes or no, spelled as a boolean, 0 or 1, or a word.

    Raises:
        BadRow: it is something else.
    """
    value = row.get(column)
    word = str(value).strip().lower()
    if word not in YES_LABELS | NO_LABELS:
        raise BadRow(f"{column!r} is {value!r}, expected true or false")
    return word in YES_LABELS


def _said(row: Row, column: str) -> Said:
    return need_messages(row[column], column) if isinstance(row.get(column), list) else need_text(row, column)


def _as_prompt(said: Said) -> tuple[Message, ...]:
    if isinstance(said, str):
        return ({"role": "user", "content": said},) if said else ()
    return tuple(said)


def _answer(said: Said) -> Answer:
    return say(said) if isinstance(said, str) else Answer(tuple(said))


def _shape(*said: Any) -> Row:
    plain = [isinstance(s, str) for s in said]
    return {"plain": True} if all(plain) else {"plain_prompt": True} if plain[0] else {}


def _repeats(prompt: Said, chosen: Said, rejected: Said) -> bool:
    """Say whether conversational answers begin with the prompt once more."""
    if isinstance(chosen, str) or isinstance(rejected, str):
        return False
    first = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return len(chosen) > len(first) and chosen[: len(first)] == first == rejected[: len(first)]


def _take_common(chosen: Said, rejected: Said) -> tuple[Said, Said, Said]:
    if isinstance(chosen, str) and isinstance(rejected, str):
        common: Said = commonprefix([chosen, rejected])  # noqa: RUF071 - of texts, not of paths
    else:
        same = [a == b for a, b in zip(chosen, rejected, strict=False)]
        n = same.index(False) if False in same else len(same)
        common = list(chosen[: min(n, len(chosen) - 1, len(rejected) - 1)])  # type: ignore[arg-type]
    return common, chosen[len(common) :], rejected[len(common) :]


def _spell_prompt(record: Record) -> Said:
    if record.shape.get("plain") or record.shape.get("plain_prompt"):
        return "".join(only_text(record.prompt[-1:], "a plain prompt"))
    return [arguments_as_objects(m) for m in record.prompt]


def _spell(record: Record, turns: tuple[Message, ...]) -> Said:
    if record.shape.get("plain"):
        return "".join(only_text(turns, "a plain completion"))
    return [arguments_as_objects(m) for m in turns]
