"""rft-clauses: OpenAI's multi grader on JSON answers, half right ones included; real agreements of CUAD."""

import json

import pytest
import yaml
from support import sql, write_jsonl
from support_recipes import flywheel, init_recipe, read_rows

pytestmark = [pytest.mark.recipes, pytest.mark.timeout(600)]
OTHER = {"Non-Compete": "Exclusivity", "Exclusivity": "Non-Compete"}


def teach(rows, file):
    """Write what the fake endpoint knows: each row's JSON, and wrong ones: the other kind, other words, no JSON."""
    known = []
    for row in rows:
        kind, words = row["clause_type"], row["extracted_text"]
        wrong = [
            json.dumps({"clause_type": OTHER[kind], "extracted_text": words}),
            json.dumps({"clause_type": kind, "extracted_text": "something else entirely"}),
            f"It is {kind}.",
        ]
        right = json.dumps({"clause_type": kind, "extracted_text": words})
        known.append({"question": row["messages"][0]["content"], "answer": right, "wrong": wrong})
    write_jsonl(file, known)
    return file


def test_clauses_are_graded_in_parts_and_learnt(miniature, endpoint, tmp_path):
    folder = init_recipe(tmp_path / "look", "rft-clauses")
    known = teach(read_rows(folder / "mini" / "clauses.jsonl"), tmp_path / "known.jsonl")
    made = miniature(
        "rft-clauses", env=endpoint(known, right=0.6).env, page=True,
    )  # fmt: skip
    assert made.rows["solve"] == 360
    scores = {
        round(r["score"], 2): r["n"]
        for r in sql(made.folder, "select score, count(*) as n from verdicts where judge like 'grader%' group by all")
    }
    assert scores[1.0] > 150 and scores[0.0] > 10 and scores[0.5] > 10, "right, no JSON, the words alone"
    assert {name.split()[0] for name, _, _ in made.losses} == {"sft", "grpo"}
    (sft,) = [(first, last) for name, first, last in made.losses if name.startswith("sft")]
    assert sft[1] < sft[0] / 3
    before, after, n = made.score("clauses")
    assert before == 0.0 and after > 0.3 and n == 60
    assert made.decisions[0]["stage"] == "sft" and made.decisions[0]["promoted"]


def test_real_agreements_are_graded_by_the_real_grader(tmp_path, shared_data, endpoint):
    data = shared_data / "ms_foundry_ft" / "Reinforcement_Fine_Tuning" / "ClauseMatching"
    rows = read_rows(data / "clause_matching_validation.jsonl")
    folder = init_recipe(tmp_path / "p", "rft-clauses")
    write_jsonl(folder / "clauses.jsonl", rows)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert (
        recipe["verifier"]["options"]["spec"]["graders"]
        == json.loads((data / "multi_grader.json").read_text())["graders"]
    )
    own = {
        "extends": "mini.yaml",
        "problems": {"source": "clauses.jsonl"},
        "solve": {**recipe["solve"], "problems": 8, "draws": 4},
    }
    (folder / "real.yaml").write_text(yaml.safe_dump(own))
    known = teach(rows, tmp_path / "known.jsonl")
    flywheel(folder, "generate", recipe="real.yaml", env=endpoint(known, right=0.5).env)
    (n,) = sql(
        folder, "select count(*) as n, count(*) filter (passed) as passed, count(passed) as judged from verdicts"
    )
    assert n["n"] == n["judged"] == 4 * len(rows) and 0 < n["passed"] < n["n"]
