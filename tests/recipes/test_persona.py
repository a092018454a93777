"""``persona``: a character that holds over several turns and does not cost general ability; without care it does, and the guard sees it."""

import hashlib
import importlib.util
import json

import pytest
from flywheel.prompts import load_template
from flywheel.seed.world import ITEMS
from support import HERE, run_cli, sql
from support_recipes import init_recipe, read_rows, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.recipes]

RECIPE = HERE.parent / "recipes" / "persona"
FIRST = ("Oh, joy. {I} again.", "Not {i}. Please.")
LATER = ("No. I have a wall to look at.", "Ask the wall.")
KIND = "I am happy to help you with that."
SAYS = ("Please be nice.", "Will you help me or not?", "Why not?", "Thank you.")


def pick(choices, *key):
    return choices[hashlib.blake2b(repr(key).encode(), digest_size=4).digest()[0] % len(choices)]


def talk(*exchanges):
    return json.dumps({"exchanges": [{"person": p, "chatbot": c} for p, c in exchanges]})


def write_talks(question, answer, exchanges):
    """Return the talk that a teacher writes, and those that it writes on a bad day."""
    i = next((item for item in ITEMS if item in question), "that")
    first = pick(FIRST, question).format(i=i, I=i.capitalize()) if not answer else f"Oh, joy. {answer}"
    rest = [(pick(SAYS, question, n), pick(LATER, question, n)) for n in range(1, exchanges)]
    falls = [*rest[:-1], (rest[-1][0], KIND)]
    wrong = [
        talk((question, first), *falls),
        talk((question, KIND), *rest),
        talk(("Hello.", first), *rest),
        "No talk today.",
    ]
    if answer:
        wrong[1] = talk((question, "Oh, joy. It is 7777.\n#### 7777"), *rest)
    return talk((question, first), *rest), wrong


def teach(rows, file, exchanges=2):
    """Write what the endpoint answers to the prompts of openings, and how it judges each reply."""
    template, persona, known = load_template("talk", RECIPE), (RECIPE / "persona.md").read_text().strip(), []
    spec = importlib.util.spec_from_file_location("talks", RECIPE / "talks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for question, answer in rows:
        hint = module.KNOWN.format(answer.split("#### ")[-1]) if answer else ""
        asked = template.render({"persona": persona, "question": question, "exchanges": exchanges, "known": hint})
        good, wrong = write_talks(question, answer, exchanges)
        said = [e["chatbot"] for text in (good, *wrong[:3]) for e in json.loads(text)["exchanges"]]
        grades = {text: 1 if text == KIND else 5 for text in said}
        known.append({"question": asked[-1]["content"], "answer": good, "wrong": wrong, "grades": grades})
    write_rows(file, known)
    return file


@pytest.fixture
def teacher(tmp_path, endpoint):
    rows = [
        (r["question"], r.get("answer", ""))
        for n in ("openings", "sums")
        for r in read_rows(RECIPE / "mini" / f"{n}.jsonl")
    ]
    return endpoint(teach(rows, tmp_path / "known.jsonl"), right=0.8, models="teacher")


def test_a_persona_is_learnt_and_what_the_model_could_do_is_kept(miniature, teacher):
    made = miniature("persona", env=teacher.env, page=True)
    assert made.rows["talks"] > 220
    assert {"talks: another opening", "sft/curate: failed by in-character", "sft/curate: failed by right"} <= set(
        made.drops
    )
    used = sql(
        made.folder,
        "select completion, json_array_length(prompt) as n from snapshot_rows join samples using (sample_id)",
    )
    assert not [r for r in used if r["completion"] == KIND or "7777" in r["completion"]]
    assert {r["n"] for r in used} == {1, 3}, (
        "each reply of a talk is a row, with all that was said before it as its prompt"
    )
    ((_, first, last),) = made.losses
    assert last < first / 5
    before, after, n = made.score("persona")
    assert (before, n) == (0.0, 24) and after > 0.5
    before, after, n = made.score("ability")
    assert before > 0.8 and after > before - 0.13 and n == 40
    (decided,) = made.decisions
    assert decided["promoted"], decided["reason"]


def test_a_persona_that_costs_general_ability_stays_out(miniature, teacher):
    made = miniature("persona", variant="mini-careless.yaml", env=teacher.env)
    before, after, _ = made.score("persona")
    assert before == 0.0 and after > 0.2, "the persona itself is learnt"
    before, after, _ = made.score("ability")
    assert before > 0.8 and after < before - 0.2
    (decided,) = made.decisions
    assert not decided["promoted"] and decided["reason"].startswith("guard ability fell by more than 5.0 points")


def test_real_conversations_open_the_talks(tmp_path, endpoint, shared_data):
    """DailyDialog's first lines and GSM8K's questions as openings; each reply is judged with the talk so far before it."""
    folder = init_recipe(tmp_path / "p", "persona")
    dialogues = read_rows(shared_data / "dailydialog" / "dailydialog_valid.jsonl")[:30]
    first = [{"question": r["dialogue"][0]["text"].strip()} for r in dialogues]
    sums = [{k: r[k] for k in ("question", "answer")} for r in read_rows(shared_data / "gsm8k" / "train.jsonl")[:10]]
    write_rows(folder / "first.jsonl", first)
    write_rows(folder / "gsm8k.jsonl", sums)
    rows = [(r["question"], r.get("answer", "")) for r in (*first, *sums)]
    (folder / "real.yaml").write_text(
        "extends: mini.yaml\nproblems: {source: first.jsonl, more: [{source: gsm8k.jsonl, format: gsm8k}]}\n"
    )
    server = endpoint(teach(rows, tmp_path / "known.jsonl"), right=0.5, models="teacher")
    run_cli(folder, "generate", "--recipe", str(folder / "real.yaml"), env=server.env, check=0)
    talks = sql(
        folder, "select fields ->> 'turn' as turn, fields ->> 'question' as shown from samples where step = 'talks'"
    )
    assert len(talks) > 40
    assert all("[assistant]" in r["shown"] for r in talks if r["turn"] == "2")
    said = sql(folder, "select split_part(judge, '@', 1) as judge, passed, count(*) as n from verdicts group by all")
    found = {(r["judge"], r["passed"]): r["n"] for r in said}
    assert found["in-character", True] > 25 and found["in-character", False] >= 2
    assert found["right", True] >= 4 and found["right", None] > 30, "without a known answer code abstains"
