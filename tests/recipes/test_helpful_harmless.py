"""``helpful-harmless``: a constitution's critique and revision, safe over unsafe; and a model that refuses everything stays out."""

import gzip
import json

import pytest
import yaml
from flywheel.prompts import load_template
from support import HERE, sql
from support_recipes import flywheel, init_recipe, losses, read_rows, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.recipes]

RECIPE = HERE.parent / "recipes" / "helpful-harmless"
SETS = [("import", f"mini/{name}.jsonl", "--name", name, "--yes") for name in ("helpful", "harmless")]
PREACHES = "You are a bad person. People like you should be ashamed of what they ask."
SAFE = "I can't help with that, it would hurt somebody. Talk to them instead."
HARM = {"critique": "It tells how to harm somebody. Decline in a sentence.", "principle": 1, "verdict": "wrong"}
PREACHING = {"critique": "It preaches and accuses. Decline in a sentence.", "principle": 8, "verdict": "weak"}
FINE = {"critique": "It declines and says what to do instead.", "principle": None, "verdict": "correct"}


def last_of(talk):
    """Return the last request of a talk of HH-RLHF and what is said to it."""
    asked, _, said = talk.rpartition("\n\nAssistant:")
    return asked.rpartition("\n\nHuman:")[2].strip(), said.strip()


def teach(rows, file):
    """Write what the endpoint answers to each request, how it criticises and revises each answer, and how it judges."""
    by, revise = load_template("critique-by-principles", RECIPE), load_template("revise-answer", RECIPE)
    principles = (RECIPE / "constitution.md").read_text().strip()
    known = []
    for row in rows:
        (question, good), (_, bad) = last_of(row["chosen"]), last_of(row["rejected"])
        good = good if "can't help" in good else SAFE
        grades = {good: 5, bad: 1, PREACHES: 2}
        known.append({"question": question, "answer": good, "wrong": [bad, PREACHES], "grades": grades})
        for said, found in ((good, FINE), (bad, HARM), (PREACHES, PREACHING)):
            asked = by.render({"question": question, "completion": said, "principles": principles})
            wrong = [
                "It is bad.",
                json.dumps({**found, "principle": 12}),
                json.dumps({**found, "principle": None, "verdict": "wrong"}),
            ]
            known.append({"question": asked[-1]["content"], "answer": json.dumps(found), "wrong": wrong})
            asked = revise.render({"question": question, "completion": said, "critique": found["critique"]})
            worse = [said, ""] if said == PREACHES else ["", PREACHES, PREACHES]  # it may revise to what is no better
            known.append({"question": asked[-1]["content"], "answer": good, "wrong": worse})
    write_rows(file, known)
    return file


@pytest.fixture
def ours(tmp_path, endpoint):
    rows = read_rows(RECIPE / "mini" / "harmless.jsonl")
    known = teach(rows, tmp_path / "known.jsonl")
    with known.open("a") as file:
        for row in read_rows(RECIPE / "mini" / "helpful.jsonl"):
            good = last_of(row["chosen"])[1]
            file.write(json.dumps({"question": f"about {good}", "answer": "", "grades": {good: 5}}) + "\n")
    return endpoint(known, right=0.7, models="judge")


def test_safe_answers_win_without_refusing_everything(miniature, ours):
    made = miniature("helpful-harmless", bring=SETS, env=ours.env, page=True)
    assert made.rows["helpful"] == 90 and made.rows["answered"] == 84
    assert made.drops["revised: nothing to revise"] > 10
    assert {"criticised: no principle named", "criticised: no such principle"} <= set(made.drops)
    broken = {
        r["principle"]
        for r in sql(made.folder, "select fields ->> 'principle' as principle from samples where step = 'criticised'")
    }
    assert broken == {"1", "8", None}
    assert made.pairs["imported"] == 138 and made.pairs["revised/original"] >= 8 and made.pairs["safe/unsafe"] >= 8
    assert made.drops["pair/items: chosen failed by safe"] >= 1, (
        "a revision that preaches is no better than the original"
    )
    (sides,) = sql(made.folder, SIDES)
    assert sides == {"chosen": 1.0, "rejected": 0.0}
    used = {
        r["completion"] for r in sql(made.folder, "select completion from snapshot_rows join samples using (sample_id)")
    }
    assert PREACHES not in used and any("can't help" in text for text in used)
    first, last = losses_of(made, "sft 1")
    assert last < first / 5
    assert made.score("refusals")[0] == 0.0 and made.score("over-refusal")[0] == 1.0
    _, after, n = made.score("over-refusal")
    assert n == 27 and after > 0.85
    assert made.score("refusals")[1] > 0.7
    sft = made.decisions[0]
    assert sft["stage"] == "sft" and sft["promoted"]


SIDES = """
    SELECT avg(contains(c.completion, 'can''t help')::int)::double AS chosen, avg(contains(r.completion, 'can''t help')::int)::double AS rejected
    FROM dpo p JOIN samples c ON c.sample_id = p.chosen_sample_id JOIN samples r ON r.sample_id = p.rejected_sample_id
    WHERE p.kind IN ('revised/original', 'safe/unsafe')
"""


def losses_of(made, training):
    return next((first, last) for name, first, last in made.losses if name == training)


def test_a_model_that_refuses_everything_stays_out(miniature, none, endpoint):
    bring = [("import", "mini/refusing.jsonl", "--name", "refusing", "--yes")]
    made = miniature(
        "helpful-harmless", variant="mini-refuser.yaml", bring=bring, commands=["run"], env=endpoint(none).env
    )
    before, after, n = made.score("refusals")
    assert (before, n) == (0.0, 24) and after > 0.9, "it declines as no other does"
    before, after, _ = made.score("over-refusal")
    assert before == 1.0 and after < 0.2
    (decided,) = made.decisions
    assert not decided["promoted"] and decided["reason"].startswith("guard over-refusal fell")
    (champion,) = sql(made.folder, "select number, iteration from champions where is_current")
    assert champion["iteration"] in (0, None), "the first model is the champion still"


def test_real_talks_of_hh_rlhf(tmp_path, endpoint, shared_data):
    """All 1,200 pairs of the packed file: talks of several turns are kept whole, requests of one turn are answered, criticised, revised."""
    packed = shared_data / "hh_rlhf" / "harmless_base_test.jsonl.gz"
    with gzip.open(packed, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    short = [r for r in rows if r["chosen"].count("\n\nHuman:") == 1][:24]
    known = teach(short, tmp_path / "known.jsonl")
    talks = [last_of(r["chosen"])[1] for r in rows if r["chosen"].count("\n\nHuman:") > 1][:40]
    with known.open("a") as file:
        for i, said in enumerate(talks):
            file.write(json.dumps({"question": f"talk {i}", "answer": "", "grades": {said: 5 if i % 4 else 1}}) + "\n")
    folder, env = init_recipe(tmp_path / "p", "helpful-harmless"), endpoint(known, right=0.6, models="judge").env
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    real, (people, *others) = recipe["generate"], recipe["pairs"]["kinds"]
    real[0] |= {"where": "model = 'harmless' and json_array_length(messages) > 1", "limit": 40}
    real[1]["limit"] = 24
    variant = {
        "extends": "mini.yaml", "generate": real, "pairs": {"steps": ["answered"], "kinds": [people | {"limit": 500}, *others]},
        "train": {"sft": {"max_steps": 2, "max_length": 512}, "dpo": {"max_steps": 2, "max_length": 512}},
    }  # fmt: skip
    (folder / "real.yaml").write_text(yaml.safe_dump(variant))
    done = flywheel(folder, "import", str(packed), "--name", "harmless", "--yes", recipe="mini.yaml")
    assert "hh-rlhf" in done.stdout and "1200" in done.stdout
    flywheel(folder, "generate", recipe="real.yaml", env=env)
    kept = sql(folder, "select json_array_length(prompt) as turns from samples where step = 'helpful'")
    assert len(kept) == 40 and all(r["turns"] > 1 for r in kept)
    assert sql(folder, "select count(*) as n from samples where step = 'answered'") == [{"n": 48}]
    principles = sql(
        folder, "select distinct fields ->> 'principle' as principle from samples where step = 'criticised'"
    )
    assert {r["principle"] for r in principles} == {"1", "8", None}
    flywheel(folder, "train", recipe="real.yaml", env=env)
    failed = sql(folder, "select sum(n)::int as n from drops where step = 'sft/curate' and reason = 'failed by safe'")
    assert failed[0]["n"] >= 10, "a quarter of the talks, and the answers that harm or preach"
    flywheel(folder, "pairs", recipe="real.yaml", env=env)
    kinds = {r["kind"]: r["n"] for r in sql(folder, "select kind, count(*) as n from pairs group by kind")}
    assert kinds["imported"] == 1200 and kinds["revised/original"] >= 3
    (turn,) = sql(folder, "select entered, kept, dropped, reason from funnel where step = 'pair/limit'")
    assert turn == {"entered": 1200, "kept": 500, "dropped": 700, "reason": "left to other iterations: 700"}
    assert losses(folder, "sft")
