"""``flywheel sql --ask``: each question is answered from a real store, and the documentation shows the queries that are run."""

import csv
import io
import re
import shutil

import pytest
import yaml
from flywheel.store import Project, Store, ask, list_questions, run_query, tabulate_questions
from flywheel.ui._people import decide, edit
from support import HERE, refused, run_cli, sql

QUESTIONS = list_questions()
DOCS = HERE.parent / "docs" / "sql-questions.md"
STORIES = HERE.parent / "recipes" / "stories"


@pytest.fixture(scope="module")
def asked(finished_run, tmp_path_factory):
    """Two iterations of the mini project, and a few documents with their questions, critiques and two judges' verdicts."""
    folder = tmp_path_factory.mktemp("asked") / "project"
    shutil.copytree(finished_run, folder)
    (folder / "stories").mkdir()
    for file in sorted((STORIES / "documents").iterdir())[:12]:
        shutil.copy(file, folder / "stories")
    (folder / "stories" / "empty-of-facts.txt").write_text("Nothing is said here, and nothing is counted. " * 6)
    recipe = yaml.safe_load((STORIES / "recipe.yaml").read_text())
    judge = {"kind": "verifier", "map": {"expected": "answer"}, "of": ["attempted"]}
    recipe["judges"] = [
        {**judge, "name": "final", "verifier": "math", "options": {"markers": ["####"]}},
        {**judge, "name": "literal", "verifier": "exact"},
    ]
    (folder / "stories.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    run_cli(folder, "ingest", str(folder / "stories"), check=0)
    run_cli(folder, "generate", "--recipe", str(folder / "stories.yaml"), check=0)
    _decide(folder)
    return folder


def _decide(folder):
    """Have a person speak against the verifier, and edit, as on the page."""
    store = Store(Project(folder)).open()
    passed, failed, other = (
        store.query_rows(
            f"""SELECT s.* FROM samples s JOIN verdicts v USING (sample_id)
                WHERE s.step = 'solve' AND s.iteration = 1 AND v.passed = {said} ORDER BY sample_id LIMIT 1 OFFSET {n}"""
        )[0]
        for said, n in (("true", 0), ("false", 0), ("true", 1))
    )
    store.put_aside([decide("human:ada", passed["sample_id"], "reject")])
    store.put_aside([decide("human:ada", failed["sample_id"], "accept")])
    store.put_aside(edit("human:ada", other, "Said by hand #### 7"))
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.name)
def test_each_question_has_an_answer(asked, question):
    assert ask(Project(asked), question.name).table.num_rows


def test_there_are_twenty_each_with_a_question_and_explained_parameters():
    assert len(QUESTIONS) >= 20
    for question in QUESTIONS:
        assert question.text.endswith("?"), question.name
        used = set(re.findall(r"\$(\w+)", question.sql.split("\n", 1)[1]))
        assert used == {p.name for p in question.parameters}, question.name


def test_they_run_on_an_empty_store_too(store):
    for question in QUESTIONS:
        ask(store.project, question.name)


def test_the_documents_show_the_queries_that_are_run():
    text = DOCS.read_text(encoding="utf-8")
    shown = dict(re.findall(r"^## `([\w-]+)`\n.*?^```sql\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    assert shown == {q.name: q.sql for q in QUESTIONS}, "write it anew: python docs/write_sql.py"


@pytest.mark.slow
def test_by_name_and_with_parameters(asked):
    done = run_cli(asked, "sql", "--ask", "templates-by-yield", "-p", "limit=1", check=0)
    header, row = csv.reader(io.StringIO(done.stdout))
    assert header[:2] == ["template", "step"]
    assert float(row[-1]) > 0
    for where in ("gate", "report"):
        found = sql(asked, f"SELECT count(*) AS n FROM flips WHERE split = '{where}'")[0]["n"]
        done = run_cli(asked, "sql", "--ask", "flipped-items", "-p", f"split={where}", "-p", "limit=1000", check=0)
        assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == found


@pytest.mark.slow
def test_people_and_collapse_are_told(asked):
    said = ask(Project(asked), "people-decisions").table.to_pylist()
    assert [(r["person"], r["step"], r["decision"], r["samples"], r["against_a_verdict"]) for r in said] == [
        ("human:ada", "people", "new text", 1, 0), ("human:ada", "solve", "accepted", 1, 1),
        ("human:ada", "solve", "edited", 1, 1), ("human:ada", "solve", "rejected", 1, 1),
    ]  # fmt: skip
    watched = ask(Project(asked), "collapse-watch").table.to_pylist()
    assert [(r["step"], r["iteration"]) for r in watched] == [
        ("on-policy", 1), ("on-policy", 2), ("solve", 1), ("solve", 2),
    ]  # fmt: skip
    assert all(0 < r["distinct_2"] < 1 for r in watched)


@pytest.mark.slow
def test_the_answers_add_up(asked):
    project = Project(asked)
    solved = ask(project, "problems-solved").table.to_pylist()
    assert all(r["always"] + r["sometimes"] + r["never"] == r["problems"] for r in solved)
    accepted = sum(r["accepted"] for r in ask(project, "cost-per-accepted-row").table.to_pylist())
    asked_for = "SELECT count(DISTINCT sample_id) FROM sft WHERE sample_id NOT IN (SELECT sample_id FROM samples WHERE step = 'people')"
    assert [(accepted,)] == run_query(project, asked_for).rows, "what a person wrote costs no request"
    (first, *_) = ask(project, "rows-from-chunk").table.to_pylist()
    assert "questions → attempted" in {r["path"] for r in ask(project, "rows-from-chunk").table.to_pylist()}
    same = ask(project, "rows-from-chunk", {"chunk": first["chunk_id"]}).table.to_pylist()
    assert {r["chunk_id"] for r in same} == {first["chunk_id"]}
    assert any(
        r["source"].endswith("empty-of-facts.txt") for r in ask(project, "documents-without-rows").table.to_pylist()
    )
    dropped = run_query(project, "SELECT input_id, reason FROM drops WHERE step = 'sft/curate' LIMIT 1").rows[0]
    told = ask(project, "why-dropped", {"id": dropped[0]}).table.to_pylist()
    assert dropped[1] in [r["reason"] for r in told]
    origin = ask(project, "score-origin").table.to_pylist()
    assert {r["trainings_ago"] for r in origin} >= {0, 1}
    money = ask(project, "cost-per-accepted-row", {"prompt_usd": 1, "completion_usd": 2.5}).table.to_pylist()
    assert any(r["usd_per_row"] for r in money)
    judges = ask(project, "judges-that-disagree").table.to_pylist()
    assert all(r["agree"] + r["only_judge_passes"] + r["only_other_passes"] == r["samples"] for r in judges)


def test_they_are_listed(stored):
    listed = run_cli(stored, "sql", "--ask", check=0).stdout
    assert [r["name"] for r in csv.DictReader(io.StringIO(listed))] == [q.name for q in QUESTIONS]
    assert "Which documents gave nothing?" in listed
    assert tabulate_questions().columns == ["name", "question", "parameters"]


def test_a_wrong_name_or_parameter_says_what_there_is(stored):
    refused(run_cli(stored, "sql", "--ask", "template-by-yield"), "did you mean templates-by-yield?")
    refused(run_cli(stored, "sql", "--ask", "templates-by-yield", "-p", "step=solve"), "$limit", "$step")
    refused(run_cli(stored, "sql", "--ask", "promotions", "-p", "limit=1"), "no parameter")
    refused(run_cli(stored, "sql", "--ask", "promotions", "select 1"), "a query and --ask")
    refused(run_cli(stored, "sql", "--ask", "templates-by-yield", "-p", "limit=many"), "sql --ask templates-by-yield")
