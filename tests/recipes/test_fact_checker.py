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


def test_real_claims_with_two_labels_are_reported_and_never_trained_on(miniature, shared_data, tmp_path, endpoint):
    every = [json.loads(x) for x in (shared_data / "fever" / "feverlite_validation.jsonl").read_text().split("\n") if x]
    every = [r for r in every if r["evidence"] and r["label"] in LABELS]
    labels = {}
    for row in every:
        labels.setdefault(row["claim"], set()).add(row["label"])
    torn = [r for r in every if len(labels[r["claim"]]) > 1]
    assert torn, "the set has claims with conflicting labels"
    plain = [r for r in every if len(labels[r["claim"]]) == 1 and len(" ".join(r["evidence"])) < 300]
    rows, held = [*plain[:40], *torn], plain[-8:]
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
    assert made.drops["sft/curate: conflicting labels"] >= 2
    trained = read_trained(made.folder)
    assert len(trained) >= 15 and not trained & {r["claim"] for r in torn}
    assert read_reasons(made.folder)["correct"] >= 25
    assert not sql(made.folder, "select 1 from verdicts where passed is null")


def read_reasons(folder):
    rows = sql(
        folder,
        "select reason, count(*) as n from verdicts join samples using (sample_id) where step = 'solve' group by all",
    )
    return Counter({r["reason"]: r["n"] for r in rows})
