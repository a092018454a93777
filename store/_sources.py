"""Rows from where a recipe says: a JSONL file (plain or gzip), or a hub data set; a slice of either."""

import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Source
from ..errors import InputError, NotFoundError


@dataclass(frozen=True)
class SourceRow:
    """One row of a source. ``fault`` says why it cannot be used; ``row`` is then empty and ``raw`` has its text."""

    ordinal: int
    row: dict[str, Any]
    raw: str = ""
    fault: str | None = None


def read_source(spec: str, base: Path) -> Iterator[SourceRow]:
    """Yield the rows of ``spec``; a line that is no JSON object is yielded with its fault.

    Args:
        spec: see :data:`flywheel.config.SourceSpec`.
        base: folder that relative paths start from.

    Raises:
        NotFoundError: no such file, or the hub does not give the data set.
        InputError: the file cannot be decoded.
    """
    source = Source.parse(spec)
    rows = _read_hub(source) if source.is_hub else _read_file(base / Path(source.where).expanduser())
    for i, row in enumerate(rows):
        if source.stop is not None and i >= source.stop:
            return
        if i >= source.start:
            yield row


def _read_file(path: Path) -> Iterator[SourceRow]:
    if not path.is_file():
        raise NotFoundError(
            f"data file {path}", expected="a JSONL file", received="no such file", cure="check the path in the recipe"
        )
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig") as stream:
            for ordinal, line in enumerate(stream):
                if line.strip():
                    yield _parse_line(ordinal, line)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise InputError(
            f"data file {path}",
            expected="JSON lines in UTF-8",
            received=str(error),
            cure="re-encode or replace the file",
        ) from None


def _parse_line(ordinal: int, line: str) -> SourceRow:
    try:
        row = json.loads(line)
    except ValueError as error:
        return SourceRow(ordinal, {}, line.rstrip("\n"), f"not JSON: {error}")
    if not isinstance(row, dict):
        return SourceRow(ordinal, {}, line.rstrip("\n"), f"not a JSON object but a {type(row).__name__}")
    if "\\ud" in line.lower():
        row = _without_halves(row)
    return SourceRow(ordinal, row, line.rstrip("\n"))


def _without_halves(value: Any) -> Any:
    """Replace halves of surrogate pairs, which JSON can spell and nothing can store, by question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_without_halves(k): _without_halves(v) for k, v in value.items()}
    return [_without_halves(v) for v in value] if isinstance(value, list) else value


def _read_hub(source: Source) -> Iterator[SourceRow]:
    import datasets

    try:
        rows = datasets.load_dataset(source.where, source.config, split=source.split)
    except Exception as error:  # the hub client's errors have no common base; all mean "cannot be had"
        raise NotFoundError(
            f"hub data set {source.where}",
            expected=f"configuration {source.config!r}, split {source.split!r}",
            received=f"{type(error).__name__}: {error}".split("\n")[0],
            cure="check the name and the network, or name a local JSONL file",
        ) from error
    for ordinal, row in enumerate(rows):
        yield SourceRow(ordinal, dict(row), json.dumps(row, default=str))
