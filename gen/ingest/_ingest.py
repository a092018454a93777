"""Documents into the store: walk, convert, cut, put on record, one file at a time.

Guarantees: every input ends as a version of a document, as one that is there already, or as a drop with its reason; the
rows of one file are on record together or not at all, so that the same command after a ``kill -9`` goes on with the files
that are missing; the order of rows is that of the inputs. Files are read and cut by worker processes, a few at a time.
What grows with the number of files is the names and ids of the sources, not their text.
"""

import importlib.util
import os
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import InputError, MissingExtraError
from ...schema import content_id
from ...store import Store
from ..convert import Refused
from ..convert._hash import hash_file
from ._fetch import fetch
from ._own import OwnFiles, Skipped
from ._rows import Known
from ._settings import IngestSettings
from ._walk import Found, check_arguments, find_inputs
from ._workers import Workers

MOST_JOBS = 8
AHEAD_A_JOB = 4
"""Files in work or waiting for their turn, a job: what is converted early waits in memory."""
BATCH = 256
"""Sources whose known chunks are looked up together."""


@dataclass
class Ingested:
    """Counts of an ingest.

    Attributes:
        inputs: files and addresses, each once.
        new: documents that were not there.
        versions: newer versions of documents that were there.
        restored: of those, the ones that an earlier version was the same as.
        unchanged: documents that were there already.
        chunks: places of chunks in all new documents and versions; a text that is there twice counts twice.
        new_chunks: chunks that were not there, each once.
        drops: inputs that are no documents, by reason, those that are on record from before included.
        first_drops: for each reason, the first source that was dropped for it.
        empty_pages: pages without text in new documents and versions that have others.
        first_empty_pages: the first document with such pages, and which they are.
        skipped: the project's own files that were met; they are no inputs.
    """

    inputs: int = 0
    new: int = 0
    versions: int = 0
    restored: int = 0
    unchanged: int = 0
    chunks: int = 0
    new_chunks: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    first_drops: dict[str, str] = field(default_factory=dict)
    empty_pages: int = 0
    first_empty_pages: str = ""
    skipped: Skipped = field(default_factory=Skipped)

    @property
    def done(self) -> int:
        """Inputs that have been dealt with."""
        return self.new + self.versions + self.unchanged + self.drops.total()


OnProgress = Callable[[Ingested], None]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of one input: nothing new, an answer of the worker, or a reason."""

    unchanged: bool = False
    answer: dict[str, Any] | None = None
    media: str | None = None
    reason: str = ""
    raw: str | None = None
    content_hash: str | None = None


def ingest_documents(
    store: Store,
    arguments: Sequence[str],
    settings: IngestSettings | None = None,
    *,
    on_progress: OnProgress = lambda counts: None,
) -> Ingested:
    """Bring files, folders, patterns and URLs into an open store.

    What is there already, with the same bytes and settings, is left alone; what changed becomes a new version, of which
    only the chunks that changed are new rows. The caller holds the project's run lock.

    Args:
        arguments: paths (from the current folder), patterns, ``NAME.urls`` or ``@NAME`` lists, URLs.
        on_progress: called after each input with the counts so far.

    Raises:
        NotFoundError: an argument names nothing.
        InputError: no input is there, or a list of URLs holds none.
        MissingExtraError: docling is asked for and not installed.
        DiskFullError: the journal has no room.
        StageError: worker processes cannot be started.
    """
    settings = settings or IngestSettings()
    _check_parser(settings)
    targets = check_arguments(arguments)
    own, counts = OwnFiles(store), Ingested()
    counts.inputs = sum(1 for _ in find_inputs(targets, store.project, own, counts.skipped))
    if not counts.inputs:
        raise _nothing_to_read(arguments, counts.skipped)
    known = Known(store, settings.identity())
    with _Reader(store, settings, known) as reader:
        for found, outcome, ahead in reader.read(find_inputs(targets, store.project, own)):
            _record(store, known, found, outcome, ahead, counts, settings)
            on_progress(counts)
    store.fold()
    return counts


def _nothing_to_read(arguments: Sequence[str], skipped: Skipped) -> InputError:
    received, cure = "none that is not hidden or a cache", "name a folder with documents, or the files themselves"
    if skipped.n:
        own = "; ".join(f"{source} ({reason})" for reason, source in skipped.first.items())
        received = f"none but files of the project's own: {own}"
        cure = "name a folder with documents; to have one of these as a document, copy it under another name"
    return InputError(" ".join(["ingest", *arguments]), expected="files", received=received, cure=cure)


def _check_parser(settings: IngestSettings) -> None:
    if settings.parser == "docling" and importlib.util.find_spec("docling") is None:
        raise MissingExtraError(
            "--parser docling", expected="docling, which brings its own models", received="it is not installed",
            cure="pip install 'llm-flywheel[docling]', or leave --parser out",
        )  # fmt: skip


def _record(
    store: Store,
    known: Known,
    found: Found,
    outcome: _Outcome,
    ahead: Sequence[str],
    counts: Ingested,
    settings: IngestSettings,
) -> None:
    if outcome.unchanged:
        counts.unchanged += 1
    elif outcome.answer is None:
        counts.drops[outcome.reason] += 1
        counts.first_drops.setdefault(outcome.reason, found.source)
        store.append(known.drop_rows(found.source, outcome.reason, outcome.raw, outcome.content_hash))
    else:
        _record_document(store, known, found.source, outcome, ahead, counts, settings.licence)


def _record_document(
    store: Store,
    known: Known,
    source: str,
    outcome: _Outcome,
    ahead: Sequence[str],
    counts: Ingested,
    licence: str | None,
) -> None:
    answer = outcome.answer
    assert answer is not None
    if known.is_unchanged(source, answer["content_hash"], licence):
        counts.unchanged += 1
        return
    counts.restored += known.was_there(source, answer["content_hash"], licence)
    made = known.document_rows(source, answer, licence, outcome.media, ahead)
    if answer["text"]:
        _write_once(store.project.documents / f"{made.document.document_id}.txt", answer["text"].encode())
    store.append(made.rows)
    counts.new += made.document.version == 1
    counts.versions += made.document.version > 1
    counts.chunks += made.document.n_chunks
    counts.new_chunks += made.n_new_chunks
    counts.empty_pages += made.n_empty_pages
    if made.n_empty_pages and not counts.first_empty_pages:
        counts.first_empty_pages = f"{source}, pages {made.empty_pages}"


def _write_once(path: Path, data: bytes) -> None:
    """Write a content-addressed file, whole or not at all."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_bytes(data)
        fresh.replace(path)


class _Reader:
    """Reads inputs by several threads, each with a worker process, and gives what came of them in the inputs' order."""

    def __init__(self, store: Store, settings: IngestSettings, known: Known) -> None:
        self._project = store.project
        self._settings = settings
        self._known = known
        self._n_jobs = settings.jobs or min(os.cpu_count() or 1, MOST_JOBS)
        self._workers = Workers(timeout_s=settings.file_timeout_s, memory_mb=settings.worker_mb)
        self._threads = ThreadPoolExecutor(self._n_jobs, thread_name_prefix="ingest")

    def __enter__(self) -> "_Reader":
        self._project.work.mkdir(parents=True, exist_ok=True)
        for leftover in self._project.work.glob("fetched-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        self._fetched = Path(tempfile.mkdtemp(prefix="fetched-", dir=self._project.work))
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._workers.close()
        shutil.rmtree(self._fetched, ignore_errors=True)

    def read(self, inputs: Iterable[Found]) -> Iterator[tuple[Found, _Outcome, list[str]]]:
        """Yield each input, what came of it, and the sources of its batch."""
        waiting: deque[tuple[Found, Future[_Outcome], list[str]]] = deque()
        for found, ahead in _batched(inputs):
            if len(waiting) >= self._n_jobs * AHEAD_A_JOB:
                yield _wait(waiting.popleft())
            waiting.append((found, self._threads.submit(self._read_one, found), ahead))
        while waiting:
            yield _wait(waiting.popleft())

    def _read_one(self, found: Found) -> _Outcome:
        if found.fault:
            return _Outcome(reason=found.fault)
        digest: str | None = None
        try:
            path, media_type = self._fetch(found) if found.url else (found.path, None)
            assert path is not None
            if path.stat().st_size > self._settings.max_mb << 20:
                raise Refused(f"larger than {self._settings.max_mb} MB")
            digest = hash_file(path)
            if self._known.is_unchanged(found.source, digest, self._settings.licence):
                return _Outcome(unchanged=True)
            return self._convert(path, found, media_type, digest)
        except Refused as refused:
            return _Outcome(reason=refused.reason, raw=refused.raw, content_hash=digest)
        except OSError as error:
            return _Outcome(reason=f"unreadable: {error.strerror or error}", content_hash=digest)
        finally:
            if found.url:
                with suppress(OSError):
                    self._place(found).unlink()

    def _place(self, found: Found) -> Path:
        return self._fetched / content_id("url", found.source)

    def _fetch(self, found: Found) -> tuple[Path, str | None]:
        assert found.url is not None
        limit = self._settings.max_mb << 20
        media_type = fetch(found.url, self._place(found), timeout_s=self._settings.fetch_timeout_s, max_bytes=limit)
        return self._place(found), media_type

    def _convert(self, path: Path, found: Found, media_type: str | None, digest: str) -> _Outcome:
        s = self._settings
        name = found.url.split("?")[0].split("#")[0] if found.url else path.name
        answer = self._workers.ask(
            {
                "path": os.fspath(path), "name": name, "media_type": media_type, "parser": s.parser,
                "chunk_tokens": s.chunk_tokens, "overlap_tokens": s.overlap_tokens, "min_chars": s.min_chars, "code": s.code,
                "tokenizer": s.tokenizer,
            }
        )  # fmt: skip
        if "refused" in answer:
            content_hash = answer.get("content_hash") or digest
            return _Outcome(reason=answer["refused"], raw=answer["raw"], content_hash=content_hash)
        media = self._keep_image(path, answer) if answer["media"] else None
        return _Outcome(answer=answer, media=media)

    def _keep_image(self, path: Path, answer: dict[str, Any]) -> str:
        kept = self._project.media / f"{answer['content_hash']}.{answer['media']}"
        _write_once(kept, path.read_bytes())
        return kept.relative_to(self._project.root).as_posix()


def _wait(waiting: tuple[Found, Future[_Outcome], list[str]]) -> tuple[Found, _Outcome, list[str]]:
    found, future, ahead = waiting
    return found, future.result(), ahead


def _batched(inputs: Iterable[Found]) -> Iterator[tuple[Found, list[str]]]:
    stream = iter(inputs)
    while batch := list(islice(stream, BATCH)):
        sources = [found.source for found in batch]
        yield from ((found, sources) for found in batch)
