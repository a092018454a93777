"""Which set a file is, which version of it, and which rows only replaced versions have.

A file is known by its path, or by its bytes where it was moved. Another file of the same name is another set: it gets
neither the licence nor the place of the first.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePath
from typing import Any

from ...schema import PROJECT_RUN, canonical_json, content_id, hash_files, utc_now
from ...store import Store
from .._source import name_source
from ._inspect import Inspected
from ._rows import STEP

LOOKED_UP = 10_000
"""Ids that one query takes."""


class KnownIds:
    """Content ids that are on record, in 9 bytes each, and which of them were seen.

    Two of 10 million are taken for one in 400,000 imports.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._sorted = array("Q", sorted(array("Q", (shorten_id(i) for i in ids))))
        self._seen = bytearray(len(self._sorted))

    def see(self, content_id: str) -> bool:
        """Say whether an id is among them, and remember that it was seen."""
        at = self._find(content_id)
        if at is not None:
            self._seen[at] = 1
        return at is not None

    def was_seen(self, content_id: str) -> bool:
        """Say whether an id was seen, or was not known: is new."""
        at = self._find(content_id)
        return at is None or bool(self._seen[at])

    @property
    def are_all_seen(self) -> bool:
        """Whether no id is left that was not seen."""
        return 0 not in self._seen

    def _find(self, content_id: str) -> int | None:
        short = shorten_id(content_id)
        at = bisect_left(self._sorted, short)
        return at if at < len(self._sorted) and self._sorted[at] == short else None


def shorten_id(content_id: str) -> int:
    """Return 64 bits that stand for an id."""
    return int.from_bytes(blake2b(content_id.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class FileOfSet:
    """A file as a part of a set.

    ``file`` stands for it in ``samples.source``: its name, with as many folders before it as tell it from others.
    """

    name: str
    file: str
    source: str
    content_hash: str
    licence: str | None
    notes: tuple[str, ...] = ()


def find_set(store: Store, path: Path, name: str | None, licence: str | None) -> FileOfSet:
    """Return what a file is called.

    Args:
        store: an open store.
        path: the file.
        name: of the set, as the user gives it; default: the one on record for the file, else the file's name.
        licence: as the user gives it; default: the one on record for the file, or for the set that is named.
    """
    source, content_hash = name_source(path, store.project), hash_files([path])
    known = _on_record(store)
    own = [k for k in known if name in (None, k["name"])]
    same = next((k for k in own if k["source"] == source), None) or next(
        (k for k in own if k["content_hash"] == content_hash), None
    )
    notes: list[str] = []
    if licence is None:
        licence = next((k["licence"] for k in own if k["licence"] and (name or (same and _is_of(k, same)))), None)
        notes += [f"licence {licence}, which is on record for the set"] if licence else []
    if same is not None:
        return FileOfSet(same["name"], same["file"], source, content_hash, licence, tuple(notes))
    file = _shortest(source, {k["file"] for k in own} | ({k["name"] for k in own} if name is None else set()))
    if file != path.name:
        first = next(k["source"] for k in own if path.name in (k["file"], k["name"]))
        notes.insert(0, f"{path.name} is on record as another file, {first}; this one is called {file}")
    return FileOfSet(name or file, file, source, content_hash, licence, tuple(notes))


def _is_of(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (one["name"], one["file"]) == (other["name"], other["file"])


def _on_record(store: Store) -> list[dict[str, Any]]:
    """Return the versions of files that are on record, the newest first."""
    rows = store.query("SELECT name, path, file, licence, content_hash FROM datasets ORDER BY imported_at DESC")
    return [
        {
            "name": name, "source": path if file else name_source(Path(path), store.project),
            "file": file or Path(path).name, "licence": licence, "content_hash": content_hash,
        }
        for name, path, file, licence, content_hash in rows
    ]  # fmt: skip


def _shortest(source: str, taken: set[str]) -> str:
    """Return the end of a path that is not taken, from its last part on."""
    parts = PurePath(source).parts
    tails = ("/".join(parts[-n:]) for n in range(1, len(parts)))
    return next((tail for tail in tails if tail not in taken), source)


def record_set(store: Store, inspected: Inspected, one: FileOfSet, n_rows: int, n_dropped: int) -> None:
    """Put the finished import of a file on record: as a new version, unless it is the newest one again."""
    mapping = canonical_json(inspected.mapping) if inspected.mapping else None
    content = [inspected.format_name, inspected.mapping, one.content_hash, one.licence]
    versions = store.query(
        "SELECT dataset_id, coalesce(version, 1) FROM datasets WHERE name = ? AND coalesce(file, name) = ? ORDER BY imported_at",
        [one.name, one.file],
    )
    if versions and versions[-1][0] == content_id("set", [one.name, one.file, versions[-1][1], *content]):
        return
    version = len(versions) + 1
    row = {
        "dataset_id": content_id("set", [one.name, one.file, version, *content]), "name": one.name, "path": one.source,
        "format": inspected.format_name, "mapping": mapping, "licence": one.licence, "content_hash": one.content_hash,
        "n_rows": n_rows, "n_dropped": n_dropped, "imported_at": utc_now(), "file": one.file, "version": version,
    }  # fmt: skip
    store.insert("datasets", [row], key="dataset_id")


def set_aside_replaced(store: Store, one: FileOfSet, known: KnownIds) -> int:
    """Put on record which rows of a file its newest version has not, take back what it has again; return how many it has not."""
    rows = "SELECT request_id FROM requests WHERE run_id = $1 AND step = $2 AND model = $3 AND starts_with(input_id, $4 || ':')"
    scope = [PROJECT_RUN, STEP, one.name, one.file]
    replaced = [] if known.are_all_seen else [i for (i,) in store.query(rows, scope) if not known.was_seen(i)]
    if not replaced and not store.query("SELECT 1 FROM replaced_rows LIMIT 1"):
        return 0
    with store.write() as connection:
        connection.execute(f"DELETE FROM replaced_rows WHERE request_id IN ({rows})", scope).fetchall()
        for start in range(0, len(replaced), LOOKED_UP):
            page = replaced[start : start + LOOKED_UP]
            connection.execute(
                "INSERT INTO replaced_rows SELECT unnest($1::VARCHAR[]), $2", [page, utc_now()]
            ).fetchall()
    return len(replaced)
