"""What a person changes: accept, reject, label, edit. On disk before it is acknowledged, whoever holds the store."""

import asyncio
import csv
import io
import logging
from collections.abc import Sequence

from aiohttp import web

from ..errors import StoreLockedError
from ..store import PeopleRow
from . import _people as people
from ._keys import GUARD, ME, READER
from ._reader import Reader, Row
from ._samples import find_sample

log = logging.getLogger(__name__)

FOLD_PATIENCE_S = 0.5
"""How long a decision waits for the store before it is left to the next fold; it is on record already."""
LABELS = """
    SELECT sample_id, CASE arg_max(passed, created_at) WHEN true THEN 'pass' WHEN false THEN 'fail' END AS label,
           arg_max(reason, created_at) FILTER (passed IS NULL) AS words, arg_max(reason, created_at) AS reason,
           arg_max(substr(judge, 7), created_at) AS person, max(created_at) AS created_at
    FROM verdicts WHERE starts_with(judge, 'human:') GROUP BY sample_id ORDER BY sample_id"""
"""What people said of each sample last: pass or fail, and the words that they gave as a label, each in a column of its own."""


def add_decisions(app: web.Application) -> None:
    """Add what changes something, and the labels to take along."""
    app.router.add_post("/samples/{id}/decide", decide)
    app.router.add_post("/samples/{id}/edit", edit)
    app.router.add_get("/labels.csv", send_labels)


async def decide(request: web.Request) -> web.StreamResponse:
    """Accept, reject or label a sample."""
    form = await request.post()
    request.app[GUARD].check_form(str(form.get("csrf", "")))
    sample_id = request.match_info["id"]
    row = people.decide(request.app[ME], sample_id, str(form.get("action", "")), str(form.get("words", "")))
    await asyncio.to_thread(_require, request.app[READER], sample_id)
    await asyncio.to_thread(_record, request.app[READER], [row])
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response(
            {"sample_id": sample_id, "judge": row.judge, "passed": row.passed, "reason": row.reason}
        )
    raise web.HTTPSeeOther(f"/samples/{sample_id}")


async def edit(request: web.Request) -> web.StreamResponse:
    """Put another completion in the place of a sample's."""
    form = await request.post()
    request.app[GUARD].check_form(str(form.get("csrf", "")))
    sample = await asyncio.to_thread(_require, request.app[READER], request.match_info["id"])
    rows = people.edit(request.app[ME], sample, str(form.get("completion", "")))
    await asyncio.to_thread(_record, request.app[READER], rows)
    raise web.HTTPSeeOther(f"/samples/{rows[0].sample_id}")


def _require(reader: Reader, sample_id: str) -> Row:
    found = find_sample(reader, sample_id)
    if found is None:
        raise web.HTTPNotFound(text="There is no such sample.")
    return found


def _record(reader: Reader, rows: Sequence[PeopleRow]) -> None:
    reader.store.put_aside(rows)
    fold(reader, FOLD_PATIENCE_S)


def fold(reader: Reader, patience_s: float) -> None:
    """Take what is on record into the store, if it is free; it is not lost otherwise."""
    try:
        reader.store.fold_aside(patience_s)
    except StoreLockedError:
        log.info("the store is in use; decisions wait on disk")


async def send_labels(request: web.Request) -> web.Response:
    """Send what people said as labels for ``flywheel judge calibrate --labels``."""

    def act() -> str:
        reader = request.app[READER]
        fold(reader, FOLD_PATIENCE_S)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["sample_id", "label", "words", "reason", "person", "created_at"])
        writer.writerows([list(r.values()) for r in reader.ask(LABELS)])
        return out.getvalue()

    text = await asyncio.to_thread(act)
    return web.Response(
        text=text, content_type="text/csv", headers={"Content-Disposition": 'attachment; filename="labels.csv"'}
    )
