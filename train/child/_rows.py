"""The rows of a job: read, stripped of reasoning where that is wanted, checked, ordered, and as a data set."""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from ...errors import InputError, RecipeError
from .._form import Form, images_of
from .._preflight import Demands, Fault, Limit, check_rows, form_of
from .._reasoning import strip_row
from .._shared import split_shared
from .._unseen import Unseen
from ..methods import CAUSAL, CLASSIFIER, MAX_COMPLETION, MAX_LENGTHS, NO_LIMIT, SCORER, SEQ2SEQ, Method
from ._load import Reader

Row = dict[str, Any]
GRPO_COMPLETION = 512
"""TRL's own ``max_completion_length`` of GRPO."""


class TokenizerRenderer:
    """The model's own tokenizer and chat template.

    Args:
        ends: the trainer adds the end of text to a text that has none.
        asks: messages are a prompt, which the template opens an answer after.
        processor: of a model that reads images.
    """

    def __init__(
        self, tokenizer: Any, template: str | None, *, ends: bool = False, asks: bool = False, processor: Any = None
    ) -> None:
        self._processor = processor
        self._n_of_size: dict[tuple[int, int], int] = {}
        self._tokenizer = tokenizer
        self._template = template
        self._ends = ends
        self._asks = asks

    def render(self, row: Row, messages: Sequence[Row]) -> str:
        """See :class:`~flywheel.train._preflight.Renderer`."""
        tools = row.get("tools")
        tools = json.loads(tools) if isinstance(tools, str) else tools
        more = row.get("chat_template_kwargs") or {}
        try:
            text: str = self._tokenizer.apply_chat_template(
                list(messages),
                tools=tools,
                chat_template=self._template,
                tokenize=False,
                **({"add_generation_prompt": True} if self._asks else {}),
                **more,
            )
        except Exception as error:
            if not isinstance(error, TypeError | LookupError | AttributeError) and not type(
                error
            ).__module__.startswith("jinja2"):
                raise
            raise ValueError(str(error).split("\n")[0]) from error
        return text

    def owns(self, mark: str) -> bool:
        """See :class:`~flywheel.train._preflight.Renderer`."""
        return self._template is None or mark in self._own

    @cached_property
    def _own(self) -> str:
        """What the template is written in, what it makes of a conversation, and the tokenizer's own tokens."""
        talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        made = [*self._tokenizer.all_special_tokens, *self._tokenizer.get_added_vocab(), str(self._template)]
        for messages in (talk, [{"role": "system", "content": "c"}, *talk]):
            with suppress(ValueError):  # a template need not know a system message
                made.append(self.render({}, messages))
        return "\n".join(made)

    def count(self, texts: Sequence[str], *, plain: bool) -> list[int]:
        """See :class:`~flywheel.train._preflight.Renderer`."""
        read = self._tokenizer(list(texts), add_special_tokens=plain, verbose=False)["input_ids"]
        end = self._tokenizer.eos_token if plain and self._ends else None
        return [len(ids) + (end is not None and not text.endswith(end)) for text, ids in zip(texts, read, strict=True)]

    def count_images(self, files: Sequence[Path]) -> int:
        """See :class:`~flywheel.train._preflight.Renderer`. An image's tokens follow from its size alone."""
        from PIL import Image

        total = 0
        for file in files:
            with Image.open(file) as image:
                size = (image.height, image.width)
            if size not in self._n_of_size:
                self._n_of_size[size] = self._ask_processor(size)
            total += self._n_of_size[size]
        return total

    def _ask_processor(self, size: tuple[int, int]) -> int:
        """Return what the processor of transformers says to those who serve models with it; 0 where it says nothing."""
        ask = getattr(self._processor, "_get_num_multimodal_tokens", None)
        return 0 if ask is None else int(ask(image_sizes=[size])["num_image_tokens"][0])


def read_rows(path: str, job: dict[str, Any], method: Method) -> list[Row]:
    """Return the rows of a file, pairs with their prompt apart, and without reasoning traces where the job strips them."""
    return list(FileRows(path, job, method))


class FileRows(Sequence[Row]):
    """The rows of a file of JSON lines as :func:`read_rows` returns them, read anew by whoever goes through them; none stays in memory.

    Args:
        path: the file.
        job: see ``TrainJob``.
        method: what is trained.
    """

    def __init__(self, path: str, job: dict[str, Any], method: Method) -> None:
        self._path = Path(path)
        self._strips = job["reasoning"] == "strip"
        self._method = method

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows in their order."""
        with self._path.open(encoding="utf-8") as stream:
            yield from (self._mend(json.loads(line)) for line in stream if line.strip())

    def __len__(self) -> int:
        with self._path.open(encoding="utf-8") as stream:
            return sum(1 for line in stream if line.strip())

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return list(itertools.islice(self, place.start, place.stop, place.step))
        return next(itertools.islice(self, place, None))

    def _mend(self, row: Row) -> Row:
        if "chosen" in self._method.answers:
            row = split_shared(row)
        if self._method.name == "kto":
            row = _with_read_label(row)
        if self._method.name == "grpo":
            row = _with_prompt(row)
        return strip_row(row, self._method.answers) if self._strips else row


def _with_prompt(row: Row) -> Row:
    """Return a row of OpenAI's reinforcement fine-tuning, whose ``messages`` are the prompt, with them under that name."""
    messages = row.get("messages")
    if "prompt" in row or not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        return row
    asked = messages[:-1] if messages[-1].get("role") == "assistant" else messages
    return {**{name: value for name, value in row.items() if name != "messages"}, "prompt": asked}


def _with_read_label(row: Row) -> Row:
    """Return a row whose label is true or false where a table, whose cells are text, says so in words."""
    label = row.get("label")
    said = {"true": True, "false": False}.get(label.strip().lower()) if isinstance(label, str) else None
    return row if said is None else {**row, "label": said}


def check(
    rows: Sequence[Row],
    job: dict[str, Any],
    method: Method,
    reader: Reader,
    args: dict[str, Any],
    form: Form | None = None,
) -> tuple[list[Row], list[dict[str, Any]], Form]:
    """Return the rows to train on, the faults of the others, and what the rows are like.

    Args:
        rows: to look at.
        job: see ``TrainJob``.
        method: what is trained.
        reader: of the model.
        args: the method's.
        form: of the training's rows, for held-out ones; None = these are the training's.

    Raises:
        InputError: the rows are wrong as a whole.
        RecipeError: the arguments leave no room for any row.
    """
    demands = make_demands(rows, job, method, reader, args, form)
    faults = check_rows(rows, demands)
    bad = {f.ordinal for f in faults}
    fine = [row for i, row in enumerate(rows) if i not in bad]
    return fine, [asdict(f) for f in faults], form_of(rows, demands)


def make_demands(
    rows: Sequence[Row],
    job: dict[str, Any],
    method: Method,
    reader: Reader,
    args: dict[str, Any],
    form: Form | None = None,
) -> Demands:
    """Return what :func:`check` demands of rows.

    Raises:
        InputError: they hold messages, and the model has no chat template.
        RecipeError: the arguments leave no room for any row.
    """
    _check_places(job, method, reader, args)
    rewards = (job["rewards"] or {}).get("columns", ())
    widest = _widest(job, method, reader, args) if form is None else args
    unseen = Unseen(read_rows(job["unseen"], job, method)) if form is None and job["unseen"] is not None else None
    return Demands(
        method, job["accept"], tuple(job["labels"]), _limits(method, reader, widest), _renderer(rows, method, reader, args),
        rewards if method.name == "grpo" else (), Path(job["root"]), reader.sees, form, unseen,
        "rows" if form is None else "held-out rows",
    )  # fmt: skip


def split_stages(
    rows: Sequence[Row], job: dict[str, Any], method: Method, reader: Reader, args: dict[str, Any], form: Form
) -> tuple[list[list[Row]], list[tuple[Row, Fault]]]:
    """Return the rows of each stage of the curriculum, and those that are too long for every stage that they stand in.

    Args:
        rows: in their order, checked.
        job: see ``TrainJob``.
        method: what is trained.
        reader: of the model.
        args: the method's; a stage's own stand over them.
        form: of the rows.

    Raises:
        InputError: nothing is left of a stage.
    """
    parts: list[list[Row]] = []
    too_long: dict[int, tuple[Row, Fault]] = {}
    for number, stage in enumerate(job["curriculum"]):
        first, end = (round(share * len(rows)) for share in stage["rows"])
        part, own = list(rows[first:end]), {**args, **stage["args"]}
        faults: list[Fault] = []
        if part and _lengths(own) != _lengths(args):
            demands = Demands(
                method, job["accept"], tuple(job["labels"]), _limits(method, reader, own), _renderer(part, method, reader, own),
                root=Path(job["root"]), sees=reader.sees, form=form, what=f"rows of train.curriculum.{number}",
            )  # fmt: skip
            faults = check_rows(part, demands)
        bad = {f.ordinal: f for f in faults}
        too_long |= {id(part[i]): (part[i], f) for i, f in bad.items()}
        parts.append([row for i, row in enumerate(part) if i not in bad])
    used = {id(row) for part in parts for row in part}
    return parts, [found for key, found in too_long.items() if key not in used]


def _lengths(args: dict[str, Any]) -> list[Any]:
    return [args.get(key, "") for key in ("max_length", "max_completion_length")]


def _widest(job: dict[str, Any], method: Method, reader: Reader, args: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with the greatest lengths of all stages: a row that is longer fits none of them."""
    found = dict(args)
    defaults = {
        "max_length": MAX_LENGTHS.get(method.name, reader.default_length),
        "max_completion_length": MAX_COMPLETION,
    }
    for key, default in defaults.items():
        given = [{**args, **stage["args"]}.get(key, default) for stage in job["curriculum"]]
        if any(key in stage["args"] for stage in job["curriculum"]):
            found[key] = None if None in given else max(given)
    return found


def _check_places(job: dict[str, Any], method: Method, reader: Reader, args: dict[str, Any]) -> None:
    """Refuse a ``max_length`` that would let rows through that the model has no places for, which ends in an IndexError.

    Rows that are longer than its places are drops else, whatever ``max_length`` is.
    """
    if method.model not in (CAUSAL, SCORER) or method.name == "grpo" or reader.places is None:
        return
    stages = [(f"curriculum.{i}.args", {**args, **stage["args"]}) for i, stage in enumerate(job["curriculum"])]
    for key, own in stages or [(method.name, args)]:
        is_cut = "overlong" in job["accept"] or _fills_blocks(own)
        given = own.get("max_length", reader.default_length)
        if is_cut and (given is None or given > reader.places):
            raise RecipeError(
                f"recipe key train.{key}.max_length",
                expected=f"at most {reader.places}: the model has a place for so many tokens, and longer rows are let through "
                + ("by packing" if _fills_blocks(own) else "by train.accept: [overlong]"),
                received="none" if given is None else str(given), cure=f"set it to {reader.places}, or less",
            )  # fmt: skip


def _fills_blocks(args: dict[str, Any]) -> bool:
    return bool(args.get("packing")) and args.get("packing_strategy") in ("wrapped", "bfd_split")


def _limits(method: Method, reader: Reader, args: dict[str, Any]) -> dict[str, Limit]:
    """Return how many tokens the texts of a row may have: more would be cut off, or is more than the model has places for."""
    if method.name == "grpo":
        return _room_for_prompts(reader, args)
    if _fills_blocks(args):
        return {}
    given = args.get("max_length", MAX_LENGTHS.get(method.name, reader.default_length))
    places = [reader.context]
    if method.model == CLASSIFIER and reader.tokenizer.model_max_length < NO_LIMIT:
        places.append(reader.tokenizer.model_max_length)
    if method.model != SEQ2SEQ:
        return _shortest("", "max_length", given, places)
    answer = args.get("max_completion_length", MAX_COMPLETION)
    return _shortest("prompt", "max_length", given, places) | _shortest(
        "completion", "max_completion_length", answer, places
    )


def _shortest(column: str, key: str, given: int | None, places: Sequence[int | None]) -> dict[str, Limit]:
    limits = [] if given is None else [Limit(given, f"{key} = {given}")]
    limits += [Limit(n, f"the {n} tokens that the model reads") for n in places if n is not None]
    return {column: min(limits, key=lambda limit: limit.tokens)} if limits else {}


def _room_for_prompts(reader: Reader, args: dict[str, Any]) -> dict[str, Limit]:
    """Return how long a prompt may be, whose completions are drawn after it."""
    places, completion = reader.context, args.get("max_completion_length", GRPO_COMPLETION)
    if places is None or completion is None:
        return {}
    if completion >= places:
        raise RecipeError(
            "recipe key train.grpo.max_completion_length", expected=f"fewer tokens than the model reads ({places})",
            received=f"{completion}, which leave no place for a prompt", cure=f"set it to {places // 2}",
        )  # fmt: skip
    words = f"the {places} tokens that the model reads, less max_completion_length = {completion}"
    return {"": Limit(places - completion, words)}


def _renderer(rows: Sequence[Row], method: Method, reader: Reader, args: dict[str, Any]) -> TokenizerRenderer:
    if method.model not in (CAUSAL, SCORER):
        return TokenizerRenderer(reader.tokenizer, None)
    template = read_template(args.get("chat_template_path")) or reader.processor.chat_template
    speaks = any(isinstance(row.get(c), list) for row in rows for c in ("prompt", "messages", "chosen"))
    if speaks and template is None:
        raise InputError(
            f"rows for {method.name}", expected="a model with a chat template, since the rows hold messages",
            received="a tokenizer without one",
            cure=f"train.{method.name}.chat_template_path: a template file or a model that has one; or rows of plain text",
        )  # fmt: skip
    asks = method.name == "grpo"
    return TokenizerRenderer(
        reader.tokenizer, template, ends=not asks, asks=asks, processor=reader.processor if reader.sees else None
    )


def read_template(path: str | None) -> str | None:
    """Return the chat template that a recipe names: a file, or a model that has one."""
    if path is None:
        return None
    if path.endswith((".jinja", ".j2")):
        return Path(path).read_text(encoding="utf-8")
    from transformers import AutoTokenizer

    found: str | None = AutoTokenizer.from_pretrained(path).chat_template
    return found


def order(rows: list[Row], by: str | None, columns: Sequence[str]) -> list[Row]:
    """Return rows in the order of the curriculum: by length, by a column of numbers, or as they are.

    Raises:
        InputError: a row has no number there.
    """
    if by is None:
        return rows
    if by == "length":
        return sorted(rows, key=lambda r: sum(len(json.dumps(r.get(c), ensure_ascii=False)) for c in columns))
    numbers: list[float] = []
    for i, row in enumerate(rows):
        if (number := _as_number(row.get(by))) is None:
            known = sorted({c for r in rows for c, value in r.items() if _as_number(value) is not None})
            instead = f"name a column that holds numbers ({', '.join(known)}), or " if known else ""
            raise InputError(
                f"row {i} of the training set", expected=f"a number in {by!r}, the column of train.curriculum_by",
                received=repr(row[by]) if by in row else f"no such column; there are {', '.join(row)}",
                cure=f"fill the column, {instead}set train.curriculum_by to length",
            )  # fmt: skip
        numbers.append(number)
    return [rows[i] for i in sorted(range(len(rows)), key=numbers.__getitem__)]


def _as_number(value: Any) -> float | None:
    """Return a number, also one that a table, whose cells are text, has as text; None of anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def find_labels(rows: Sequence[Row], job: dict[str, Any], config: Any, method: Method) -> list[str]:
    """Return the names of the classes: the recipe's, else the model's own where they fit the rows, else the rows'."""
    if method.model != CLASSIFIER:
        return []
    if job["labels"]:
        return list(job["labels"])
    held = sorted({str(row["label"]) for row in rows})
    own = [str(name) for _, name in sorted((getattr(config, "id2label", None) or {}).items())]
    return own if set(held) <= set(own) else held


def kept_columns(form: Form) -> tuple[str, ...]:
    """Return what trainers read of rows, images aside."""
    return (*form.columns, "tools", "chat_template_kwargs")


def make_dataset(rows: Sequence[Row], method: Method, form: Form, root: Path) -> Any:
    """Return rows as a data set; objects of unlike keys (calls of tools) stay as they are."""
    import datasets

    columns = {*kept_columns(form), *({"images", "image"} if form.images else ())}
    if method.name == "grpo":
        columns |= {c for row in rows for c in row}
    kept = [{k: v for k, v in row.items() if k in columns} for row in rows]
    lists = form.images and any(isinstance(row.get("images"), list) for row in kept)
    for row in kept:
        if lists and not images_of(row):
            row["images"] = []  # a row of text alone among others: TRL knows no image by an empty list
        if isinstance(row.get("images"), list):
            row["images"] = [str(root / image) for image in row["images"]]
        elif isinstance(row.get("image"), str):
            row["image"] = str(root / row["image"])
    made = datasets.Dataset.from_list(kept, on_mixed_types="use_json")
    if "images" in made.column_names:
        made = made.cast_column("images", datasets.List(datasets.Image()))
    if "image" in made.column_names:
        made = made.cast_column("image", datasets.Image())
    return made


def as_faults(told: Sequence[dict[str, Any]]) -> list[Fault]:
    """Return faults as the training process told them."""
    return [Fault(**fault) for fault in told]
