"""What the pages show, over a real socket."""

import re

import pytest
from support_ui import QUOTE


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", ["small, seed 3", "<svg class=\"chart\"", "exact_match", "promoted", "a gain is shown", "no answer: 3", "plain"]),
        ("/samples", ["<h1>Samples <span class=\"dim\">122</span>", "smp_29_3"]),
        ("/pairs", ["correct/incorrect (12)", "<del>23</del>"]),
        ("/judges", ["math@4", "quality@1a2b3c4d", "wrong answer", "kappa", "accuracy", "0.85"]),
        ("/evals", ["heldout", "Compare the two", "0.6 <span class=\"dim\">(3 of 20 answers cut)</span>"]),
        ("/evals/compare?a=score_0&b=score_1", ["<span class=\"tag good\">4 won</span>", "<span class=\"tag bad\">0 lost</span>", "Item 8"]),
        ("/documents", ["The mill", "notes/mill.txt"]),
        ("/documents/doc_1", ["Chunk 0", "1 sample</a>", "History"]),
        ("/sql", ["Questions", "templates"]),
    ],
)  # fmt: skip
def test_a_page_shows_what_the_store_has(page, path, words):
    answer = page.get(path)
    assert answer.status == 200
    for word in words:
        assert word in answer.text, word


def test_error_bars_and_rings_are_drawn(page):
    text = page.get("/").text
    assert text.count('class="bar-line s0"') == 2
    assert text.count('class="ring s0"') == 1
    assert "heldout gate: 0.6 ± 0.0588, promoted" in text


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("q=number+7+is", 4), ("f=step&op=is&v=questions", 1), ("f=iteration&op=min&v=2", 60), ("f=template&op=is&v=plain", 122),
        ("f=template&op=not&v=plain", 0), ("f=judge&op=starts&v=math", 120), ("f=reason&op=is&v=wrong+answer", 60),
        ("f=reason&op=not&v=wrong+answer", 62), ("state=split", 60), ("state=unjudged", 2), ("state=accepted", 100),
        ("f=logprob&op=max&v=-30&f=draw&op=is&v=0", 10), ("f=fields&op=empty&v=", 120), ("f=prompt&op=has&v=12+%2B+12", 4),
        ("f=length&op=min&v=20&f=problem_id&op=is&v=prb_3", 4), ("q=smp_q", 1), ("f=created_at&op=min&v=2000-01-01", 122),
        ("f=score&op=min&v=0.5", 120), ("f=step&op=has&v=%27+OR+1%3D1+--", 0),
    ],
)  # fmt: skip
def test_any_column_filters(page, query, n):
    answer = page.get(f"/samples?{query}")
    assert answer.status == 200, answer.text
    assert f'<h1>Samples <span class="dim">{n}</span>' in answer.text


def test_a_filter_without_sense_is_said(page):
    text = page.get("/samples?f=iteration&op=min&v=many&f=nothing&op=is&v=1").text
    assert "Left out: iteration at least many; nothing is 1." in text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/samples?after=zzz", "ROW:VALUE"), ("/samples?verdict=bogus", "q, state, sort, dir, f, op, v, after"),
        ("/samples?state=bogus", "accepted, failed, unjudged, split, people"), ("/samples?sort=bogus", "stored, created_at"),
        ("/samples?dir=up", "asc, desc"), ("/samples?q=" + "x" * 501, "at most 500 characters"), ("/pairs?before=zzz", "a whole number"),
        ("/pairs?iteration=-1", "a whole number"), ("/evals/compare?a=score_0&b=score_1&show=bogus", "flips, won, lost, all"),
        ("/documents/doc_1?first=zzz", "a whole number"), ("/?rum=run_1", "run=…"), ("/judges?x=1", "nothing behind the ?"),
    ],
)  # fmt: skip
def test_an_address_that_a_page_does_not_know_is_refused_with_what_is_allowed(page, path, said):
    answer = page.get(path)
    assert answer.status == 400
    assert said in answer.text


def test_what_a_form_sends_empty_is_allowed(page):
    assert page.get("/samples?q=&state=&sort=stored&dir=desc&f=&op=is&v=").status == 200
    assert page.get("/pairs?kind=&iteration=").status == 200


def test_scores_have_error_bars_and_charts_their_units(page):
    evals = page.get("/evals").text
    assert evals.count('class="bar-line ink"') == 2
    assert ">exact_match</text>" in evals
    assert ">tokens, prompts and completions</text>" in page.get("/").text


@pytest.mark.parametrize("sort", ["stored", "length", "logprob", "problem_id", "created_at", "completion", "source"])
@pytest.mark.parametrize("way", ["asc", "desc"])
def test_pages_follow_each_other_without_gap_or_repeat(page, sort, way):
    seen, path = [], f"/samples?sort={sort}&dir={way}"
    while path:
        text = page.get(path).text
        seen += re.findall(r'data-id="(\w+)"', text)
        following = re.search(r'id="next" href="([^"]+)"', text)
        path = following[1].replace("&amp;", "&") if following else None
    assert len(seen) == len(set(seen)) == 122


def test_lineage_leads_to_the_cited_span(page):
    text = page.get("/samples/smp_a").text
    assert "smp_q" in text
    assert f'<mark id="cited">{QUOTE}</mark>' in text
    assert "Preface. " in text and "The end." in text
    assert 'href="/documents/doc_1"' in text


def test_what_came_of_a_sample_is_listed(page):
    assert "correct/incorrect, chosen" in page.get("/samples/smp_00_0").text
    assert 'href="/samples/smp_a"' in page.get("/samples/smp_q").text


def test_sql_is_answered_with_a_table_and_a_chart(page):
    fields = {"query": "SELECT step, count(*) AS n FROM samples GROUP BY step ORDER BY n DESC", "chart": "bar"}
    text = page.post("/sql", fields).text
    assert '<th scope="col">step</th>' in text
    assert "<title>solve: 120</title>" in text
    assert text.count('class="fill s0"') == 3


def test_an_address_alone_runs_no_sql(page):
    text = page.get("/sql?query=SELECT+41%2B1+AS+n").text
    assert "SELECT 41+1 AS n" in text
    assert 'id="result"' not in text


def test_every_question_that_comes_with_flywheel_runs_as_the_page_writes_it(page):
    from html import unescape

    found = re.findall(r'<option value="([^"]{20,})">', page.get("/sql").text)
    assert len(found) >= 20
    for sql in found[:6]:
        text = page.post("/sql", {"query": unescape(sql)}).text
        assert 'class="fault"' not in text, text


def test_progress_can_be_asked_for_again_and_again(page):
    answer = page.get("/live?run=run_1")
    assert "No run is on" in answer.text
    assert answer.headers["X-Store"]


def test_each_wording_of_a_template_has_its_own_yield_and_leads_to_its_own_samples(page):
    text = page.get("/").text
    assert "Templates by yield" in text and "<td>{question}</td>" in text
    href = re.search(r'href="(/samples\?f=template_id[^"]+)"', text)[1].replace("&amp;", "&")
    assert "tpl_1" in href
    shown = page.get(href)
    assert shown.status == 200 and "smp_" in shown.text
