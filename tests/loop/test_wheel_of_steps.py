"""A turn of the wheel without problems: SFT on the samples of steps, DPO on their pairs; problems of several sets."""

import json

import pytest
from support import MINI, make_mini_project, refuse_recipe, run_cli, sql, write_jsonl

STEPS = [
    {"step": "questions", "generator": "backtranslate", "options": {"pairs": 2}},
    {"step": "attempted", "generator": "solve", "source": "questions", "options": {"template": "cot"}},
    {"step": "criticised", "generator": "critique", "source": "attempted", "options": {"show_answer": True}},
    {"step": "revised", "generator": "revise", "source": "criticised", "options": {"overlap": 0}},
]
THINGS = ("ferry", "library", "bakery", "garden", "lighthouse", "museum", "tram", "market", "mill", "school")


@pytest.mark.slow
def test_a_turn_trains_on_the_samples_of_steps_and_on_their_pairs(tmp_path, endpoint, none):
    folder = make_mini_project(
        tmp_path / "p", iterations=1, problems=None, engine="openai", generate=STEPS, select={"steps": ["questions", "revised"]},
        pairs={"steps": ["revised"], "kinds": ["revised/original"], "near": 0}, on_policy=None, curate=False,
        judges=[{"name": "short", "kind": "verifier", "verifier": "regex", "of": ["questions"], "options": {"pattern": "^.{0,14}$"}}],
    )  # fmt: skip
    (folder / "texts").mkdir()
    for i, thing in enumerate(THINGS):
        (folder / "texts" / f"{i}.md").write_text(
            f"The {thing} opens its doors at {i + 6} in the morning. Old {thing} hands say that {i + 30} people come there on a day. "
            f"Nobody in town would give away the {thing} for {i + 2} thousand coins."
        )
    run_cli(folder, "ingest", str(folder / "texts"), check=0)
    done = run_cli(folder, "run", env=endpoint(none).env, check=0)
    assert "gate: sft" in done.stderr and "gate: dpo" in done.stderr
    trained = sql(
        folder,
        "select n.stage, s.step, count(*) as n, count(*) filter (v.passed = false) as failed from snapshots n join snapshot_rows using (snapshot_id) "
        "join samples s using (sample_id) left join verdicts v on v.sample_id = s.sample_id and v.judge like 'regex%' group by all order by all",
    )
    assert {(t["stage"], t["step"]) for t in trained} == {("sft", "questions"), ("sft", "revised"), ("dpo", "revised")}
    assert all(t["n"] and not t["failed"] for t in trained), trained
    reasons = {d["reason"] for d in sql(folder, "select distinct reason from drops where step = 'sft/curate'")}
    assert "failed by short" in reasons
    assert all(f["entered"] == f["kept"] + f["dropped"] for f in sql(folder, "select * from funnel"))


def test_what_a_turn_without_problems_lacks_is_told(tmp_path):
    base = {"problems": None, "on_policy": None, "generate": STEPS}
    refuse_recipe(
        tmp_path, "did you mean 'revised'?", **base, select={"steps": ["revisd"]}, train={**MINI["train"], "dpo": None}
    )
    refuse_recipe(tmp_path, "nothing is drawn on policy", **base, select={"steps": ["revised"]})
    refuse_recipe(
        tmp_path, "problems, which it trains on", **base, select={"steps": ["revised"]},
        train={**MINI["train"], "dpo": None, "grpo": {}},
    )  # fmt: skip


def test_problems_of_several_sets_are_solved_each_with_its_own_columns(tmp_path, endpoint):
    folder = make_mini_project(tmp_path / "p", engine="openai", solve={"template": "ask", "draws": 1, "problems": 9})
    more = [{"task": f"Sum {i}", "gold": f"\\boxed{{{i}}}", "hint": {"text": f"try {i}"}} for i in range(3)]
    rows = [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()[:2]]
    write_jsonl(folder / "problems.jsonl", [{**r, "note": "go"} for r in rows])
    write_jsonl(folder / "more.jsonl", [*more, {"task": "no answer", "hint": {"text": "x"}}])
    (folder / "prompts").mkdir()
    (folder / "prompts" / "ask.yaml").write_text(
        "name: ask\nsource: our own\nvariables: [question, note]\nuser: '{{question}} ({{note}})'\n"
    )
    recipe = folder / "recipe.yaml"
    named = {"question": "task", "answer": "gold", "columns": {"note": "hint.text"}}
    own = {"question": "question", "answer": "answer"}
    text = recipe.read_text().replace(
        "source: problems.jsonl",
        f"source: problems.jsonl\n  format: {json.dumps(own)}\n  more: [{{source: more.jsonl, format: {json.dumps(named)}}}]",
    )
    recipe.write_text(text)
    run_cli(folder, "generate", env=endpoint(folder / "problems.jsonl", says="I get #### 1").env, check=0)
    asked = [
        json.loads(r["messages"])[-1]["content"] for r in sql(folder, "select messages::text as messages from requests")
    ]
    assert {a for a in asked if a.startswith("Sum")} == {"Sum 0 (try 0)", "Sum 1 (try 1)", "Sum 2 (try 2)"}
    assert sum(a.endswith("(go)") for a in asked) == 2
    assert sql(folder, "select source, count(*) as n from problems group by all order by all") == [
        {"source": "more.jsonl", "n": 3}, {"source": "problems.jsonl", "n": 2},
    ]  # fmt: skip
    assert sql(folder, "select p.question from verdicts v join samples using (sample_id) join problems p using (problem_id) where v.passed") == [
        {"question": "Sum 1"}
    ]  # fmt: skip
    (lost,) = sql(folder, "select * from funnel where step = 'problems'")
    assert (lost["entered"], lost["kept"], lost["dropped"]) == (6, 5, 1)


def test_a_problem_without_a_column_that_the_template_names_is_a_drop(tmp_path, endpoint):
    folder = make_mini_project(tmp_path / "p", engine="openai", solve={"template": "ask", "draws": 3, "problems": 2})
    write_jsonl(folder / "problems.jsonl", [{"q": "a", "a": "1", "note": "n"}, {"q": "b", "a": "1"}])
    (folder / "recipe.yaml").write_text(
        (folder / "recipe.yaml")
        .read_text()
        .replace("problems.jsonl", "problems.jsonl\n  format: {question: q, answer: a}")
    )
    (folder / "prompts").mkdir()
    (folder / "prompts" / "ask.yaml").write_text(
        "name: ask\nsource: our own\nvariables: [note, q]\nuser: '{{q}} {{note}}'\n"
    )
    (folder / "none.jsonl").write_text("")
    run_cli(folder, "generate", env=endpoint(folder / "none.jsonl", says="#### 1").env, check=0)
    assert sql(folder, "select reason, n from drops where step = 'solve'") == [
        {"reason": "the input has no note", "n": 3}
    ]
    assert sql(folder, "select count(*) as n from samples where step = 'solve'") == [{"n": 3}]
