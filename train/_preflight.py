"""Rows looked at before any training time is spent: what a trainer would misread is a drop with its reason.

A training set that is wrong as a whole (no such column, no chat template for its messages, nothing left) is refused. One
row that is wrong is dropped, the others are trained on. Kinds of faults:

``missing_columns mixed_types roles empty overlong identical chat_template unknown_label not_a_number images tools_without_calls
calls_without_tools text_only``

Nothing here loads torch: what needs the tokenizer is asked of a :class:`Renderer`.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..errors import InputError
from ._reasoning import strip_reasoning
from .methods import CLASSIFIER, Method

Row = dict[str, Any]
ROLES = ("system", "developer", "user", "assistant", "tool")
SHOWN_FAULTS = 4


class Renderer(Protocol):
    """What the model's tokenizer says of a text."""

    def render(self, row: Row, messages: Sequence[Row]) -> str:
        """Return messages by the chat template, with the tools of their row; raises ValueError where it refuses them."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        ...


@dataclass(frozen=True)
class Fault:
    """Why a row is left out."""

    ordinal: int
    kind: str
    reason: str


@dataclass(frozen=True)
class Demands:
    """What rows have to be.

    Attributes:
        method: what is trained.
        accept: kinds of faults that are let pass.
        labels: names of the classes; none = those that the rows hold.
        max_length: tokens; None = any.
        renderer: of a model with a chat template; None = rows are not rendered.
        needed: further columns, for example the reference of a reward.
        root: folder that paths of images start from.
        sees: the model reads images.
    """

    method: Method
    accept: Collection[str] = ()
    labels: Sequence[str] = ()
    max_length: int | None = None
    renderer: Renderer | None = None
    needed: Sequence[str] = ()
    root: Path = field(default_factory=Path)
    sees: bool = False


def check_rows(rows: Sequence[Row], demands: Demands) -> list[Fault]:
    """Return the fault of each row that must not be trained on.

    Raises:
        InputError: the rows are wrong as a whole, or none is left.
    """
    _check_columns(rows, demands)
    has_images = any(_images(row) for row in rows)
    usual = Counter(shape for row in rows if (shape := _shape(row))).most_common(1)
    faults: list[Fault] = []
    fitting: list[tuple[int, list[str]]] = []
    for ordinal, row in enumerate(rows):
        found = next(_faults_of(row, demands, has_images), None)
        shape = _shape(row)
        if found is None and (" beside " in shape or (shape and shape != usual[0][0])):
            found = ("mixed_types", f"{shape}, where other rows have {usual[0][0]}")
        texts: list[str] = []
        if found is None and not has_images:
            try:
                texts = list(_texts(row, demands))
            except ValueError as error:
                found = ("chat_template", f"wrong for the chat template: {error}")
        if found is None:
            fitting.append((ordinal, texts))
        else:
            faults.append(Fault(ordinal, *found))
    faults += _find_overlong(fitting, demands)
    if len(faults) == len(rows):
        raise _nothing_left(rows, faults, demands)
    return sorted(faults, key=lambda f: f.ordinal)


def _shape(row: Row) -> str:
    """Return how a row says what it says: a trainer takes all rows to be like the first."""
    said = {c: row[c] for c in ("prompt", "completion", "chosen", "rejected") if isinstance(row.get(c), str | list)}
    kinds = {"text" if isinstance(value, str) else "messages" for value in said.values()}
    return " beside ".join(sorted(kinds))


def _check_columns(rows: Sequence[Row], demands: Demands) -> None:
    """Refuse rows none of which has the columns that the method needs."""
    method = demands.method
    wanted = [(*columns, *demands.needed) for columns in method.columns]
    if any(_has(row, columns) for row in rows for columns in wanted):
        return
    seen = sorted({key for row in rows[:100] for key in row}) if rows else []
    missing = [c for c in wanted[0] if c not in seen]
    raise InputError(
        f"rows for {method.name}", expected="the columns " + ", or ".join(" + ".join(columns) for columns in wanted),
        received=f"{len(rows)} rows with {' + '.join(seen) or 'no column'}",
        cure=f"add {', '.join(missing) or 'values where they are null'}, rename what holds it, or choose another --method",
    )  # fmt: skip


def _has(row: Row, columns: Sequence[str]) -> bool:
    return all(row.get(c) is not None for c in columns)


def _faults_of(row: Row, demands: Demands, has_images: bool) -> Iterator[tuple[str, str]]:
    """Yield (kind, reason) for what is wrong with a row, the plainest first."""
    method = demands.method
    columns = next((c for c in method.columns if _has(row, (*c, *demands.needed))), None)
    if columns is None:
        missing = [c for c in (*method.columns[0], *demands.needed) if row.get(c) is None]
        yield "missing_columns", f"no {' and no '.join(missing)}"
        return
    if (bad := _find_nan(row)) is not None:
        yield "not_a_number", f"{bad} is no finite number"
    for column in columns:
        if column in ("prompt", *method.answers):
            yield from _fault_of_said(column, row[column])
    if not _accepts(demands, "identical") and "chosen" in columns and _plain(row["chosen"]) == _plain(row["rejected"]):
        yield "identical", "chosen and rejected are the same"
    yield from _fault_of_label(row, demands)
    yield from _fault_of_images(row, demands, has_images)
    yield from _fault_of_tools(row, columns, demands)


def _accepts(demands: Demands, kind: str) -> bool:
    return kind in demands.accept


def _find_nan(row: Row) -> str | None:
    """Return the first column that holds NaN or infinity, itself or in a list."""
    for column, value in row.items():
        values = value if isinstance(value, list) else [value]
        if any(isinstance(v, float) and not math.isfinite(v) for v in values):
            return column
    return None


def _fault_of_said(column: str, said: Any) -> Iterator[tuple[str, str]]:
    if isinstance(said, str):
        if column != "prompt" and not said.strip():
            yield "empty", f"{column} is empty"
        return
    if not isinstance(said, list) or not said or not all(isinstance(m, dict) for m in said):
        yield "roles", f"{column} is neither text nor messages"
        return
    roles = [m.get("role") for m in said]
    if unknown := [r for r in roles if r not in ROLES]:
        yield "roles", f"{column} has a message of {unknown[0]!r}; roles are {', '.join(ROLES)}"
    elif column == "prompt" and roles[-1] == "assistant":
        yield "roles", "prompt ends with an answer of the assistant"
    elif column not in ("prompt", "messages") and roles[0] != "assistant":
        yield "roles", f"{column} begins with a message of {roles[0]}, not of the assistant"
    elif column == "messages" and "assistant" not in roles:
        yield "roles", "messages has nothing that the assistant says"
    elif column != "prompt" and not any(_says(m) for m in said if m.get("role") == "assistant"):
        yield "empty", f"{column} is empty"


def _says(message: Row) -> bool:
    return bool(message.get("tool_calls")) or bool(_content(message).strip())


def _content(message: Row) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _plain(said: Any) -> Any:
    return said.strip() if isinstance(said, str) else [(_content(m).strip(), m.get("tool_calls")) for m in said]


def _fault_of_label(row: Row, demands: Demands) -> Iterator[tuple[str, str]]:
    if demands.method.name == "kto" and not isinstance(row["label"], bool):
        yield "unknown_label", f"label is {row['label']!r}; KTO knows true and false"
    if demands.method.model == CLASSIFIER and demands.labels and str(row["label"]) not in demands.labels:
        yield "unknown_label", f"label {row['label']!r} is none of {', '.join(demands.labels)}"


def _images(row: Row) -> list[Any]:
    found = row.get("images", row.get("image"))
    return [] if not found else found if isinstance(found, list) else [found]


def _fault_of_images(row: Row, demands: Demands, has_images: bool) -> Iterator[tuple[str, str]]:
    if not has_images:
        return
    images = _images(row)
    if images and not demands.sees:
        yield "images", "it has images, and the model reads only text"
    if not images and not _accepts(demands, "text_only"):
        yield "text_only", "no image, among rows that have one"
    for image in images:
        if not isinstance(image, str):
            yield "images", f"an image is {type(image).__name__}, not a path"
        elif fault := _open(demands.root / image):
            yield "images", f"image {image}: {fault}"
    places = sum(
        1 for m in _messages(row) if isinstance(m.get("content"), list)
        for part in m["content"] if isinstance(part, dict) and part.get("type") == "image"
    )  # fmt: skip
    if places and places != len(images):
        yield "images", f"{places} places for images, {len(images)} images"


def _open(path: Path) -> str | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.verify()
    except FileNotFoundError:
        return "no such file"
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        return str(error).split("\n")[0] or "cannot be read"
    return None


def _messages(row: Row) -> list[Row]:
    said = [row.get(c) for c in ("prompt", "completion", "messages", "chosen", "rejected")]
    return [m for value in said if isinstance(value, list) for m in value if isinstance(m, dict)]


def _fault_of_tools(row: Row, columns: Sequence[str], demands: Demands) -> Iterator[tuple[str, str]]:
    calls = any(m.get("tool_calls") for m in _messages(row))
    if row.get("tools") and demands.method.answers and not calls and not _accepts(demands, "tools_without_calls"):
        yield "tools_without_calls", "tools are offered, and no message calls one"
    if calls and not row.get("tools"):
        yield "calls_without_tools", "a tool is called, and none is offered"


def _texts(row: Row, demands: Demands) -> Iterator[str]:
    """Yield what the trainer reads of a row, once for each answer.

    Raises:
        ValueError: the chat template refuses it, or loses the answer.
    """
    answers = [c for c in demands.method.answers if row.get(c) is not None]
    prompt = row.get("prompt") if answers != ["messages"] else None
    for column in answers or [c for c in ("prompt",) if c in row]:
        said = row[column]
        if isinstance(said, str):
            yield (prompt if isinstance(prompt, str) else "") + said
        elif demands.renderer is not None:
            before = prompt if isinstance(prompt, list) and column != "prompt" else []
            text = demands.renderer.render(row, [*before, *said])
            answer = strip_reasoning(_content(said[-1])).strip()
            if said[-1].get("role") == "assistant" and answer not in text:
                raise ValueError("it leaves the answer out")
            yield text


def _find_overlong(rows: Sequence[tuple[int, list[str]]], demands: Demands) -> list[Fault]:
    limit = demands.max_length
    if limit is None or demands.renderer is None or _accepts(demands, "overlong"):
        return []
    # a token is a byte or more: a text of few bytes need not be counted
    long = [(ordinal, text) for ordinal, texts in rows for text in texts if len(text.encode()) > limit]
    counted: dict[int, int] = {}
    for (ordinal, _), n in zip(long, demands.renderer.count([text for _, text in long]) if long else [], strict=True):
        counted[ordinal] = max(n, counted.get(ordinal, 0))
    return [
        Fault(o, "overlong", f"{n} tokens, more than max_length = {limit}") for o, n in counted.items() if n > limit
    ]


def _nothing_left(rows: Sequence[Row], faults: Sequence[Fault], demands: Demands) -> InputError:
    reasons = Counter(f.reason for f in faults).most_common(SHOWN_FAULTS)
    return InputError(
        f"rows for {demands.method.name}", expected="rows that can be trained on",
        received=f"{len(rows)} rows, none of them: " + "; ".join(f"{n} × {reason}" for reason, n in reasons),
        cure="mend the rows, or let the kind pass with train.accept where it is meant",
    )  # fmt: skip
