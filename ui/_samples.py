"""Queries of the pages of samples, pairs and documents."""

import json
from pathlib import Path
from typing import Any

from ..store import Value
from ._filters import PAGE_ROWS, Wish, write_conditions, write_page
from ._reader import Reader, Row

MOST_COUNTED = 10_000
PAIRS_SHOWN = 10
CHUNKS_SHOWN = 50

_VERDICTS = """
    SELECT sample_id, judge, passed, score, reason, created_at FROM verdicts
    WHERE sample_id IN (SELECT unnest(string_split($ids, ','))) ORDER BY sample_id, created_at, judge"""
_ABOUT = """
    SELECT s.*, r.messages, r.model, r.engine, r.checkpoint_id, r.template_id, t.name AS template, r.sampling, r.prompt_tokens,
           r.completion_tokens, p.question, p.answer AS problem_answer, p.source AS problem_source
    FROM (SELECT * FROM samples WHERE sample_id = $id LIMIT 1) s
    LEFT JOIN requests r ON r.request_id = s.request_id
    LEFT JOIN templates t ON t.template_id = r.template_id
    LEFT JOIN (SELECT DISTINCT ON (problem_id) * FROM problems) p ON p.problem_id = s.problem_id LIMIT 1"""
_WAY = """
    WITH RECURSIVE way AS (
        SELECT sample_id, input_id, step, fields, completion, 0 AS depth FROM samples WHERE sample_id = $id
        UNION
        SELECT s.sample_id, s.input_id, s.step, s.fields, s.completion, w.depth + 1
        FROM samples s JOIN way w ON s.sample_id = w.input_id WHERE w.depth < 20
    )
    SELECT * FROM way ORDER BY depth"""
_CHUNK = """
    SELECT c.chunk_id, c.source, c.text, c.headings, c.media, x.document_id, x.ordinal, x.char_start, x.char_end, x.line_start,
           x.line_end, x.page_start, x.page_end, d.title, d.version
    FROM (SELECT * FROM chunks WHERE chunk_id = $id LIMIT 1) c
    LEFT JOIN document_chunks x ON x.chunk_id = c.chunk_id LEFT JOIN documents d ON d.document_id = x.document_id
    ORDER BY d.version DESC NULLS LAST LIMIT 1"""
_USES = """
    SELECT 'sample' AS what, sample_id AS id, step AS name, iteration FROM (SELECT * FROM samples WHERE input_id = $id LIMIT 20)
    UNION ALL SELECT 'pair', pair_id, kind || CASE WHEN chosen_sample_id = $id THEN ', chosen' ELSE ', rejected' END, iteration
    FROM pairs WHERE $id IN (chosen_sample_id, rejected_sample_id)
    UNION ALL SELECT 'snapshot', n.snapshot_id, n.stage || ' of iteration ' || n.iteration, n.iteration
    FROM snapshots n JOIN snapshot_rows x USING (snapshot_id) WHERE x.sample_id = $id"""
_PAIRS = f"""
    SELECT p.rowid AS row_number, p.pair_id, p.kind, p.run_id, p.iteration, p.judge, p.margin, p.chosen_sample_id, p.rejected_sample_id,
           c.completion AS chosen, j.completion AS rejected, coalesce(c.prompt, r.messages) AS prompt, c.step,
           p.pair_id IN (SELECT pair_id FROM unused_pairs) AS is_unused
    FROM (SELECT rowid, * FROM pairs WHERE ($kind = '' OR kind = $kind) AND ($iteration < 0 OR iteration = $iteration)
          AND ($before < 0 OR rowid < $before) ORDER BY rowid DESC LIMIT {PAIRS_SHOWN + 1}) p
    LEFT JOIN samples c ON c.sample_id = p.chosen_sample_id LEFT JOIN samples j ON j.sample_id = p.rejected_sample_id
    LEFT JOIN requests r ON r.request_id = c.request_id ORDER BY p.rowid DESC"""
_DOCUMENTS = f"""
    SELECT rowid AS row_number, document_id, source, version, format, title, licence, n_chars, n_chunks, created_at
    FROM documents WHERE contains(lower(source || ' ' || coalesce(title, '')), lower($search)) AND ($before < 0 OR rowid < $before)
    ORDER BY rowid DESC LIMIT {PAGE_ROWS + 1}"""
_YIELD = """
    WITH mine AS (
        SELECT DISTINCT document_id, chunk_id FROM document_chunks WHERE document_id IN (SELECT unnest(string_split($ids, ',')))
    ), made AS (
        SELECT input_id AS chunk_id, count(*) AS samples, count(*) FILTER (sample_id IN (SELECT sample_id FROM accepted_samples)) AS accepted
        FROM samples WHERE input_id IN (SELECT chunk_id FROM mine) GROUP BY input_id
    ), lost AS (SELECT input_id AS chunk_id, sum(n) AS drops FROM drops WHERE input_id IN (SELECT chunk_id FROM mine) GROUP BY input_id)
    SELECT m.document_id, m.chunk_id, coalesce(d.samples, 0) AS samples, coalesce(d.accepted, 0) AS accepted,
           coalesce(l.drops, 0)::BIGINT AS drops
    FROM mine m LEFT JOIN made d USING (chunk_id) LEFT JOIN lost l USING (chunk_id)"""
_CHUNKS = f"""
    SELECT x.ordinal, c.chunk_id, c.text, c.headings, c.n_tokens, c.media, x.line_start, x.line_end, x.page_start, x.page_end,
           (SELECT string_agg(DISTINCT reason, '; ') FROM drops q WHERE q.input_id = x.chunk_id) AS drop_reasons
    FROM (SELECT * FROM document_chunks WHERE document_id = $id AND ordinal >= $first ORDER BY ordinal LIMIT {CHUNKS_SHOWN + 1}) x
    JOIN (SELECT DISTINCT ON (chunk_id) * FROM chunks) c ON c.chunk_id = x.chunk_id ORDER BY x.ordinal"""


def list_samples(reader: Reader, wish: Wish) -> list[Row]:
    """Return a page of samples and one more, each with its verdicts."""
    sql, values = write_page(wish)
    return with_verdicts(reader, reader.ask(sql, **values))


def count_samples(reader: Reader, wish: Wish) -> str:
    """Return how many samples there are; of a filter's no more than ``MOST_COUNTED`` are counted."""
    where, values = write_conditions(wish)
    if where == "true":
        return f"{reader.ask('SELECT count(*) AS n FROM samples')[0]['n']:,}"
    sql = f"SELECT count(*) AS n FROM (SELECT 1 FROM samples s WHERE {where} LIMIT {MOST_COUNTED + 1})"
    n = reader.ask(sql, **values)[0]["n"]
    return f"more than {MOST_COUNTED:,}" if n > MOST_COUNTED else f"{n:,}"


def with_verdicts(reader: Reader, rows: list[Row]) -> list[Row]:
    """Return the rows with ``verdicts``: what is in the store, then what people said since."""
    ids = [r["sample_id"] for r in rows]
    found = reader.ask(_VERDICTS, ids=",".join(ids)) if ids else []
    known = {(v["sample_id"], v["judge"], str(v["created_at"])) for v in found}
    waiting = [
        v
        for v in read_waiting(reader, "verdicts")
        if (v["sample_id"], v["judge"], v["created_at"].replace("T", " ")) not in known
    ]
    return [{**r, "verdicts": [v for v in [*found, *waiting] if v["sample_id"] == r["sample_id"]]} for r in rows]


def read_waiting(reader: Reader, table: str) -> list[Row]:
    """Return people's rows that no fold has taken in yet."""
    return [row for rows in reader.store.read_aside() for row in rows.get(table, ())]


def find_sample(reader: Reader, sample_id: str) -> Row | None:
    """Return a sample with its request, problem and verdicts; one that a person has just made, too."""
    about = reader.one(_ABOUT, id=sample_id)
    if about is None:
        waiting = next((s for s in read_waiting(reader, "samples") if s["sample_id"] == sample_id), None)
        if waiting is None:
            return None
        origin = reader.one(_ABOUT, id=waiting["input_id"]) or {}
        about = {**origin, **waiting}
    return with_verdicts(reader, [about])[0]


FACTS = (
    "run_id", "iteration", "step", "draw", "item", "template", "template_id", "model", "engine", "checkpoint_id", "sampling", "prompt_tokens",
    "completion_tokens", "finish_reason", "logprob", "request_id", "problem_id", "input_id", "source", "parser", "fields", "created_at",
)  # fmt: skip
OF_A_PERSON = ("run_id", "iteration", "step", "problem_id", "parser", "created_at")


def list_facts(about: Row) -> list[tuple[str, Any]]:
    """Return what is on record of a sample; of one that a person wrote not the model, engine and tokens of the request whose
    completion it replaces.
    """
    if not str(about.get("parser") or "").startswith("human@"):
        return [(name, about[name]) for name in FACTS if about.get(name) is not None]
    facts = [(name, about[name]) for name in OF_A_PERSON if about.get(name) is not None]
    return [("written by", about["source"]), ("in place of", about["input_id"]), *facts]


def trace(reader: Reader, about: Row) -> Row:
    """Return where a sample comes from: its ancestors, and the chunk with the cited span, if there is one."""
    way = reader.ask(_WAY, id=about["sample_id"]) or [about, *reader.ask(_WAY, id=about["input_id"] or "")]
    origin = way[-1]["input_id"] or ""
    chunk = reader.one(_CHUNK, id=origin) if origin.startswith("chk_") else None
    quote = next((q for w in way if (q := _quote_of(w["fields"]))), None)
    return {"way": way, "origin": origin, "chunk": chunk, "quote": quote, "span": _find_span(chunk, quote)}


def _quote_of(fields: str | None) -> Row | None:
    """Return the quote that a parser located, with its offsets in the chunk."""
    try:
        read = json.loads(fields or "null")
    except ValueError:
        return None
    return read if isinstance(read, dict) and isinstance(read.get("quote"), str) and read["quote"] else None


def _find_span(chunk: Row | None, quote: Row | None) -> tuple[int, int] | None:
    """Return the characters of the chunk that are cited: the offsets on record, or where the quote stands."""
    if chunk is None or quote is None:
        return None
    start, end = quote.get("quote_start"), quote.get("quote_end")
    if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(chunk["text"]):
        return start, end
    at = chunk["text"].find(quote["quote"])
    return (at, at + len(quote["quote"])) if at >= 0 else None


def list_uses(reader: Reader, sample_id: str) -> list[Row]:
    """Return what came of a sample: samples, pairs, snapshots."""
    return reader.ask(_USES, id=sample_id)


def list_pairs(reader: Reader, kind: str, iteration: int, before: int) -> list[Row]:
    """Return pairs, the newest first, one more than are shown."""
    return reader.ask(_PAIRS, kind=kind, iteration=iteration, before=before)


def list_kinds(reader: Reader) -> list[Row]:
    """Return the kinds of pairs with their counts."""
    return reader.ask("SELECT kind, count(*) AS n FROM pairs GROUP BY kind ORDER BY n DESC, kind")


def list_documents(reader: Reader, search: str, before: int) -> list[Row]:
    """Return documents, the newest first, one more than are shown, each with what came of its chunks."""
    rows = reader.ask(_DOCUMENTS, search=search, before=before)
    made = _count_yield(reader, [r["document_id"] for r in rows])
    return [{**r, **_add_up([m for m in made if m["document_id"] == r["document_id"]])} for r in rows]


def _count_yield(reader: Reader, ids: list[str]) -> list[Row]:
    return reader.ask(_YIELD, ids=",".join(ids)) if ids else []


def _add_up(made: list[Row]) -> dict[str, int]:
    return {name: sum(m[name] for m in made) for name in ("samples", "accepted", "drops")}


def find_document(reader: Reader, document_id: str, first: int) -> Row | None:
    """Return a document with its chunks from ``first`` on, and what came of each."""
    about = reader.one("SELECT * FROM documents WHERE document_id = $id LIMIT 1", id=document_id)
    if about is None:
        return None
    made = {m["chunk_id"]: m for m in _count_yield(reader, [document_id])}
    none: dict[str, Value] = {"samples": 0, "accepted": 0, "drops": 0}
    chunks = [{**none, **c, **made.get(c["chunk_id"], {})} for c in reader.ask(_CHUNKS, id=document_id, first=first)]
    return {**about, "chunks": chunks, **_add_up(list(made.values()))}


def read_around(folder: Path, chunk: Row, n_chars: int = 300) -> tuple[str, str]:
    """Return the text of the document before and behind a chunk; nothing where the text is not kept."""
    file = folder / f"{chunk['document_id']}.txt"
    if not chunk["document_id"] or chunk["char_start"] is None or not file.is_file():
        return "", ""
    text = file.read_text(encoding="utf-8", errors="replace")
    start, end = int(chunk["char_start"]), int(chunk["char_end"])
    return text[max(0, start - n_chars) : start], text[end : end + n_chars]


def as_messages(text: Any) -> list[Row]:
    """Return messages (JSON) as role and text."""
    try:
        read = json.loads(text or "[]")
    except (TypeError, ValueError):
        return [{"role": "text", "content": str(text)}]
    rows = read if isinstance(read, list) else [read]
    return [
        {"role": str(m.get("role", "text")), "content": _as_text(m.get("content"))} if isinstance(m, dict) else {"role": "text", "content": str(m)}
        for m in rows
    ]  # fmt: skip


def _as_text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(p.get("text", p.get("type", ""))) if isinstance(p, dict) else str(p) for p in content)
    return "" if content is None else str(content)
