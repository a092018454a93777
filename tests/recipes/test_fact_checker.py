"""``fact-checker``: verdicts of a teacher that is sometimes wrong, or does not cite; what code passes trains the student, cited over uncited."""

import json
from collections import Counter

import pytest
import yaml
from flywheel.prompts import load_template
from support import HERE, sql
from support_recipes import read_trained

pytestmark = [pytest.mark.slow, pytest.mark.recipes]

LABELS = ("SUPPORTS", "REFUTES", "NOT ENOUGH INFO")


def say(label, *ids):
    return json.dumps({"verdict": label, "citations": [{"id": str(i)} for i in ids]})


RECIPE = HERE.parent / "recipes" / "fact-checker"


def write_teacher(path, template, rows):
    """Write what a teacher says to each claim: rightly with a citation, or with another label, without one, or citing what is not there."""
    asks = load_template(template, RECIPE)
    with path.open("w") as stream:
        for row in rows:
            given = row["evidence"]
            messages = asks.render({"question": row["claim"], "sources": given})
            is_open = row["label"] == LABELS[2]
            cited = [] if is_open else row.get("evidence_sets", [[1]])[0]
            other = LABELS[(LABELS.index(row["label"]) + 1) % 3]
            wrong = [say(other, 1), say(row["label"], len(given) + 5), "I would say that it is so."]
            wrong += [] if is_open else [say(row["label"])]
            stream.write(
                json.dumps({"question": messages[-1]["content"], "answer": say(row["label"], *cited), "wrong": wrong})
                + "\n"
            )


def test_the_student_learns_to_judge_and_to_cite(miniature, tmp_path, endpoint):
    rows = [json.loads(line) for line in (RECIPE / "mini" / "claims.jsonl").read_text().splitlines()]
    write_teacher(tmp_path / "said.jsonl", "check-claim-short", rows)
    env = endpoint(tmp_path / "said.jsonl", right=0.7).env
    made = miniature("fact-checker", page=True, env=env)
    reasons = read_reasons(made.folder)
    assert {"correct", "wrong label", "no citation", "unknown source"} <= set(reasons)
    trained = sql(
        made.folder,
        "select bool_and(v.passed) as passed, count(*) as n from snapshots n join snapshot_rows using (snapshot_id) "
        "join verdicts v using (sample_id) where n.stage = 'sft'",
    )
    assert trained[0]["passed"] and trained[0]["n"] > 100
    cited = next(s for s in made.scores if s["metric"].startswith("acc_and_cited") and s["split"] == "gate")
    assert cited["n"] == 100 and cited["before"] < 0.05 and cited["after"] > cited["before"] + 0.15
    first, last = {name: (a, b) for name, a, b in made.losses}["sft 1"]
    assert last < first / 2
    assert made.pairs["cited/uncited"] > 0
    assert made.decisions[0]["stage"] == "sft" and made.decisions[0]["promoted"]


def test_real_claims_with_two_labels_are_told_and_trained_on_only_where_the_sources_differ(
    miniature, shared_data, tmp_path, endpoint
):
    """FEVER-symmetric has every claim with two labels over two sources; a row of ours contradicts another over the same source."""
    files = ("fever_symmetric_dev.jsonl", "feverlite_validation.jsonl")
    every = [read_rows(shared_data / "fever" / name) for name in files]
    claims = list(dict.fromkeys(r["claim"] for r in every[0]))[:12]
    twice, once = [r for r in every[0] if r["claim"] in claims], every[1][:16]
    torn = [once[0], {**once[0], "label": next(x for x in LABELS[:2] if x != once[0]["label"])}]
    rows, held = [*twice, *torn, *once[1:]], every[1][-8:]
    write_teacher(tmp_path / "said.jsonl", "check-claim-short", rows)

    def prepare(folder):
        for name, some in (("claims", rows), ("suite", held)):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in some))
        suite = yaml.safe_load((folder / "mini.yaml").read_text())["suites"][0]
        real = {
            "extends": "mini.yaml", "iterations": 1, "problems": {"source": "claims.jsonl"}, "solve": {"draws": 1, "problems": len(rows)},
            "suites": [{**suite, "gate": "suite.jsonl", "report": None}], "gate": {"suite": "fever", "guards": []},
            "train": {"dpo": None, "sft": {"num_train_epochs": 1, "max_length": 1024}},
        }  # fmt: skip
        (folder / "real.yaml").write_text(yaml.safe_dump(real))

    made = miniature(
        "fact-checker", variant="real.yaml", env=endpoint(tmp_path / "said.jsonl", right=0.8).env, prepare=prepare
    )
    told = "13 questions with several answers, in 26 rows"
    assert all(told in said and "of 1 the prompts are the same" in said for said in made.said[1:3])
    trained = read_trained(made.folder)
    assert torn[0]["claim"] not in trained
    assert made.drops["sft/curate: conflicting labels"] >= 1
    both = sql(
        made.folder,
        "select question from snapshots n join snapshot_rows using (snapshot_id) join samples using (sample_id) join problems using "
        "(problem_id) where n.stage = 'sft' group by 1 having count(distinct answer) = 2",
    )
    assert len(both) >= 3, "one claim over two sources is two questions"
    assert len(trained) >= 12 and read_reasons(made.folder)["correct"] >= 25
    assert not sql(made.folder, "select 1 from verdicts where passed is null")


def read_rows(path):
    """Return a file's rows, with the evidence as a list and the columns that the recipe reads."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    evidence = [r["evidence"] for r in rows]
    lists = [e if isinstance(e, list) else json.loads(e) if e.startswith("[") else [e] for e in evidence]
    return [{"claim": r["claim"], "label": r["label"], "evidence": e} for r, e in zip(rows, lists, strict=True)]


def read_reasons(folder):
    rows = sql(
        folder,
        "select reason, count(*) as n from verdicts join samples using (sample_id) where step = 'solve' group by all",
    )
    return Counter({r["reason"]: r["n"] for r in rows})
