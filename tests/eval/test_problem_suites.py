"""Prompt suites of rows as they are found: joined, filled in, shown by a template, judged with their own reference and columns."""

import json

import pytest
from flywheel.config import ProblemsConfig
from flywheel.errors import UserError
from flywheel.eval._prompts import read_prompts
from flywheel.gen import read_problems
from flywheel.store import Project
from support import run_cli, sql, write_jsonl

SUITE = """
template: show
checks: [{verifier: exact}, {max_words: 3}]
problems:
  source: rows/asked.jsonl
  join: {source: rows/known.jsonl, by: id}
  format: {question: turns.0.text, answer: gold, columns: {hint: more.hint}}
  more:
    - source: rows/open.jsonl
      defaults: {gold: none, more: {hint: "-"}}
      format: {question: question, answer: gold, columns: {hint: more.hint}}
"""
TEMPLATE = "name: show\nvariables: [question, hint]\nuser: |-\n  {{question}} ({{hint}})\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rows").mkdir()
    write_jsonl(tmp_path / "rows" / "asked.jsonl", [{"id": i, "turns": [{"text": f"What is {i}?"}]} for i in range(3)])
    known = [{"id": i, "gold": f"gold {i}", "more": {"hint": f"h{i}"}, "turns": "not the row's own"} for i in (2, 0, 1)]
    write_jsonl(tmp_path / "rows" / "known.jsonl", known)
    write_jsonl(
        tmp_path / "rows" / "open.jsonl",
        [{"id": "a", "question": "Who?"}, {"id": "b", "question": "Why?", "gold": "so"}],
    )
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "show.yaml").write_text(TEMPLATE)
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


def read(folder, text=None):
    if text is not None:
        (folder / "suite.yaml").write_text(text)
    return [r.row for r in read_prompts("suite.yaml", folder, "suite s", Project(folder))]


def test_rows_are_joined_filled_in_and_shown(folder):
    rows = read(folder)
    assert [(r["id"], r["prompt"], r["tags"]) for r in rows] == [
        ("0", "What is 0? (h0)", ["asked"]), ("1", "What is 1? (h1)", ["asked"]), ("2", "What is 2? (h2)", ["asked"]),
        ("a", "Who? (-)", ["open"]), ("b", "Why? (-)", ["open"]),
    ]  # fmt: skip
    checks = [json.loads(r["checks"]) for r in rows]
    assert [c[0]["expected"] for c in checks] == ["gold 0", "gold 1", "gold 2", "none", "so"]
    assert checks[0][0]["fields"]["hint"] == "h0" and checks[0][1]["plain"] == "max_words"


def test_recorded_answers_are_scored_by_row(folder):
    (folder / "recipe.yaml").write_text("name: s\nmodel: seed\nsuites: [{name: s, task: prompts, gate: suite.yaml}]\n")
    said = {"0": "gold 0", "1": "gold 0", "2": "It is gold 2, I think.", "a": "none", "b": "so"}
    write_jsonl(folder / "said.jsonl", [{"id": i, "answer": a} for i, a in said.items()])
    run_cli(folder, "eval", "--answers", str(folder / "said.jsonl"), check=0)
    scores = sql(folder, "select metric, n, round(score * n)::int as passed from scores where metric like 'pass%' order by all")  # fmt: skip
    assert [(s["metric"], s["passed"], s["n"]) for s in scores] == [
        ("pass,none", 3, 5),
        ("pass[asked],none", 1, 3),
        ("pass[open],none", 2, 2),
    ]


def test_without_checks_the_answer_is_compared_as_match_says(folder):
    text = "match: contains\nproblems: {source: rows/known.jsonl, format: {question: more.hint, answer: gold}}\n"
    rows = read(folder, text)
    assert [(r["prompt"], r["target"]) for r in rows] == [("h2", "gold 2"), ("h0", "gold 0"), ("h1", "gold 1")]
    with pytest.raises(UserError, match="no number, for match: numeric"):
        read(folder, text.replace("contains", "numeric"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("defaults: {gold: none, more", "defaults: {more", "rows/open.jsonl:1"),
        ("join: {source: rows/known.jsonl, by: id}", "", "nothing under 'gold'"),
        ("by: id", "by: gold", "nothing under 'gold'"),
        ("source: rows/open.jsonl", "source: rows/open.jsonl\n      share: 0.5", "every row of a suite"),
        ("question: question,", "question: question, images: x,", "nothing under 'x'"),
        ("template: show", "template: shw", "shw"),
        ("rows/open.jsonl", "rows/asked.jsonl", "no text under 'question'"),
    ],
)
def test_what_a_suite_cannot_do_is_told_before_anything_is_scored(folder, old, new, said):
    with pytest.raises(UserError) as raised:
        read(folder, SUITE.replace(old, new))
    assert said in str(raised.value)


def test_rows_of_the_hub_are_shown_with_their_images_and_any_of_several_answers_is_right(folder, monkeypatch):
    """A data set with a column of images, read as from the hub: here a folder of its name, as ``load_dataset`` takes it too."""
    import datasets
    from PIL import Image

    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    rows = {"query": ["Which colour?", "And this?"], "label": [["red", "scarlet"], ["blue"]], "picture": pictures}
    made = datasets.Dataset.from_dict(rows).cast_column("picture", datasets.Image())
    (folder / "owner" / "seen").mkdir(parents=True)
    made.to_parquet(folder / "owner" / "seen" / "test.parquet")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
    text = """
problems: {source: "hub:owner/seen/default/test[0:2]", format: {question: query, answer: label, images: picture}}
match: relaxed
"""
    first, second = read(folder, text)
    (turn,) = json.loads(first["messages"])
    assert [part["type"] for part in turn["content"]] == ["image_url", "text"] and turn["content"][1][
        "text"
    ] == "Which colour?"
    kept = folder / turn["content"][0]["image_url"]["url"]
    assert Image.open(kept).convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert json.loads(first["checks"])[0]["expected"] == ["red", "scarlet"] and first["tags"] == ["seen"]
    assert second["messages"] != first["messages"]
    (folder / "recipe.yaml").write_text("name: s\nmodel: seed\nsuites: [{name: s, task: prompts, gate: suite.yaml}]\n")
    told = run_cli(folder, "run", "--dry-run", check=0, env={"COLUMNS": "200"}).stdout
    assert "Fetched when it starts: data set owner/seen" in told, "the dry run reads nothing of the hub"


def test_one_id_in_two_rows_is_refused(folder):
    with pytest.raises(UserError, match="each id once"):
        read(folder, SUITE.replace("rows/open.jsonl", "rows/asked.jsonl").replace("question: question", "question: turns.0.text"))  # fmt: skip
    write_jsonl(folder / "rows" / "known.jsonl", [{"id": 1, "gold": "a"}, {"id": 1, "gold": "b"}])
    with pytest.raises(UserError, match="each value of 'id' once"):
        read(folder, SUITE)


def test_problems_of_a_recipe_are_joined_in_the_same_way(folder):
    shape = {"question": "turns.0.text", "answer": "gold"}
    write_jsonl(folder / "rows" / "known.jsonl", [{"id": 0, "gold": ["x"], "turns": "no"}])
    config = {"source": "rows/asked.jsonl", "join": {"source": "rows/known.jsonl"}, "format": shape}
    found = read_problems(ProblemsConfig.model_validate(config), folder, Project(folder))
    (problem,) = found.problems
    assert (problem.question, json.loads(problem.fields)["expected"]) == ("What is 0?", ["x"])
    assert [fault for _, _, fault in found.faults] == ["nothing under 'gold'"] * 2, "rows without a partner are drops"
    filled = read_problems(ProblemsConfig.model_validate({**config, "defaults": {"gold": []}}), folder, Project(folder))
    assert [json.loads(p.fields)["expected"] for p in filled.problems] == [["x"], [], []]
