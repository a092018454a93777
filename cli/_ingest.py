"""``flywheel ingest``."""

import json
from pathlib import Path
from typing import Any

import click

from ..errors import InputError
from ..gen import Ingested, IngestSettings, check_arguments, ingest_documents
from ..loop import count
from ..store import Store
from ._common import make_reporter, open_project
from ._tables import print_table

DEFAULT = IngestSettings()


@click.command("ingest")
@click.argument("paths", nargs=-1, metavar="PATH|DIR|GLOB|URL-FILE…")
@click.option("--licence", "--license", default=None, metavar="TEXT", help="Kept with each document.")
@click.option(
    "--chunk-tokens", type=int, default=DEFAULT.chunk_tokens, show_default=True, help="Most tokens of a chunk."
)
@click.option(
    "--overlap-tokens", type=int, default=None,
    help="Most tokens that a chunk repeats from the one before; default: an eighth of a chunk; 0 = disabled.",
)  # fmt: skip
@click.option(
    "--min-chars", type=int, default=DEFAULT.min_chars, show_default=True,
    help="Fewest letters and digits of a document; 0 = disabled.",
)  # fmt: skip
@click.option(
    "--tokenizer",
    default=None,
    metavar="DIR",
    help="A folder with a tokenizer.json that counts tokens; default: an estimate.",
)
@click.option(
    "--parser", type=click.Choice(["light", "docling"]), default=DEFAULT.parser, show_default=True,
    help="docling: layout models and OCR (an extra).",
)  # fmt: skip
@click.option(
    "--code", type=click.Choice(["packed", "definitions"]), default=DEFAULT.code, show_default=True,
    help="Of source code: definitions = a chunk for each function and method, with the imports and constants that it names.",
)  # fmt: skip
@click.option(
    "--timeout",
    "timeout_s",
    type=float,
    default=DEFAULT.timeout_s,
    help="Most seconds a file; default: 60, docling 600.",
)
@click.option(
    "--fetch-timeout",
    "fetch_timeout_s",
    type=float,
    default=DEFAULT.fetch_timeout_s,
    show_default=True,
    help="Most seconds a URL.",
)
@click.option("--max-mb", type=int, default=DEFAULT.max_mb, show_default=True, help="Largest file, in MiB.")
@click.option(
    "--memory-mb",
    type=int,
    default=DEFAULT.memory_mb,
    help="Most memory of a parser, in MiB; default: 2048, docling 32768.",
)
@click.option("--jobs", type=int, default=DEFAULT.jobs, help="Files read at once; default: one a processor, at most 8.")
@click.option("--format", "fmt", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_obj
def ingest_command(root: Path, /, paths: tuple[str, ...], fmt: str, **options: Any) -> None:
    """Bring documents in: text, Markdown, reStructuredText, AsciiDoc, HTML, PDF, DOCX, PPTX, XLSX, CSV, JSON, EPUB, ODT,
    RTF, mail, notebooks, source code and images. NAME.urls and @NAME are lists of URLs, one a line.

    What is there already is left alone; a changed file becomes a new version, of which only the changed chunks are new. A
    file that cannot be read is kept as a drop with its reason.
    """
    if options["overlap_tokens"] is None:
        options["overlap_tokens"] = max(0, options["chunk_tokens"]) // 8
    settings = IngestSettings(**options)
    check_arguments(paths)
    store = Store(open_project(root))
    reporter = make_reporter()
    try:
        with store.run_lock("flywheel ingest"):
            store.open()
            reporter.begin("ingest", unit="files")
            counts = ingest_documents(
                store, paths, settings,
                on_progress=lambda c: reporter.update(done=c.done, total=c.inputs, note=f"{c.chunks} chunks"),
            )  # fmt: skip
            store.close()
        reporter.end(f"{count(counts.done, 'file')}, {count(counts.new_chunks, 'new chunk')}")
    finally:
        reporter.close()
    print_json(counts) if fmt == "json" else print_counts(counts)
    _tell_skipped(counts)
    if counts.empty_pages:
        click.echo(
            f"warning: {count(counts.empty_pages, 'page')} without text ({counts.first_empty_pages}); "
            "--parser docling reads images too",
            err=True,
        )
    _check_any(counts)


def as_dict(counts: Ingested) -> dict[str, object]:
    """Return the counts as ``--format json`` prints them."""
    return {
        "inputs": counts.inputs,
        "documents": {
            "new": counts.new, "new_versions": counts.versions, "changed_back": counts.restored,
            "unchanged": counts.unchanged, "dropped": counts.drops.total(),
        },
        "chunks": {"new": counts.new_chunks, "kept": counts.chunks - counts.new_chunks},
        "pages_without_text": counts.empty_pages,
        "skipped": [{"reason": r, "n": n, "first": counts.skipped.first[r]} for r, n in counts.skipped.n.most_common()],
        "drops": [{"reason": r, "n": n, "first": counts.first_drops[r]} for r, n in counts.drops.most_common()],
    }  # fmt: skip


def print_json(counts: Ingested) -> None:
    """Print the counts as one JSON object."""
    click.echo(json.dumps(as_dict(counts), ensure_ascii=False, indent=1))


def print_counts(counts: Ingested) -> None:
    """Print the counts as a table, and the drops by reason as another."""
    rows = [
        ["documents", "new", counts.new],
        ["documents", "new versions", counts.versions],
        ["documents", "of these, changed back", counts.restored],
        ["documents", "unchanged", counts.unchanged],
        ["documents", "dropped", counts.drops.total()],
        ["chunks", "new", counts.new_chunks],
        ["chunks", "already there, or repeated", counts.chunks - counts.new_chunks],
    ]
    print_table(["what", "", "n"], [row for row in rows if row[2] or row[1] == "new"])
    if counts.drops:
        found = [[reason, n, counts.first_drops[reason]] for reason, n in counts.drops.most_common()]
        print_table(["dropped because", "n", "the first"], found)


def _tell_skipped(counts: Ingested) -> None:
    for reason, n in counts.skipped.n.most_common():
        first = counts.skipped.first[reason]
        click.echo(f"note: skipped {first}{f' and {n - 1} more' if n > 1 else ''}: {reason}", err=True)


def _check_any(counts: Ingested) -> None:
    if counts.done == counts.drops.total():
        reason, source = next(iter(counts.first_drops.items()))
        raise InputError(
            f"ingest {source}", expected="at least one document that can be read", received=reason,
            cure="see docs/ingest.md for the formats; the drops are on record: flywheel sql \"select * from drop_reasons\"",
        )  # fmt: skip
