"""Rows looked at before any training time is spent: what a trainer would misread is a drop with its reason.

A training set that is wrong as a whole (no such column, no chat template for its messages, nothing left) is refused. One
row that is wrong is dropped, the others are trained on. Kinds of faults:

``missing_columns mixed_columns mixed_types not_text roles empty turns overlong identical chat_template template_marks unknown_label
not_a_number images tools_without_calls calls_without_tools text_only held_out``

Nothing here loads torch: what needs the tokenizer is asked of a :class:`Renderer`.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..errors import InputError
from ..schema import find_marks, is_blank
from ._form import SAID, Form, Row, columns_of, find_form, has, images_of, shape_of
from ._reasoning import strip_reasoning
from ._said import fault_of_said, kind_of
from ._unseen import Unseen
from .methods import CLASSIFIER, SEQ2SEQ, Method, content_of, text_of

SHOWN_FAULTS = 4
ACCEPTED = ("overlong", "identical", "turns", "template_marks", "tools_without_calls", "text_only")
"""Kinds that ``train.accept`` lets pass."""
_HOLD_OTHERS = "hold other rows out than are trained on: a slice of the file under each key, as rows.jsonl[0:900] and rows.jsonl[900:1000]"
_MARKS = 4
"""Most tokens that a tokenizer adds to a text of its own accord."""


class Renderer(Protocol):
    """What the model's tokenizer says of a text."""

    def render(self, row: Row, messages: Sequence[Row]) -> str:
        """Return messages by the chat template, with the tools of their row; raises ValueError where it refuses them."""
        ...

    def owns(self, mark: str) -> bool:
        """Say whether the chat template writes a mark, or the tokenizer has it as a token of its own; any, where there is no template."""
        ...

    def count(self, texts: Sequence[str], *, plain: bool) -> list[int]:
        """Return the number of tokens of each text; a plain one, which no template has made, gets the tokenizer's own marks."""
        ...

    def count_images(self, files: Sequence[Path]) -> int:
        """Return the number of tokens that the model reads images as; 0 where its processor does not say."""
        ...


@dataclass(frozen=True)
class Limit:
    """Most tokens that a text may have, and what says so."""

    tokens: int
    words: str


@dataclass(frozen=True)
class Fault:
    """Why a row is left out: a reason that many rows may share, and what it rests on in this one."""

    ordinal: int
    kind: str
    reason: str
    evidence: str | None = None


@dataclass(frozen=True)
class Demands:
    """What rows have to be.

    Attributes:
        method: what is trained.
        accept: kinds of faults that are let pass.
        labels: names of the classes; none = those that the rows hold.
        limits: by column, or under an empty name of a row as a whole; what is not named may be any length.
        renderer: the model's; None = rows are neither rendered nor counted.
        needed: further columns, for example the reference of a reward.
        root: folder that paths of images start from.
        sees: the model reads images.
        form: what the rows have to be like; None = as most of them.
        unseen: rows that are measured on; None = none are.
        what: how they are called in errors.
    """

    method: Method
    accept: Collection[str] = ()
    labels: Sequence[str] = ()
    limits: Mapping[str, Limit] = field(default_factory=dict)
    renderer: Renderer | None = None
    needed: Sequence[str] = ()
    root: Path = field(default_factory=Path)
    sees: bool = False
    form: Form | None = None
    unseen: Unseen | None = None
    what: str = "rows"

    @property
    def sets(self) -> list[tuple[str, ...]]:
        """The sets of columns that are read, one of which each row must have."""
        return [(*columns, *self.needed) for columns in self.method.columns]

    @property
    def place(self) -> str:
        """How an error names the rows."""
        return f"{self.what} for {self.method.name}"


def check_rows(rows: Sequence[Row], demands: Demands) -> list[Fault]:
    """Return the fault of each row that must not be trained on.

    Raises:
        InputError: the rows are wrong as a whole, or none is left, or of KTO's only one label.
    """
    form = form_of(rows, demands)
    faults = find_row_faults(rows, demands, form)
    refuse_whole(len(rows), faults, demands)
    if demands.method.name == "kto":
        _check_both_labels(rows, {f.ordinal for f in faults})
    return faults


def find_row_faults(rows: Sequence[Row], demands: Demands, form: Form) -> list[Fault]:
    """Return the fault of each of some rows, all of which may have one."""
    faults: list[Fault] = []
    fitting: list[_Sized] = []
    for ordinal, row in enumerate(rows):
        found = next(_faults_of(row, demands, form), None)
        texts: list[tuple[str, str]] = []
        if found is None:
            try:
                texts = list(_texts(row, demands, form))
            except ValueError as error:  # of a row with images the trainer writes the messages anew
                found = None if form.images else ("chat_template", f"wrong for the chat template: {error}")
        if found is None:
            fitting.append(_Sized(ordinal, texts, _count_images(row, demands, form)))
        else:
            faults.append(Fault(ordinal, *found))
    faults += _find_overlong(fitting, demands, plain=form.shape != "messages" and "messages" not in form.columns)
    return sorted(faults, key=lambda f: f.ordinal)


def refuse_whole(n: int, faults: Sequence[Fault], demands: Demands) -> None:
    """Refuse rows none of which can be trained on.

    Raises:
        InputError: says why, and for how many each.
    """
    if len(faults) == n:
        raise _nothing_left(n, faults, demands)


@dataclass(frozen=True)
class _Sized:
    """A row's texts, with their columns, and the tokens that its images take besides the places that the texts have for them."""

    ordinal: int
    texts: list[tuple[str, str]]
    of_images: int


def _count_images(row: Row, demands: Demands, form: Form) -> int:
    if demands.renderer is None or not form.images or not demands.limits:
        return 0
    places = sum(1 for part in _parts(row, form) if part.get("type") == "image")
    n = demands.renderer.count_images([demands.root / image for image in images_of(row)])
    return max(0, n - places)


def form_of(rows: Sequence[Row], demands: Demands) -> Form:
    """Return what rows have to be like: what is demanded, or what most of them are.

    Raises:
        InputError: none has the columns that the method needs.
    """
    form = demands.form or find_form(rows, demands.sets, sees=demands.sees)
    if form is None or not any(has(row, form.columns) for row in rows):
        raise _no_columns(rows, demands)
    return form


def _no_columns(rows: Sequence[Row], demands: Demands) -> InputError:
    wanted = demands.sets if demands.form is None else [demands.form.columns]
    seen = sorted({key for row in rows[:100] for key in row}) if rows else []
    missing = [c for c in wanted[0] if c not in seen]
    return InputError(
        demands.place, expected="the columns " + ", or ".join(" + ".join(columns) for columns in wanted),
        received=f"{len(rows)} rows with {' + '.join(seen) or 'no column'}",
        cure=f"add {', '.join(missing) or 'values where they are null'}, rename what holds it, or choose another --method",
    )  # fmt: skip


def _faults_of(row: Row, demands: Demands, form: Form) -> Iterator[tuple[str, ...]]:
    """Yield kind, reason, and evidence if there is some, for what is wrong with a row, the plainest first."""
    columns = form.columns
    if columns not in columns_of(row, demands.sets):
        yield _fault_of_columns(row, demands, columns)
        return
    if (bad := _find_nan(row)) is not None:
        yield "not_a_number", f"{bad} is no finite number"
    for column in columns:
        if column in (*SAID, "messages", "text"):
            said = fault_of_said(column, row[column], is_whole="prompt" not in columns)
            yield from (fault for fault in said if not _accepts(demands, fault[0]))
    if demands.method.model == SEQ2SEQ and is_blank(text_of(row["completion"])):
        yield "empty", "completion has no text"
    shape = shape_of(row, columns)
    if shape != form.shape:
        yield "mixed_types", f"{shape}, where other rows have {form.shape}"
    if not _accepts(demands, "identical") and "chosen" in columns and _plain(row["chosen"]) == _plain(row["rejected"]):
        yield "identical", "chosen and rejected are the same"
    yield from _fault_of_label(row, demands)
    yield from _fault_of_images(row, demands, form)
    yield from _fault_of_tools(row, demands, form)
    if demands.unseen is not None and (number := demands.unseen.find(row)) is not None:
        yield "held_out", "it is a row of train.heldout, on which is measured", f"row {number}"
    if not _accepts(demands, "template_marks"):
        yield from _fault_of_marks(row, demands, form)


def _fault_of_columns(row: Row, demands: Demands, columns: Sequence[str]) -> tuple[str, str]:
    others = columns_of(row, demands.sets)
    if others:
        return "mixed_columns", f"{' + '.join(others[0])}, where other rows have {' + '.join(columns)}"
    return "missing_columns", f"no {' and no '.join(c for c in columns if row.get(c) is None)}"


def _check_both_labels(rows: Sequence[Row], bad: Collection[int]) -> None:
    """Refuse rows of one label for KTO: it learns from how completions of the two differ.

    Raises:
        InputError: says how many rows of which label there are.
    """
    labels = {row["label"] for i, row in enumerate(rows) if i not in bad}
    if len(labels) == 2:
        return
    (label,) = labels
    dropped = f", {len(bad)} more dropped" if bad else ""
    n = len(rows) - len(bad)
    raise InputError(
        "rows for kto", expected="rows with label true and rows with label false: KTO learns from how the two differ",
        received=f"{n} row{'s' * (n != 1)}, all with label {str(label).lower()}{dropped}",
        cure=f"add rows with label {str(not label).lower()}, or train on completions that are all right by --method sft",
    )  # fmt: skip


def _accepts(demands: Demands, kind: str) -> bool:
    return kind in demands.accept


def _find_nan(row: Row) -> str | None:
    """Return the first column that holds NaN or infinity, itself or in a list."""
    for column, value in row.items():
        values = value if isinstance(value, list) else [value]
        if any(isinstance(v, float) and not math.isfinite(v) for v in values):
            return column
    return None


def _plain(said: Any) -> Any:
    return said.strip() if isinstance(said, str) else [(content_of(m).strip(), m.get("tool_calls")) for m in said]


def _fault_of_label(row: Row, demands: Demands) -> Iterator[tuple[str, str]]:
    if demands.method.name == "kto" and not isinstance(row["label"], bool):
        yield "unknown_label", f"label is {row['label']!r}; KTO knows true and false"
    if demands.method.model != CLASSIFIER:
        return
    label = row["label"]
    if not isinstance(label, str | int | float):
        yield "unknown_label", f"label is {kind_of(label)}"
    elif is_blank(str(label)):
        yield "empty", "label is empty"
    elif demands.labels and str(label) not in demands.labels:
        yield "unknown_label", f"label {label!r} is none of {', '.join(demands.labels)}"


def _fault_of_images(row: Row, demands: Demands, form: Form) -> Iterator[tuple[str, str]]:
    images = images_of(row)
    linked = any(part.get("type") == "image_url" for part in _parts(row, form))
    if (images or linked) and not demands.sees:
        yield "images", "it has images, and the model reads only text"
    elif linked:
        yield "images", "an image stands in a message as image_url; a training reads the files of the column images"
    if not form.images:
        return
    if not images and not _accepts(demands, "text_only"):
        yield "text_only", "no image, among rows that have one"
    for image in images:
        if not isinstance(image, str):
            yield "images", f"an image is {type(image).__name__}, not a path"
        elif fault := _open(demands.root / image):
            yield "images", f"image {image}: {fault}"
    places = sum(1 for part in _parts(row, form) if part.get("type") == "image")
    if places and places != len(images):
        yield "images", f"{places} places for images, {len(images)} images"


def _parts(row: Row, form: Form) -> Iterator[Row]:
    """Yield the parts of the messages whose content is in parts."""
    for message in _messages(row, form):
        if isinstance(message.get("content"), list):
            yield from (part for part in message["content"] if isinstance(part, dict))


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


def _messages(row: Row, form: Form) -> list[Row]:
    said = [row.get(c) for c in form.columns if c in (*SAID, "messages")]
    return [m for value in said if isinstance(value, list) for m in value if isinstance(m, dict)]


def _fault_of_tools(row: Row, demands: Demands, form: Form) -> Iterator[tuple[str, str]]:
    calls = any(m.get("tool_calls") for m in _messages(row, form))
    if row.get("tools") and demands.method.answers and not calls and not _accepts(demands, "tools_without_calls"):
        yield "tools_without_calls", "tools are offered, and no message calls one"
    if calls and not row.get("tools"):
        yield "calls_without_tools", "a tool is called, and none is offered"


def _fault_of_marks(row: Row, demands: Demands, form: Form) -> Iterator[tuple[str, str]]:
    """Yield what another chat template than the model's wrote: to the model it is neither a turn's end nor a word."""
    if demands.renderer is None or demands.method.model in (SEQ2SEQ, CLASSIFIER):
        return
    for where, text in _places(row, form):
        for mark, template in find_marks(text):
            if not demands.renderer.owns(mark):
                yield (
                    "template_marks",
                    f"{where} holds {mark} of the chat template of {template}; the model's own has none such",
                )


def _places(row: Row, form: Form) -> Iterator[tuple[str, str]]:
    """Yield each text of a row with where it stands: a column, or a turn of one."""
    for column in form.columns:
        said = row[column]
        if column not in (*SAID, "messages", "text"):
            continue
        if isinstance(said, str):
            yield column, said
        else:
            yield from ((f"{column}, turn {i}:", content_of(m)) for i, m in enumerate(said, 1))


def _texts(row: Row, demands: Demands, form: Form) -> Iterator[tuple[str, str]]:
    """Yield what the trainer reads of a row, with its column: once for each answer, the prompt before it.

    An encoder-decoder reads prompt and answer each by itself.

    Raises:
        ValueError: the chat template refuses it, or loses the answer.
    """
    if demands.method.model in (SEQ2SEQ, CLASSIFIER):
        yield from ((c, text_of(row[c])) for c in form.columns if c in (*SAID, "text"))
        return
    prompt = row["prompt"] if "prompt" in form.columns else None
    for column in [c for c in form.columns if c in demands.method.answers] or ["prompt"]:
        said = row[column]
        if isinstance(said, str):
            yield column, (prompt if isinstance(prompt, str) and column != "prompt" else "") + said
        elif demands.renderer is not None:
            before = prompt if isinstance(prompt, list) and column != "prompt" else []
            text = demands.renderer.render(row, [*before, *said])
            answer = strip_reasoning(content_of(said[-1])).strip()
            if said[-1].get("role") == "assistant" and answer not in text:
                raise ValueError("it leaves the answer out")
            yield column, text


def _find_overlong(rows: Sequence[_Sized], demands: Demands, *, plain: bool) -> list[Fault]:
    renderer = demands.renderer
    if renderer is None or not demands.limits or (_accepts(demands, "overlong") and demands.method.name != "grpo"):
        return []
    bounded = [
        (row, text, limit)
        for row in rows for column, text in row.texts
        if (limit := demands.limits.get(column, demands.limits.get(""))) is not None
    ]  # fmt: skip
    # a token is a byte or more: a text of few bytes need not be counted
    long = [(r, text, limit) for r, text, limit in bounded if len(text.encode()) + _MARKS + r.of_images > limit.tokens]
    worst: dict[int, tuple[int, int, Limit]] = {}
    counts = renderer.count([text for _, text, _ in long], plain=plain) if long else []
    for (row, _, limit), n_text in zip(long, counts, strict=True):
        n = n_text + row.of_images
        if n > limit.tokens and n > worst.get(row.ordinal, (0, 0, limit))[0]:
            worst[row.ordinal] = (n, row.of_images, limit)
    return [Fault(o, "overlong", _describe_overlong(*found)) for o, found in worst.items()]


def _describe_overlong(n: int, of_images: int, limit: Limit) -> str:
    return f"{n} tokens{f' ({of_images} of images)' if of_images else ''}, more than {limit.words}"


def _nothing_left(n: int, faults: Sequence[Fault], demands: Demands) -> InputError:
    reasons = Counter(f.reason.split(", ", 1)[-1] if f.kind == "overlong" else f.reason for f in faults)
    kinds = {f.kind for f in faults}
    passable = sorted(kinds & set(ACCEPTED))
    mend = "; ".join([_HOLD_OTHERS] * ("held_out" in kinds) + ["mend the rows"] * (kinds != {"held_out"}))
    return InputError(
        demands.place, expected="rows that can be trained on",
        received=f"{n} rows, none of them: " + "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(SHOWN_FAULTS)),
        cure=mend + (f", or let them pass with train.accept: [{', '.join(passable)}]" if passable else ""),
    )  # fmt: skip
