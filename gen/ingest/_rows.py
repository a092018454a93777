"""What is on record of the sources, and the rows of one file more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...schema import (
    PROJECT_RUN,
    ChunkRow,
    DocumentChunkRow,
    DocumentRow,
    DropRow,
    JournaledRow,
    PlanRow,
    canonical_json,
    content_id,
)
from ...store import Store

STEP = "ingest"
PAGES = "ingest/pages"
"""The step of pages that gave no text, in documents whose other pages did."""
WITHOUT_TEXT = "pages without text (images, or blank)"
HEADING_MARK = " > "


@dataclass(frozen=True, slots=True)
class _Latest:
    version: int
    document_id: str
    licence: str | None


@dataclass(frozen=True, slots=True)
class DocumentRows:
    """The rows of one version of one document, and how many of its chunks are new."""

    document: DocumentRow
    rows: list[JournaledRow]
    n_new_chunks: int
    empty_pages: str = ""
    """The pages that gave no text, as ``2-4, 7``."""
    n_empty_pages: int = 0


class Known:
    """What earlier ingests left. Grows by an id and a source name a document: some 300 bytes."""

    def __init__(self, store: Store, identity: dict[str, Any]) -> None:
        self._store = store
        self._identity = identity
        found = store.query("SELECT source, version, document_id, licence FROM documents ORDER BY version")
        self._latest = {str(s): _Latest(int(v), str(i), licence) for s, v, i, licence in found}
        self._documents = {str(i) for _, _, i, _ in found}
        where = [PROJECT_RUN, STEP]
        dropped = store.query("SELECT drop_id FROM drops WHERE run_id = ? AND step IN (?, ?)", [*where, PAGES])
        self._drops = {str(i) for (i,) in dropped}
        ((n_planned,),) = store.query("SELECT count(*) FROM plans WHERE run_id = ? AND step = ?", where)
        self._n_planned = int(n_planned)
        self._chunks: dict[str, set[str]] = {}

    def is_unchanged(self, source: str, content_hash: str, licence: str | None) -> bool:
        """Say whether the newest version of a source has these bytes, settings and licence."""
        latest = self._latest.get(source)
        return latest is not None and latest.document_id in self._names(source, content_hash, licence, latest.version)

    def was_there(self, source: str, content_hash: str, licence: str | None) -> bool:
        """Say whether a version that is not the newest has them."""
        return self._names(source, content_hash, licence, 0)[0] in self._documents

    def licence(self, source: str, given: str | None) -> str | None:
        """Return the licence of a source: the one given, or else the one on record."""
        latest = self._latest.get(source)
        return given if given is not None or latest is None else latest.licence

    def has(self, source: str) -> bool:
        """Say whether there is any version of a source."""
        return source in self._latest

    def _names(self, source: str, content_hash: str, licence: str | None, version: int) -> tuple[str, str]:
        """Return the id of a document, and the one that it has when an earlier version was the same."""
        content = [source, content_hash, self._identity, self.licence(source, licence)]
        return content_id("doc", content), content_id("doc", [*content, version])

    def document_rows(
        self, source: str, answer: dict[str, Any], licence: str | None, media: str | None, ahead: Sequence[str]
    ) -> DocumentRows:
        """Return the rows of a new version.

        Args:
            answer: what the worker made of the file.
            media: where the image is kept, for an image.
            ahead: sources that come with this one: their chunks are looked up with its own.
        """
        latest = self._latest.get(source)
        version = latest.version + 1 if latest else 1
        first, again = self._names(source, answer["content_hash"], licence, version)
        document_id = again if first in self._documents else first
        chunks, places = _chunk_rows(source, document_id, answer, media)
        known = self._chunks_of(source, ahead) if latest else set()
        new = [c for c in chunks if c.chunk_id not in known]
        metadata = canonical_json({**answer["metadata"], "chunking": self._identity})
        document = DocumentRow(
            document_id, source, version, answer["format"], answer["title"], self.licence(source, licence),
            answer["content_hash"], len(answer["text"]), len(places), metadata,
        )  # fmt: skip
        self._latest[source] = _Latest(version, document_id, document.licence)
        self._documents.add(document_id)
        empty = answer["metadata"].get("pages_without_text", ())
        pages = spell_numbers(empty)
        drops = self._page_drop(source, pages, len(empty), answer["content_hash"]) if empty else []
        rows = [self._plan(source), document, *new, *places, *drops]
        return DocumentRows(document, rows, len(new), pages, len(empty))

    def _page_drop(self, source: str, pages: str, n: int, content_hash: str) -> list[JournaledRow]:
        drop_id = content_id("drop", [PROJECT_RUN, PAGES, source, content_hash])
        if drop_id in self._drops:
            return []
        self._drops.add(drop_id)
        plan = PlanRow(PROJECT_RUN, 0, PAGES, 0, source, n)
        return [plan, DropRow(drop_id, PROJECT_RUN, 0, PAGES, WITHOUT_TEXT, source, None, f"pages {pages}", n)]

    def drop_rows(self, source: str, reason: str, raw: str | None, content_hash: str | None) -> list[JournaledRow]:
        """Return the rows of a drop; none where the same bytes were dropped before."""
        drop_id = content_id("drop", [PROJECT_RUN, STEP, source, content_hash or reason])
        if drop_id in self._drops:
            return []
        self._drops.add(drop_id)
        return [self._plan(source), DropRow(drop_id, PROJECT_RUN, 0, STEP, reason, source, None, raw)]

    def _plan(self, source: str) -> PlanRow:
        self._n_planned += 1
        return PlanRow(PROJECT_RUN, 0, STEP, self._n_planned - 1, source, 1)

    def _chunks_of(self, source: str, ahead: Sequence[str]) -> set[str]:
        if source not in self._chunks:
            wanted = sorted({source, *(s for s in ahead if s in self._latest)})
            self._chunks = {s: set() for s in wanted}
            marks = ", ".join("?" * len(wanted))
            for name, chunk_id in self._store.query(
                f"SELECT source, chunk_id FROM chunks WHERE source IN ({marks})", wanted
            ):
                self._chunks[str(name)].add(str(chunk_id))
        return self._chunks[source]


def spell_numbers(numbers: Sequence[int]) -> str:
    """Return rising numbers in short: ``2-4, 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _chunk_rows(
    source: str, document_id: str, answer: dict[str, Any], media: str | None
) -> tuple[list[ChunkRow], list[DocumentChunkRow]]:
    """Return the different chunks of a document, and where each stands in it."""
    text = answer["text"]
    spans = answer["chunks"] if media is None else [[0, len(text), [], 0, "", None, None, None, None]]
    chunks: dict[str, ChunkRow] = {}
    places = []
    for ordinal, (start, end, headings, n_tokens, before, *where) in enumerate(spans):
        path, body = HEADING_MARK.join(headings), before + text[start:end]
        chunk_id = content_id("chk", [source, path, body] if media is None else [source, path, body, media])
        chunks.setdefault(chunk_id, ChunkRow(chunk_id, source, body, path, n_tokens, media))
        places.append(DocumentChunkRow(document_id, ordinal, chunk_id, start, end, *where))
    return list(chunks.values()), places
