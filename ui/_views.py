"""The pages: read the address, ask, render. Queries run in a thread, so that the server answers others meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ..store import list_questions
from . import _overview as overview
from . import _samples as samples
from ._address import check_names, read_choice, read_number, read_text, refuse
from ._decisions import add_decisions
from ._filters import COLUMNS, OPERATORS, PAGE_ROWS, SORTS, STATES, Wish, read_place, read_wish
from ._keys import GUARD, PAGES, READER
from ._login import add_login
from ._plots import plot_result, plot_scores, plot_suite, plot_tokens, show_bar
from ._reader import Reader, Row
from ._render import render
from ._words import mark_differences

Page = Callable[[web.Request], Awaitable[web.Response]]


def add_views(app: web.Application) -> None:
    """Add every page."""
    pages: dict[str, tuple[Page, tuple[str, ...]]] = {
        "/": (show_overview, ("run",)), "/live": (show_live, ("run",)),
        "/samples": (show_samples, ("q", "state", "sort", "dir", "f", "op", "v", "after")), "/samples/{id}": (show_sample, ()),
        "/pairs": (show_pairs, ("kind", "iteration", "before")), "/judges": (show_judges, ()), "/evals": (show_evals, ()),
        "/evals/compare": (show_comparison, ("a", "b", "show", "first")), "/documents": (show_documents, ("q", "before")),
        "/documents/{id}": (show_document, ("first",)), "/sql": (show_sql, ("query",)),
    }  # fmt: skip
    for path, (page, names) in pages.items():
        app.router.add_get(path, _check_first(page, names))
    app.router.add_post("/sql", run_sql)
    add_decisions(app)
    add_login(app)


def _check_first(page: Page, names: tuple[str, ...]) -> Page:
    """Return a page that refuses what its address may not have."""

    async def checked(request: web.Request) -> web.Response:
        check_names(request, names)
        return await page(request)

    return checked


async def read(request: web.Request, act: Callable[[Reader], Any]) -> Any:
    """Ask the store in a thread; the file is opened once for all that a page asks."""
    reader = request.app[READER]

    def all_at_once() -> Any:
        with reader.store.kept_open():
            return act(reader)

    return await asyncio.to_thread(all_at_once)


def unknown(what: str) -> web.HTTPNotFound:
    """Return the error of an id that nothing has."""
    return web.HTTPNotFound(text=f"There is no such {what}.")


async def show_overview(request: web.Request) -> web.Response:
    """What a run made and why it promoted what it did."""

    def act(reader: Reader) -> Row | None:
        runs = overview.list_runs(reader)
        run_id = request.query.get("run", runs[0]["run_id"] if runs else "")
        run = next((r for r in runs if r["run_id"] == run_id), None)
        if run_id and run is None:
            return None
        scores, champions = overview.list_scores(reader, run_id), overview.list_champions(reader, run_id)
        return {
            "runs": runs, "run": run, "scores": scores, "plots": plot_scores(scores, champions), "champions": champions,
            "schedule": overview.find_schedule(reader), "findings": overview.list_findings(reader, run_id), "funnel": overview.list_funnel(reader, run_id),
            "cost": (cost := overview.list_cost(reader, run_id)), "tokens": plot_tokens(cost),
            "templates": overview.list_templates(reader), "progress": overview.find_progress(reader, run_id),
            "decisions": overview.list_decisions(reader, run_id),
        }  # fmt: skip

    found = await read(request, act)
    if found is None:
        raise unknown("run")
    return render(request, "overview.html", "/", **found)


async def show_live(request: web.Request) -> web.Response:
    """The part of the overview that is asked for again and again."""
    run_id = request.query.get("run", "")
    found = await read(request, lambda reader: overview.find_progress(reader, run_id))
    reader = request.app[READER]
    stamp = "-".join(map(str, reader.project.stamp()))
    text = request.app[PAGES].get_template("live.html").render(progress=found)
    return web.Response(text=text, content_type="text/html", headers={"X-Store": stamp})


async def show_samples(request: web.Request) -> web.Response:
    """Search, filter, sort; one page of rows."""
    wish = _read_wish(request)

    def act(reader: Reader) -> tuple[list[Row], str, list[Row]]:
        return samples.list_samples(reader, wish), samples.count_samples(reader, wish), reader.ask(_STEPS)

    rows, total, steps = await read(request, act)
    more = rows[PAGE_ROWS - 1] if len(rows) > PAGE_ROWS else None
    after = f"{more['row_number']}:{more['place']}" if more else ""
    return render(
        request, "samples.html", "/samples", wish=wish, rows=rows[:PAGE_ROWS], total=total, after=after, steps=steps, columns=COLUMNS,
        operators=OPERATORS, sorts=SORTS, states=STATES,
    )  # fmt: skip


def _read_wish(request: web.Request) -> Wish:
    query = request.query
    read_text(request, "q")
    for name, allowed, usual in (("state", STATES, ""), ("sort", SORTS, "stored"), ("dir", ("asc", "desc"), "desc")):
        read_choice(request, name, tuple(allowed), usual)
    if query.get("after") and read_place(query["after"]) is None:
        refuse(
            request,
            "after",
            "a place as the link to the next page has it, ROW:VALUE",
            query["after"],
            "follow that link",
        )
    return read_wish(query, {name: query.getall(name, []) for name in ("f", "op", "v")})


_STEPS = "SELECT step, count(*) AS n FROM samples GROUP BY step ORDER BY n DESC, step LIMIT 100"


async def show_sample(request: web.Request) -> web.Response:
    """One sample: prompt, completion, verdicts, where it comes from and what came of it."""
    sample_id = request.match_info["id"]

    def act(reader: Reader) -> Row | None:
        about = samples.find_sample(reader, sample_id)
        if about is None:
            return None
        traced = samples.trace(reader, about)
        around = samples.read_around(reader.project.documents, traced["chunk"]) if traced["chunk"] else ("", "")
        return {
            "sample": about,
            **traced,
            "around": around,
            "uses": samples.list_uses(reader, sample_id),
            "facts": samples.list_facts(about),
        }

    found = await read(request, act)
    if found is None:
        raise unknown("sample")
    messages = samples.as_messages(found["sample"].get("prompt") or found["sample"].get("messages"))
    return render(request, "sample.html", "/samples", **found, messages=messages)


async def show_pairs(request: web.Request) -> web.Response:
    """Pairs side by side, differences marked."""
    kind, iteration, before = (
        request.query.get("kind", ""),
        read_number(request, "iteration", -1),
        read_number(request, "before", -1),
    )
    rows, kinds = await read(
        request, lambda reader: (samples.list_pairs(reader, kind, iteration, before), samples.list_kinds(reader))
    )
    pairs = [
        {
            **r,
            "marked": mark_differences(r["rejected"] or "", r["chosen"] or ""),
            "prompt": samples.as_messages(r["prompt"]),
        }
        for r in rows
    ]
    shown = pairs[: samples.PAIRS_SHOWN]
    following = shown[-1]["row_number"] if len(pairs) > len(shown) else None
    return render(
        request, "pairs.html", "/pairs", pairs=shown, kinds=kinds, kind=kind, iteration=iteration, following=following
    )


async def show_judges(request: web.Request) -> web.Response:
    """Judges: what they said, how far they agree, how length goes with it, calibrations on record."""
    judges, agreement, calibrations = await read(
        request, lambda r: (overview.list_judges(r), overview.list_agreement(r), overview.list_calibrations(r))
    )
    return render(request, "judges.html", "/judges", judges=judges, agreement=agreement, calibrations=calibrations)


async def show_evals(request: web.Request) -> web.Response:
    """Suites with their scores; two may be chosen."""
    scores = await read(request, overview.list_all_scores)
    suites: dict[tuple[str, str, str, str], list[Row]] = {}
    for score in scores:
        suites.setdefault((score["suite"], score["split"], score["metric"], score["suite_hash"]), []).append(score)
    charts = {
        key: plot_suite(f"{key[0]} {key[1]}, {key[2]}", [describe(r) for r in rows], rows)
        for key, rows in suites.items()
    }
    return render(request, "evals.html", "/evals", suites=suites, charts=charts, describe=describe, show_bar=show_bar)


def describe(score: Row) -> str:
    """Name a score's checkpoint for people."""
    if score["iteration"]:
        return f"iteration {score['iteration']} {score['stage']}"
    return str(score["stage"] or score["checkpoint_id"])


async def show_comparison(request: web.Request) -> web.Response:
    """Two checkpoints on the same items, side by side."""
    ids = [request.query.get(name, "") for name in ("a", "b")]
    show = read_choice(request, "show", ("flips", "won", "lost", "all"), "flips")
    first = read_number(request, "first", 0)

    def act(reader: Reader) -> Row | None:
        scores = {s["score_id"]: s for s in overview.list_all_scores(reader)}
        if not all(i in scores for i in ids):
            return None
        before, after = (scores[i] for i in ids)
        counts, items = overview.compare_items(reader, before, after, show, first)
        return {"before": before, "after": after, "counts": counts, "items": items}

    found = await read(request, act)
    if found is None:
        raise unknown("score")
    shown = found["items"][: overview.ITEMS_SHOWN]
    following = shown[-1]["ordinal"] + 1 if len(found["items"]) > len(shown) else None
    items = [
        {
            **i,
            "marked": mark_differences(i["before"] or "", i["after"] or ""),
            "prompt": samples.as_messages(i["prompt"]),
        }
        for i in shown
    ]
    return render(
        request,
        "compare.html",
        "/evals",
        **{**found, "items": items},
        show=show,
        following=following,
        describe=describe,
    )


async def show_documents(request: web.Request) -> web.Response:
    """Documents and what came of them."""
    search, before = read_text(request, "q"), read_number(request, "before", -1)
    rows = await read(request, lambda reader: samples.list_documents(reader, search, before))
    shown = rows[:PAGE_ROWS]
    following = shown[-1]["row_number"] if len(rows) > PAGE_ROWS else None
    return render(request, "documents.html", "/documents", documents=shown, search=search, following=following)


async def show_document(request: web.Request) -> web.Response:
    """One document: its chunks, and what came of each."""
    first = read_number(request, "first", 0)
    found = await read(request, lambda reader: samples.find_document(reader, request.match_info["id"], first))
    if found is None:
        raise unknown("document")
    chunks = found["chunks"][: samples.CHUNKS_SHOWN]
    following = chunks[-1]["ordinal"] + 1 if len(found["chunks"]) > len(chunks) else None
    return render(request, "document.html", "/documents", document=found, chunks=chunks, following=following)


async def show_sql(request: web.Request) -> web.Response:
    """The query's page, nothing asked yet: an address alone runs nothing."""
    return _render_sql(request, request.query.get("query", ""), None)


async def run_sql(request: web.Request) -> web.Response:
    """Run a user's query: read-only, with the limits of ``flywheel sql``."""
    form = await request.post()
    request.app[GUARD].check_form(str(form.get("csrf", "")))
    query = str(form.get("query", ""))
    result = await asyncio.to_thread(request.app[READER].run_user_sql, query)
    chart = {name: str(form.get(name, "")) for name in ("chart", "x", "y")}
    return _render_sql(request, query, result, chart)


def _render_sql(request: web.Request, query: str, result: Row | None, chart: Row | None = None) -> web.Response:
    chart = chart or {"chart": "", "x": "", "y": ""}
    plot, note = plot_result(result, chart) if result and "columns" in result else ("", "")
    return render(
        request,
        "sql.html",
        "/sql",
        query=query,
        result=result,
        chart=chart,
        plot=plot,
        note=note,
        questions=_fill_questions(),
    )


def _fill_questions() -> list[Row]:
    """Return the questions that come with flywheel as queries without parameters."""
    return [
        {"name": q.name, "text": q.text, "sql": _fill(q.sql, {p.name: p.default for p in q.parameters})}
        for q in list_questions()
    ]


def _fill(sql: str, values: dict[str, Any]) -> str:
    lines = [line for line in sql.splitlines() if not line.startswith("-- $")]
    text = "\n".join(lines)
    for name, value in values.items():
        text = text.replace(f"${name}", "NULL" if value is None else repr(value))
    return text
