"""One JSON object in a file: of rows by their ids, or a row of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from ._read import Line, as_line, open_bytes, refuse_constant, refuse_repeats
from ._rows import Row

LARGEST_FILE = 256 << 20
"""Bytes: such a file is read whole."""
ID_COLUMNS = ("id", "key")
"""Under which of these a row's id is kept: the first that the row does not use for something else."""


def read_object(path: Path, encoding: str = "utf-8") -> Iterator[Line]:
    """Yield the rows of a file that holds one object: its values when all of them are objects, else itself.

    Raises:
        InputError: it holds something else, or is too large.
    """
    with open_bytes(path, encoding) as stream:
        content = stream.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise _refused(path, f"one object of more than {LARGEST_FILE >> 20} MB")
    try:
        value = json.loads(
            content.decode("utf-8-sig"), parse_constant=refuse_constant, object_pairs_hook=refuse_repeats
        )
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _refused(path, f"a JSON {type(value).__name__}")
    are_rows = bool(value) and all(isinstance(row, dict) for row in value.values())
    rows = [_with_id(key, row) for key, row in value.items()] if are_rows else [value]
    for number, row in enumerate(rows, 1):
        yield as_line(number, row, json.dumps(row))


def _with_id(key: str, row: Row) -> Row:
    if any(row.get(column) == key for column in ID_COLUMNS):
        return row
    column = next((c for c in ID_COLUMNS if c not in row), None)
    return row if column is None else {column: key, **row}


def _refused(path: Path, received: str) -> InputError:
    return InputError(
        f"data file {path}", expected="a JSON array of rows, an object of rows, or one JSON object a line",
        received=received, cure="write the rows one a line (.jsonl)",
    )  # fmt: skip
