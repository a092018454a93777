"""The store's rows as files that other tools read: every format, every selection, streamed.

What a format has no place for is counted and said; a row that holds the value of a secret of the environment is left
out. What came in through a format goes out through the same one unchanged.
"""

import difflib
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from ...store import Store
from ._base import Format
from ._card import write_card
from ._columns import Columns
from ._exported import Exported
from ._load import Loaded, load_records
from ._nothing import ROWS_OF_KIND, find_room, nothing_to_write
from ._patch import EXTRA
from ._record import DPO, KIND_NAMES, KTO, PROBLEM, PROMPT, SCORED, SFT, CannotWrite, Row
from ._registry import FORMATS, SOLUTIONS, find_format
from ._sinks import Sink, open_sink, replace_when_whole, suffix_of

PARQUET, HF = "parquet", "hf"
"""Containers: their rows are in TRL's columns."""
EXPORT_FORMATS = (*FORMATS, Columns.name, PARQUET, HF)

DEFAULT_OF_KIND = {SFT: "sft", DPO: "dpo", KTO: "kto", SCORED: "imported", PROBLEM: "problems", PROMPT: "imported"}
SHARD_ROWS = 200_000
"""Rows of one file of a Hugging Face folder."""
SHORTEST_SECRET = 8
SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD")
REPORT_EVERY = 500


def export_rows(
    store: Store,
    format_name: str,
    output: Path,
    *,
    what: str | None = None,
    where: str | None = None,
    mapping: Mapping[str, str] | None = None,
    include: Collection[str] = (),
    fields: Sequence[str] = (),
    distinct: bool = False,
    force: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Exported:
    """Write a selection of the store's rows to ``output``.

    Args:
        store: an open store.
        format_name: one of :data:`EXPORT_FORMATS`.
        output: a file, or for ``hf`` a folder.
        what: one of :data:`~._load.SELECTIONS`; default: what the format is for.
        where: a SQL condition; see :func:`load_records`.
        mapping: target to column, for the format ``columns``.
        include: keys of :data:`~._load.ASIDE`: samples that go out only when they are asked for.
        fields: names of samples' fields that go out as columns of their own; a row that lacks one is left out and counted.
        distinct: write equal rows once.
        force: replace what is there.
        on_progress: called with the number of rows written.

    Raises:
        InputError: an argument is wrong, or no row is left to write.
        QueryError: the condition cannot be run.
    """
    chosen = _chosen_format(format_name, mapping)
    selection = what or _default_selection(chosen)
    result = Exported(output, format_name, selection)
    suffix = "" if format_name == HF else suffix_of(output)
    if format_name == PARQUET and suffix != ".parquet":
        raise InputError(
            f"--output {output}", expected="a name that ends in .parquet", received=f"--format {PARQUET} and {suffix}",
            cure=f"--output {output.with_name(output.name.removesuffix(suffix) + '.parquet')}",
        )  # fmt: skip
    try:
        with replace_when_whole(output, force=force) as fresh:
            with (
                load_records(store, selection, where, include) as selected,
                _hf_sink(fresh) if format_name == HF else open_sink(fresh, suffix) as sink,
            ):
                result.aside = selected.aside
                _write_all(selected.records, chosen, sink, result, fields, distinct, on_progress)
                if not result.rows:
                    raise _NoRows
            if format_name == HF:
                write_card(store, fresh, result)
    except _NoRows:
        raise nothing_to_write(store, result, where, mapping) from None
    return result


class _NoRows(Exception):
    """Nothing was written; the files go, and the store is free for a look at what is there instead."""


def _hf_sink(folder: Path) -> Sink:
    from ._parquet import ParquetSink  # Arrow is loaded only when it is needed

    (folder / "data").mkdir(parents=True)
    return ParquetSink(folder / "data", shard_rows=SHARD_ROWS)


def _chosen_format(name: str, mapping: Mapping[str, str] | None) -> Format | None:
    """Return the format of the rows; None when their kind decides."""
    if mapping and name != Columns.name:
        raise InputError(
            "export", expected=f"--map with --format {Columns.name}", received=f"--map with --format {name}",
            cure=f"leave --map out, or choose --format {Columns.name}",
        )  # fmt: skip
    if name not in EXPORT_FORMATS:
        near = difflib.get_close_matches(name, EXPORT_FORMATS, 1, 0.7)
        raise InputError(
            f"--format {name}", expected=f"one of {', '.join(EXPORT_FORMATS)}",
            received="a format that is only read" if name == SOLUTIONS else repr(name),
            cure=f"did you mean {near[0]!r}?" if near else "name one of them",
        )  # fmt: skip
    return None if name in (PARQUET, HF) else find_format(name, mapping)


def _default_selection(chosen: Format | None) -> str:
    kinds = {SFT} if chosen is None or SFT in chosen.kinds else chosen.kinds
    return DEFAULT_OF_KIND[next(iter(kinds))]


def _write_all(
    records: Iterator[Loaded], chosen: Format | None, sink: Sink, result: Exported, fields: Sequence[str], distinct: bool,
    on_progress: Callable[[int], None],
) -> None:  # fmt: skip
    secrets, seen = find_secrets(os.environ), set[int]()
    for loaded in records:
        try:
            fmt = chosen or FORMATS[ROWS_OF_KIND[loaded.record.kind]]
            row = {**loaded.read_fields(fields), **loaded.written_as(fmt)} if fields else loaded.written_as(fmt)
        except CannotWrite as error:
            result.left_out[str(error)] += 1
            if str(error) not in result.roomier:
                result.roomier[str(error)] = find_room(loaded)
            continue
        if name := _secret_in(row, secrets):
            result.left_out[f"holds the value of the environment's {name}"] += 1
            continue
        if _is_repeated(row, seen):
            result.duplicates += 1
            if distinct:
                continue
        if chosen is None:
            _require_one_kind(loaded, result)
        sink.write(row)
        _count(loaded, fmt, result)
        if result.rows % REPORT_EVERY == 0:
            on_progress(result.rows)


def _count(loaded: Loaded, fmt: Format, result: Exported) -> None:
    result.rows += 1
    result.kinds[loaded.record.kind] += 1
    result.units.append(loaded.unit)
    if loaded.format != fmt.name:
        result.extra_columns.update(list(loaded.kept.get(EXTRA, ())))


def _require_one_kind(loaded: Loaded, result: Exported) -> None:
    kind = loaded.record.kind
    if not result.kinds or kind in result.kinds:
        return
    (first,) = result.kinds
    own = f"--where \"format = '{loaded.format}'\"" if loaded.format else f"--what {DEFAULT_OF_KIND[kind]}"
    raise InputError(
        f"export --what {result.what}", expected="rows of one kind, since a table has one set of columns",
        received=f"{KIND_NAMES[first]}, and {KIND_NAMES[kind]}", cure=f"narrow them, for example: {own}",
    )  # fmt: skip


def _is_repeated(row: Row, seen: set[int]) -> bool:
    """Say whether an equal row was written; rows are remembered by 8 bytes of their hash."""
    number = int.from_bytes(hashlib.blake2b(json.dumps(row).encode(), digest_size=8).digest(), "big")
    if number in seen:
        return True
    seen.add(number)
    return False


def find_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return {value: name} of the variables that hold keys, tokens, secrets and passwords."""
    named = {n: v.strip() for n, v in environment.items() if any(w in n.upper().split("_") for w in SECRET_WORDS)}
    return {v: n for n, v in named.items() if len(v) >= SHORTEST_SECRET}


def _secret_in(row: Row, secrets: Mapping[str, str]) -> str | None:
    if not secrets:
        return None
    text = json.dumps(row, ensure_ascii=False)
    return next((name for value, name in secrets.items() if value in text), None)
