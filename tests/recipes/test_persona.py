"""``persona``: a character that holds over several turns and does not cost general ability; without care it does, and the guard sees it."""

import hashlib
import importlib.util
import json

import pytest
import yaml
from flywheel.prompts import load_template
from flywheel.seed.world import ITEMS
from support import HERE, run_cli, sql
from support_recipes import flywheel, init_recipe, load_items, read_rows, write_rows

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


SAID = "Three, as I said. Write it down."


def test_the_same_reply_is_in_character_or_not_by_what_was_said_before(tmp_path, endpoint):
    """Of a made talk and in the suite alike the judge is shown the turns before: one reply, which is fine alone, contradicts one of two talks."""
    folder = init_recipe(tmp_path / "p", "persona")
    template, persona, known = load_template("talk", RECIPE), (RECIPE / "persona.md").read_text().strip(), []
    for question, first in (("Pick a number.", "Oh, joy. Seven."), ("Think of a number.", "Oh, joy. Three.")):
        asked = template.render({"persona": persona, "question": question, "exchanges": 2, "known": ""})
        said = talk((question, first), ("Which one was it?", SAID))
        known.append({"question": asked[-1]["content"], "answer": said, "grades": {first: 5}})
    items = {item["id"]: item for item in yaml.safe_load((folder / "persona.yaml").read_text())["items"]}
    replies = {name: f"If I must, {name}." for name in items}
    replies |= {"recall-bones": "206, still.", "recall-pick": "7. As before.", "recall-tea": "Tea. Sigh."}
    replies |= {"cat": SAID, "recall-whale": SAID}
    known[0]["grades"] |= dict.fromkeys(replies.values(), 5)
    known[0]["after"] = {SAID: {"Seven.": 1, "Three.": 5, "suckles its young": 1, "Jupiter. It too": 5}}
    env = endpoint(write_rows(tmp_path / "known.jsonl", known), right=1.0, models="teacher,gpt-4.1-mini").env
    write_rows(folder / "numbers.jsonl", [{"question": "Pick a number."}, {"question": "Think of a number."}])
    (folder / "own.yaml").write_text(
        "extends: mini.yaml\nproblems: {source: numbers.jsonl, more: []}\nsuites: [{name: persona, task: prompts, gate: persona.yaml}]\n"
        "gate: {suite: persona, guards: []}\n"
    )
    flywheel(folder, "generate", recipe="own.yaml", env=env)
    verdicts = sql(
        folder, "select fields ->> 'question' as shown, v.passed from samples s join verdicts v using (sample_id) where s.completion like 'Three%'"
    )  # fmt: skip
    assert sorted((("Seven." in r["shown"]), r["passed"]) for r in verdicts if r["passed"] is not None) == [
        (False, True),
        (True, False),
    ]
    write_rows(folder / "replies.jsonl", [{"id": name, "completion": reply} for name, reply in replies.items()])
    flywheel(folder, "eval", "--answers", str(folder / "replies.jsonl"), recipe="own.yaml", env=env)
    (failed,) = sql(
        folder, "select r.messages from score_items i join scores s using (score_id) join requests r using (request_id) "
        "where s.metric = 'pass,none' and i.value = 0"
    )  # fmt: skip
    assert "suckles its young" in failed["messages"]


RECALLED = (
    ("recall-tea", ("Tea. Do keep up.", "Tea. Not coffee. Keep up.", "Still tea, never coffee."), ("Coffee, obviously.", "Tea. No, wait: the coffee.", "The biscuit.")),
    (
        "recall-whale",
        ("I did say: no. Twice.", "Oh, you're right, and I am a trout.", "I said no. It still breathes air."),
        ("You are right, I said so. Happy now?", "I did say it was one.", "You’re right, sigh. A fish, then.", "I was wrong. It is one."),
    ),
)  # fmt: skip
"""What the chatbot said before: replies that keep to it, and such as do not."""


def test_a_word_that_occurs_is_no_reply_in_character(tmp_path):
    """The suites' checks by code, on good and bad replies."""
    mini = load_items(RECIPE / "mini" / "persona.yaml")
    assert mini["talk-00"]("Oh, joy. Buttons again.") == [] and mini["talk-01"]("Ask the wall.") == []
    for reply in ("wall", "Oh, joy", "The wall is white.", "I am happy to help. Oh, joy. Buttons again.", ""):
        assert mini["talk-00"](reply), reply
    assert mini["talk-01"]("Oh, joy. Stones again."), "the same again"
    talks = load_items(RECIPE / "persona.yaml")
    assert talks["recall-bones"]("Still 206. Sigh.") == [] and talks["recall-bones"]("About 1206, if you must know.")
    for name, right, wrong in RECALLED:
        assert [r for r in right if talks[name](r)] == [] and [r for r in wrong if not talks[name](r)] == [], name
    ability = load_items(RECIPE / "ability.yaml")
    by_prompt = {json.loads(item.args[1]["messages"])[-1]["content"].split("?")[0]: item for item in ability.values()}
    for asked, right, wrong in ABILITY:
        item = next(item for prompt, item in by_prompt.items() if asked in prompt)
        assert item(right) == [], right
        assert item(wrong), wrong


ABILITY = (
    ("legs has a spider", "Eight. Count them yourself.", "18, or 80, who knows."), ("symbol of gold", "Au. As in: ouch.", "It is au, as in au contraire."),
    ("water freeze", "At 0 °C, like my mood.", "At 100 degrees."), ("blood", "What a bloody question. The heart.", "Have a heart, and look it up."),
    ("tallest", "A giraffe. It looks down on us both.", "Girafferies are a fine word."), ("shortest", "Ann, Bo… fine: Cy.", "Have mercy. Ann."),
    ("three days", "Sigh. Saturday, Sunday, Monday.", "Monday is not it; Tuesday."), ("opposite of", "Something modern.", "That is news to me."),
    ("plural", "Mice.", "The micelles, perhaps."), ("bridge", "Le pont. Cross it.", "Respond yourself."), ("past tense", "He went.", "Wentworth knows."),
    ("tomato", "If you insist: yes.", "Yes or no, must I? No."), ("next number", "Oh, wonderful: 32", "320"), ("World War", "In 1945.", "In 11945."),
)  # fmt: skip


def test_real_conversations_open_the_talks(tmp_path, endpoint, shared_data):
    """DailyDialog's first lines and GSM8K's questions as openings; each reply is judged with the talk so far before it."""
    folder = init_recipe(tmp_path / "p", "persona")
    dialogues = read_rows(shared_data / "dailydialog" / "dailydialog_valid.jsonl")[:30]
    first = [{"question": r["dialogue"][0]["text"].strip()} for r in dialogues]
    sums = [{k: r[k] for k in ("question", "answer")} for r in read_rows(shared_data / "gsm8k" / "train.jsonl")[:10]]
    passage = {"question": "Sum up this passage.", "context": "Pumps move fluids."}
    write_rows(folder / "first.jsonl", [*first, passage])
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
    taken = sql(folder, "select question from plans join problems on problem_id = input_id where step = 'talks'")
    assert len(taken) == len({r["question"] for r in (*first, *sums)}) and passage["question"] not in {
        r["question"] for r in taken
    }
    assert all("[assistant]" in r["shown"] for r in talks if r["turn"] == "2")
    said = sql(folder, "select split_part(judge, '@', 1) as judge, passed, count(*) as n from verdicts group by all")
    found = {(r["judge"], r["passed"]): r["n"] for r in said}
    assert found["in-character", True] > 25 and found["in-character", False] >= 2
    assert found["right", True] >= 4 and found["right", None] > 30, "without a known answer code abstains"
