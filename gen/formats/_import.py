"""Data sets into the store: each row a group that is on record whole or not at all, each bad row a drop.

A row's ids hash its set, its place and its content, so that importing a file again, or going on after a kill, adds only
what is missing. Rows that a file has no more are set aside, as chunks of replaced documents are. Memory does not grow with
the file, except for 9 bytes a row that is in the store already.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...files import Line, read_lines
from ...schema import PROJECT_RUN, JournaledRow
from ...store import Store
from ._defects import Defects
from ._inspect import Inspected
from ._record import PROMPT, BadRow, Record
from ._rows import STEP, SetRows
from ._sets import KnownIds, find_set, record_set, set_aside_replaced, shorten_id

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
    replaced: int = 0
    """Rows that only replaced versions of the file have."""
    notes: tuple[str, ...] = ()
    """What was found out about the file: its name where that is taken, its licence where none was given."""


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
        name: of the set; default: the file's name, with a folder before it where another file has that name.
        licence: of the set, as the user gives it; kept for dataset cards. Default: the one on record for the file (by
            path or content), or for the set of that ``name``.
        on_progress: called with the number of rows read.

    Raises:
        DiskFullError: there was no room; what is on record stays.
    """
    assert inspected.format is not None, "solutions have a reader of their own"
    one = find_set(store, inspected.path, name, licence)
    made = SetRows(one.name, one.file, inspected.format)
    result = ImportedSet(made.name, inspected.path, inspected.format.name, notes=one.notes)
    known, defects = _Known(store, made), Defects()
    batch: list[JournaledRow] = []
    for n, line in enumerate(read_lines(inspected.path, header=inspected.has_header, encoding=inspected.encoding), 1):
        batch += _take(line, made, known, defects, result, inspected.of_prompts)
        if len(batch) >= BATCH_ROWS:
            store.append(batch)
            batch = []
        if n % REPORT_EVERY == 0:
            on_progress(n)
    store.append(batch)
    store.fold()
    result.defects = defects.report()
    result.replaced = set_aside_replaced(store, one, known.ids)
    record_set(store, inspected, one, result.rows, result.dropped.total())
    return result


def _take(
    line: Line, made: SetRows, known: "_Known", defects: Defects, result: ImportedSet, of_prompts: bool
) -> list[JournaledRow]:
    """Return the rows that a line adds: none when they are there already."""
    try:
        record, request_id = _read(line, made, of_prompts)
    except BadRow as error:
        return _drop(line, str(error), made, known, defects, result)
    defects.see(line, record)
    result.rows += 1
    if known.ids.see(request_id):
        return []
    result.new += 1
    return made.group(line, record, request_id, new_problem=known.is_new_problem(made.problem_id(record)))


def _read(line: Line, made: SetRows, of_prompts: bool) -> tuple[Record, str]:
    if line.row is None:
        raise BadRow(line.fault or "unreadable")
    record = made.format.parse(line.row)
    if record.kind == PROMPT and not of_prompts:
        raise BadRow("no completion, which the first rows of the file have")
    return record, made.request_id(line)


def _drop(
    line: Line, reason: str, made: SetRows, known: "_Known", defects: Defects, result: ImportedSet
) -> list[JournaledRow]:
    defects.note(line)
    result.dropped[_kind_of(reason)] += 1
    if len(result.first_drops) < 3:
        result.first_drops.append(f"{made.place(line)}: {reason}")
    return [] if known.ids.see(made.drop_id(line, reason)) else made.drop(line, reason)


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
            self.ids = KnownIds(i for batch in iter(lambda: found.fetchmany(10_000), []) for (i,) in batch)
            found = connection.execute("SELECT problem_id FROM problems")
            self._problems = {shorten_id(i) for batch in iter(lambda: found.fetchmany(10_000), []) for (i,) in batch}

    def is_new_problem(self, problem_id: str | None) -> bool:
        """Say whether a problem is not there yet; from now on it is."""
        if problem_id is None or shorten_id(problem_id) in self._problems:
            return False
        self._problems.add(shorten_id(problem_id))
        return True
