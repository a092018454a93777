"""What an import would do, found out before anything is written: the format of each file and its first row, mapped."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files import Line, open_bytes, read_lines
from ..convert import Refused
from ..convert._decode import find_encoding
from ._base import Format
from ._columns import Columns, check_all_read
from ._record import KIND_NAMES, PROMPT, BadRow, Record
from ._registry import SOLUTIONS, detect_format, find_format

PEEKED_ROWS = 100
BLOCK_BYTES = 1 << 20
_BEYOND_ASCII = re.compile(rb"[\x00\x1b\x80-\xff]")
_IN_WORDS = re.compile(rb"[A-Za-z][\x80-\xff]|[\x80-\xff][A-Za-z]|[\x80-\xff]{4}|\x00|\x1b")
"""What another encoding than UTF-8 is believed by: a lone damaged byte is none."""


@dataclass(frozen=True)
class Inspected:
    """A file, the format that it is in, and what its first readable row becomes."""

    path: Path
    format: Format | None
    """None for :data:`SOLUTIONS`, which is read by a reader of its own."""
    has_header: bool = True
    first: Record | None = None
    first_line: int = 0
    columns: tuple[str, ...] = ()
    mapping: dict[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    of_prompts: bool = False
    """Most of the first rows are prompts without a completion; where they are not, such a row is a drop."""

    @property
    def format_name(self) -> str:
        """Name of the format."""
        return SOLUTIONS if self.format is None else self.format.name

    def preview(self) -> list[tuple[str, Any]]:
        """Return the first mapped row as (column, value) for people to look at."""
        if self.first is None:
            return []
        record = self.first
        shown: list[tuple[str, Any]] = [("kind", KIND_NAMES[record.kind])]
        shown += [(f"prompt {m['role']}", m.get("content") or m.get("tool_calls")) for m in record.prompt]
        names = ("chosen", "rejected") if record.preferred else ("completion",) * len(record.answers)
        for name, answer in zip(names, record.answers, strict=True):
            judged = {"label": answer.passed, "score": answer.score}
            shown.append((name, answer.text))
            shown += [(k, v) for k, v in judged.items() if v is not None]
        shown += [("answer", record.problem.answer)] if record.problem else []
        return shown + ([("tools", f"{len(record.tools)} of them")] if record.tools else [])


def inspect_file(path: Path, format_name: str | None = None, mapping: Mapping[str, str] | None = None) -> Inspected:
    """Find out the format of ``path`` and map its first row.

    Args:
        path: the file.
        format_name: a format, when the user names one.
        mapping: target to column; means the format ``columns``. Columns that are numbers mean a table without header.

    Raises:
        NotFoundError: there is no such file.
        InputError: no format fits, several do, no row of the beginning can be read, or the map has a target that means
            nothing beside the others.
    """
    mapping = dict(mapping or {})
    if mapping and format_name not in (None, Columns.name):
        raise InputError(
            "import", expected="--map, or a --format that needs no map", received=f"both --map and --format {format_name}",
            cure=f"leave one out; --map means --format {Columns.name}",
        )  # fmt: skip
    if format_name == Columns.name and not mapping:
        raise InputError(
            "import --format columns", expected="the map of the columns", received="no --map",
            cure="--map prompt=COLUMN --map completion=COLUMN",
        )  # fmt: skip
    if mapping:
        check_all_read(mapping)
    has_header = not (mapping and all(c.isdigit() for c in mapping.values()))
    encoding = _find_encoding(path) if path.is_file() else "utf-8"
    lines = list(islice(read_lines(path, header=has_header, encoding=encoding), PEEKED_ROWS))
    rows = [line.row for line in lines if line.row is not None]
    if not rows:
        fault = next((f"row {line.number}: {line.fault}" for line in lines), "no rows")
        is_array = lines and lines[0].raw.lstrip().startswith("[") and not path.name.endswith((".json", ".json.gz"))
        raise InputError(
            f"data file {path}", expected="rows, one JSON object a line" if is_array else "rows",
            received="a JSON array" if is_array else fault,
            cure="name it .json; nothing was written" if is_array else "check the file; nothing was written",
        )  # fmt: skip
    name = Columns.name if mapping else format_name or detect_format(rows, f"data file {path}")
    columns = tuple(dict.fromkeys(k for row in rows for k in row))
    if name == SOLUTIONS:
        return Inspected(path, None, columns=columns)
    fmt = find_format(name, mapping)
    found = _records(lines, fmt, path, columns)
    of_prompts = 2 * sum(record.kind == PROMPT for record, _ in found) > len(found)
    record, number = next(f for f in found if of_prompts == (f[0].kind == PROMPT))
    return Inspected(path, fmt, has_header, record, number, columns, mapping, encoding, of_prompts)


def _find_encoding(path: Path) -> str:
    """Return the encoding of a file of text by its first part that is not plain ASCII."""
    if path.suffix.lower() == ".parquet":
        return "utf-8"
    try:
        with open_bytes(path) as stream:
            n = 0
            while block := stream.read(BLOCK_BYTES):
                if found := _BEYOND_ASCII.search(block):
                    at = block.rfind(b"\n", 0, found.start()) + 1 if n or found.start() > BLOCK_BYTES // 32 else 0
                    sample = block[at:]
                    encoding = find_encoding(sample)
                    return encoding if _IN_WORDS.search(sample) else "utf-8"
                n += 1
    except (Refused, OSError, EOFError, zlib.error):
        pass  # the reader says what is wrong with it
    return "utf-8"


def _records(lines: list[Line], fmt: Format, path: Path, columns: tuple[str, ...]) -> list[tuple[Record, int]]:
    fault, found = "", []
    for line in lines:
        if line.row is None:
            continue
        try:
            found.append((fmt.parse(line.row), line.number))
        except BadRow as error:
            fault = fault or f"row {line.number}: {error}"
    if found:
        return found
    raise InputError(
        f"data file {path}", expected=f"rows of the format {fmt.name}: {fmt.title}",
        received=f"{fault} (columns: {', '.join(columns)})",
        cure="choose another --format, or map the columns with --map; nothing was written",
    )  # fmt: skip
