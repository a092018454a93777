"""``fact-checker``: verdicts of a teacher that is sometimes wrong, or does not cite; what code passes trains the student, cited over uncited."""

import json
from collections import Counter

import pytest
import yaml
from flywheel.config import DistractorConfig
from flywheel.prompts import load_template
from flywheel.store import SourceRow, add_distractors
from support import HERE, sql
from support_recipes import read_trained

pytestmark = [pytest.mark.slow, pytest.mark.recipes]

LABELS = ("SUPPORTS", "REFUTES", "NOT ENOUGH INFO")


def say(label, *cited):
    """Return a verdict that cites ``(id, quote)``, or ids without a quote."""
    pairs = [c if isinstance(c, tuple) else (c, None) for c in cited]
    return json.dumps(
        {"verdict": label, "citations": [{"id": str(i), **({"quote": q} if q else {})} for i, q in pairs]}
    )


RECIPE = HERE.parent / "recipes" / "fact-checker"


def write_teacher(path, template, rows):
    """Write what a teacher says to each claim: rightly, or one of seven wrong ways, each of which code has to catch."""
    asks = load_template(template, RECIPE)
    with path.open("w") as stream:
        for row in rows:
            given = row["evidence"]
            messages = asks.render({"question": row["claim"], "sources": given})
            label, is_open = row["label"], row["label"] == LABELS[2]
            cited = [] if is_open else row.get("evidence_sets", [[1]])[0]
            right = [(i, given[i - 1]) for i in cited]
            every = [(i + 1, text) for i, text in enumerate(given)]
            other = LABELS[(LABELS.index(label) + 1) % 3]
            wrong = [say(other, every[0]), say(label, (len(given) + 5, given[0])), "I would say that it is so."]
            if is_open:
                wrong += [say(label, *every)]
            else:
                short, false = given[cited[0] - 1].split()[0], "words that stand nowhere in it"
                wrong += [say(label), say(label, *cited), say(label, (cited[0], short)), say(label, (cited[0], false))]
                wrong += [say(label, *every)] if len(given) > len(cited) else []
            told = {"question": messages[-1]["content"], "answer": say(label, *right), "wrong": wrong}
            stream.write(json.dumps(told) + "\n")


def test_the_student_learns_to_judge_and_to_cite(miniature, tmp_path, endpoint):
    rows = [json.loads(line) for line in (RECIPE / "mini" / "claims.jsonl").read_text().splitlines()]
    write_teacher(tmp_path / "said.jsonl", "check-claim-short", rows)
    env = endpoint(tmp_path / "said.jsonl", right=0.7).env
    made = miniature("fact-checker", page=True, env=env)
    reasons = read_reasons(made.folder)
    assert set(reasons) >= {
        "correct", "wrong label", "no citation", "unknown source", "no quote", "quote too short", "quote not in source", "surplus citation",
    }  # fmt: skip
    trained = sql(
        made.folder,
        "select bool_and(v.passed) as passed, count(*) as n from snapshots n join snapshot_rows using (snapshot_id) "
        "join verdicts v using (sample_id) where n.stage = 'sft'",
    )
    assert trained[0]["passed"] and trained[0]["n"] > 100
    cited = next(s for s in made.scores if s["metric"].startswith("acc_and_cited") and s["split"] == "gate")
    assert cited["n"] == 60 and cited["before"] < 0.05 and cited["after"] > cited["before"] + 0.15
    labels = made.score("labels")
    assert labels[2] == 30 and labels[1] > labels[0] + 0.15, "it writes verdicts; which is right is another matter"
    first, last = {name: (a, b) for name, a, b in made.losses}["sft 1"]
    assert last < first / 2
    assert made.pairs["cited/uncited"] > 0
    assert made.decisions[0]["stage"] == "sft" and made.decisions[0]["promoted"]
    guarded = (
        "select distinct suite, stage from decisions join scores using (score_id) where role = 'guard' order by all"
    )
    assert sql(made.folder, guarded) == [{"suite": "labels", "stage": stage} for stage in ("dpo", "sft")]


def test_real_claims_with_two_labels_are_told_and_trained_on_only_where_the_sources_differ(
    miniature, shared_data, tmp_path, endpoint
):
    """FEVER-symmetric has every claim with two labels over two sources; a row of ours contradicts another over the same source."""
    files = ("fever_symmetric_dev.jsonl", "feverlite_validation.jsonl")
    every = [read_rows(shared_data / "fever" / name) for name in files]
    claims = list(dict.fromkeys(r["claim"] for r in every[0]))[:12]
    twice, once = [r for r in every[0] if r["claim"] in claims], every[1][:16]
    torn = [{**row, "label": label} for row in once[:3] for label in LABELS[:2]]
    rows, held = [*twice, *torn, *once[3:]], every[1][-8:]
    others = {"column": "evidence", "by": "claim", "n": 2}
    mixed = add_distractors([SourceRow(i, row) for i, row in enumerate(rows)], DistractorConfig(**others))
    write_teacher(tmp_path / "said.jsonl", "check-claim-short", [found.row for found in mixed])

    def prepare(folder):
        for name, some in (("claims", rows), ("suite", held)):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in some))
        suite = yaml.safe_load((folder / "mini.yaml").read_text())["suites"][0]
        real = {
            "extends": "mini.yaml", "iterations": 1, "problems": {"source": "claims.jsonl", "distractors": others}, "solve": {"draws": 3, "problems": len(rows)},
            "suites": [{**suite, "gate": "suite.jsonl", "distractors": others}], "gate": {"suite": "fever", "guards": []},
            "train": {"dpo": None, "sft": {"num_train_epochs": 1, "max_length": 1024}},
        }  # fmt: skip
        (folder / "real.yaml").write_text(yaml.safe_dump(real))

    made = miniature(
        "fact-checker", variant="real.yaml", env=endpoint(tmp_path / "said.jsonl", right=0.7).env, prepare=prepare
    )
    told = "15 questions with several answers, in 30 rows"
    assert all(told in said and "of 3 the prompts are the same" in said for said in made.said[1:3])
    trained = read_trained(made.folder)
    assert not {row["claim"] for row in torn} & trained
    assert made.drops["sft/curate: conflicting labels"] >= 1
    both = sql(
        made.folder,
        "select question from snapshots n join snapshot_rows using (snapshot_id) join samples using (sample_id) join problems using "
        "(problem_id) where n.stage = 'sft' group by 1 having count(distinct answer) = 2",
    )
    assert len(both) >= 3, "one claim over two sources is two questions"
    assert len(trained) >= 12 and read_reasons(made.folder)["correct"] >= 25
    assert {"surplus citation", "no quote", "quote too short"} <= set(read_reasons(made.folder))
    assert not sql(made.folder, "select 1 from verdicts where passed is null")
    asked = sql(made.folder, "select messages ->> '$[0].content' as text from requests where step = 'solve'")
    assert all("\n3. " in row["text"] for row in asked), "each claim stands among sources of others"


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
