"""The rows of a job: read, stripped of reasoning where that is wanted, checked, ordered, and as a data set."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import InputError
from .._preflight import Demands, Fault, check_rows
from .._reasoning import strip_row
from ..methods import CAUSAL, CLASSIFIER, SCORER, Method
from ._load import Reader

Row = dict[str, Any]


class TokenizerRenderer:
    """The model's own tokenizer and chat template."""

    def __init__(self, tokenizer: Any, template: str | None) -> None:
        self._tokenizer = tokenizer
        self._template = template

    def render(self, row: Row, messages: Sequence[Row]) -> str:
        """See :class:`~flywheel.train._preflight.Renderer`."""
        tools = row.get("tools")
        tools = json.loads(tools) if isinstance(tools, str) else tools
        more = row.get("chat_template_kwargs") or {}
        try:
            text: str = self._tokenizer.apply_chat_template(
                list(messages), tools=tools, chat_template=self._template, tokenize=False, **more
            )
        except Exception as error:
            if not isinstance(error, TypeError | KeyError) and not type(error).__module__.startswith("jinja2"):
                raise
            raise ValueError(str(error).split("\n")[0]) from error
        return text

    def count(self, texts: Sequence[str]) -> list[int]:
        """See :class:`~flywheel.train._preflight.Renderer`."""
        return [len(ids) for ids in self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


def read_rows(path: str, job: dict[str, Any], method: Method) -> list[Row]:
    """Return the rows of a file, without reasoning traces where the job strips them."""
    with Path(path).open(encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream if line.strip()]
    return [strip_row(row, method.answers) for row in rows] if job["reasoning"] == "strip" else rows


def check(
    rows: Sequence[Row], job: dict[str, Any], method: Method, reader: Reader, args: dict[str, Any]
) -> tuple[list[Row], list[dict[str, Any]]]:
    """Return the rows to train on, and the faults of the others.

    Raises:
        InputError: the rows are wrong as a whole.
    """
    rewards = (job["rewards"] or {}).get("columns", ())
    demands = Demands(
        method, job["accept"], tuple(job["labels"]), _limit(method, reader, args), _renderer(rows, method, reader, args),
        rewards if method.name == "grpo" else (), Path(job["root"]), reader.sees,
    )  # fmt: skip
    faults = check_rows(rows, demands)
    bad = {f.ordinal for f in faults}
    return [row for i, row in enumerate(rows) if i not in bad], [asdict(f) for f in faults]


def _limit(method: Method, reader: Reader, args: dict[str, Any]) -> int | None:
    """Return how many tokens a row may have: more would be cut off, or is more than the model has places for."""
    if method.model not in (CAUSAL, SCORER) or method.name == "grpo":
        return None
    if args.get("packing") and args.get("packing_strategy") in ("wrapped", "bfd_split"):
        return None
    limits = [n for n in (args.get("max_length", reader.default_length), reader.context) if n is not None]
    return min(limits, default=None)


def _renderer(rows: Sequence[Row], method: Method, reader: Reader, args: dict[str, Any]) -> TokenizerRenderer | None:
    if method.model not in (CAUSAL, SCORER):
        return None
    template = _template(args.get("chat_template_path")) or reader.processor.chat_template
    speaks = any(isinstance(row.get(c), list) for row in rows for c in ("prompt", "messages", "chosen"))
    if speaks and template is None:
        raise InputError(
            f"rows for {method.name}", expected="a model with a chat template, since the rows hold messages",
            received="a tokenizer without one",
            cure=f"train.{method.name}.chat_template_path: a template file or a model that has one; or rows of plain text",
        )  # fmt: skip
    return TokenizerRenderer(reader.tokenizer, template)


def _template(path: str | None) -> str | None:
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
    for i, row in enumerate(rows):
        if not isinstance(row.get(by), int | float):
            raise InputError(
                f"row {i} of the training set", expected=f"a number in {by!r}, the column of train.curriculum_by",
                received=repr(row.get(by)), cure="fill the column, or set train.curriculum_by to length",
            )  # fmt: skip
    return sorted(rows, key=lambda r: float(r[by]))


def find_labels(rows: Sequence[Row], job: dict[str, Any], config: Any, method: Method) -> list[str]:
    """Return the names of the classes: the recipe's, else the model's own where they fit the rows, else the rows'."""
    if method.model != CLASSIFIER:
        return []
    if job["labels"]:
        return list(job["labels"])
    held = sorted({str(row["label"]) for row in rows if row.get("label") is not None})
    own = [str(name) for _, name in sorted((getattr(config, "id2label", None) or {}).items())]
    return own if set(held) <= set(own) else held


def make_dataset(rows: Sequence[Row], method: Method, root: Path) -> Any:
    """Return rows as a data set; objects of unlike keys (calls of tools) stay as they are."""
    import datasets

    columns = {c for columns in method.columns for c in columns} | {"images", "image", "tools", "chat_template_kwargs"}
    if method.name == "grpo":
        columns |= {c for row in rows for c in row}
    kept = [{k: v for k, v in row.items() if k in columns} for row in rows]
    for row in kept:
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
