"""Data sets into the store: each row a group that is on record whole or not at all, each bad row a drop.

A row's ids hash its set, its place and its content, so that importing a file again, or going on after a kill, adds only
what is missing. Memory does not grow with the file, except for 8 bytes a row that is in the store already.
"""

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from ...files import Line, read_lines
from ...schema import PROJECT_RUN, JournaledRow, canonical_json, content_id, hash_files, utc_now
from ...store import Store
from ._defects import Defects
from ._inspect import Inspected
from ._record import BadRow, Record
from ._rows import STEP, SetRows

BATCH_ROWS = 1000
"""Rows of the store that are journaled as one line: whole groups, in the file's order."""
REPORT_EVERY = 500


@dataclass
class ImportedSet:
    """Counts of one file's import, and what was odd about it."""

    name: str
    path: Path
    format: str
    rows: int = 0
    """Rows that are in the store now: the new and the known ones."""
    new: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    first_drops: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)


def import_set(
    store: Store,
    inspected: Inspected,
    *,
    name: str | None = None,
    licence: str | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> ImportedSet:
    """Bring one inspected file in.

    Args:
        store: an open store.
        inspected: the file with its format; see :func:`inspect_file`.
        name: of the set; default: the file's name.
        licence: of the set, as the user gives it; kept for dataset cards.
        on_progress: called with the number of rows read.

    Raises:
        DiskFullError: there was no room; what is on record stays.
    """
    assert inspected.format is not None, "solutions have a reader of their own"
    made = SetRows(name or inspected.path.name, inspected.path.name, inspected.format)
    result = ImportedSet(made.name, inspected.path, inspected.format.name)
    known, defects = _Known(store, made), Defects()
    batch: list[JournaledRow] = []
    for n, line in enumerate(read_lines(inspected.path, header=inspected.has_header), 1):
        batch += _take(line, made, known, defects, result)
        if len(batch) >= BATCH_ROWS:
            store.append(batch)
            batch = []
        if n % REPORT_EVERY == 0:
            on_progress(n)
    store.append(batch)
    store.fold()
    result.defects = defects.report()
    _record_set(store, inspected, result, licence)
    return result


def _take(line: Line, made: SetRows, known: "_Known", defects: Defects, result: ImportedSet) -> list[JournaledRow]:
    """Return the rows that a line adds: none when they are there already."""
    try:
        record, request_id = _read(line, made)
    except BadRow as error:
        return _drop(line, str(error), made, known, defects, result)
    defects.see(line, record)
    result.rows += 1
    if request_id in known.ids:
        return []
    result.new += 1
    return made.group(line, record, request_id, new_problem=known.is_new_problem(made.problem_id(record)))


def _read(line: Line, made: SetRows) -> tuple[Record, str]:
    if line.row is None:
        raise BadRow(line.fault or "unreadable")
    return made.format.parse(line.row), made.request_id(line)


def _drop(
    line: Line, reason: str, made: SetRows, known: "_Known", defects: Defects, result: ImportedSet
) -> list[JournaledRow]:
    defects.note(line)
    result.dropped[_kind_of(reason)] += 1
    if len(result.first_drops) < 3:
        result.first_drops.append(f"{made.place(line)}: {reason}")
    return [] if made.drop_id(line, reason) in known.ids else made.drop(line, reason)


def _kind_of(reason: str) -> str:
    """Return a reason without what is special to its row, so that few kinds are counted."""
    return re.sub(r"\[\d+\]", "[…]", reason.split(": ")[0])[:80]


class _Known:
    """What is in the store of this set already."""

    def __init__(self, store: Store, made: SetRows) -> None:
        with store.read() as connection:
            found = connection.execute(
                """
                SELECT request_id FROM requests WHERE run_id = $1 AND step = $2 AND model = $3
                UNION ALL SELECT drop_id FROM drops WHERE run_id = $1 AND step = $2 AND starts_with(input_id, $4 || ':')
                """,
                [PROJECT_RUN, STEP, made.name, made.file],
            )
            self.ids = _Ids(i for batch in iter(lambda: found.fetchmany(10_000), []) for (i,) in batch)
            found = connection.execute("SELECT problem_id FROM problems")
            self._problems = {_short(i) for batch in iter(lambda: found.fetchmany(10_000), []) for (i,) in batch}

    def is_new_problem(self, problem_id: str | None) -> bool:
        """Say whether a problem is not there yet; from now on it is."""
        if problem_id is None or _short(problem_id) in self._problems:
            return False
        self._problems.add(_short(problem_id))
        return True


class _Ids:
    """A fixed set of content ids in 8 bytes each; two of 10 million collide once in 400,000 imports."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._sorted = array("Q", sorted(array("Q", (_short(i) for i in ids))))

    def __contains__(self, content_id: object) -> bool:
        short = _short(str(content_id))
        at = bisect_left(self._sorted, short)
        return at < len(self._sorted) and self._sorted[at] == short


def _short(content_id: str) -> int:
    """Return 64 bits that stand for an id."""
    return int.from_bytes(blake2b(content_id.encode(), digest_size=8).digest(), "big")


def _record_set(store: Store, inspected: Inspected, result: ImportedSet, licence: str | None) -> None:
    """Put the finished import on record; without a licence, the one on record for a set of that name stays."""
    content_hash = hash_files([inspected.path])
    if licence is None:
        found = store.query(
            "SELECT licence FROM datasets WHERE name = ? AND licence IS NOT NULL ORDER BY imported_at DESC LIMIT 1",
            [result.name],
        )
        licence = found[0][0] if found else None
    mapping = canonical_json(inspected.mapping) if inspected.mapping else None
    identity = [result.name, result.format, inspected.mapping, content_hash, licence]
    row = {
        "dataset_id": content_id("set", identity), "name": result.name, "path": str(inspected.path),
        "format": result.format, "mapping": mapping, "licence": licence, "content_hash": content_hash,
        "n_rows": result.rows, "n_dropped": result.dropped.total(), "imported_at": utc_now(),
    }  # fmt: skip
    store.insert("datasets", [row], key="dataset_id")
