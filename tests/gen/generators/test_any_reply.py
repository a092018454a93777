"""Whatever a model replies: no generator raises, none loses an input silently, and each does the same again."""

import json
import random

import pytest
from flywheel.gen import Fault, Made, built_in
from support import HERE
from support_generators import run

TEXT = "A lever has a fulcrum. {{x}} The longer the arm, the smaller the force: 12 N at 3 m. " * 4
VALUES = {
    "text": TEXT, "title": "Machines", "question": "What force {{holds}} 12 N at 3 m?", "answer": "36", "completion": "12 * 3\n#### 35",
    "critique": "12 * 3 is 36.", "verdict": "wrong", "media": None,
    "tools": [{"name": "weigh", "parameters": {"type": "object", "properties": {}}}],
}  # fmt: skip
OPTIONS = {
    "transform": {"template": "soap-note", "columns": {"dialogue": "text"}},
    "evolve": {"rounds": 3},
    "backtranslate": {"check": "model"},
    "insert_calls": {"tools": str(HERE / "gen" / "generators" / "weigh.py")},
}
PIECES = [
    "", " ", "\n\n", "I'm sorry, I cannot.", "#### 36", "36 {{x}}", "1. One new task to do\n2. Another one\n", "{", "[1]", "null", "\\", "😀",
    "A longer plain text that says something about levers, 12 and 3.", '{"pairs": []}', "```json\n", "</think>", "\ud83d", "\x00",
    json.dumps({"pairs": [{"type": "why", "difficulty": "x", "question": "Why so?", "answer": "36", "quote": "A lever has a"}]}),
    json.dumps({"exchanges": [{"user": "Why?", "assistant": "So.", "quote": "A lever has"}, {"user": "How long?", "assistant": "3 m", "quote": "3 m"}]}),
    json.dumps({"critique": "12 * 3 is 36", "first_wrong_step": 1, "verdict": "wrong"}),
    json.dumps({"exercises": [{"difficulty": "hard", "exercise": "Find F.", "solution": "#### 36", "answer": "36"}]}),
    json.dumps({"calls": [{"instruction": "Weigh it", "call": "lever('a')", "explanation": ""}]}),
    json.dumps({"personas": ["a smith", ""]}), json.dumps({"answerable": True, "reason": ""}), '{"pairs": [{"question": 3}, 7, null]}',
]  # fmt: skip
CALLS = [{"tool_calls": [{"function": {"name": n, "arguments": a}}]} for n, a in
         [("weigh", "{}"), ("weigh", "{bad"), ("none", "{}"), ("give_up", '{"reason": "x"}'), ("", "")]]  # fmt: skip


GOOD = {
    "solve-cot": "#### 12", "rephrase": "With an arm of 3 m and 12 N on it, which force is at work?", "revise": "12 * 3 = 36\n#### 36",
    "critique": PIECES[20], "insert-calls": TEXT.replace(" The", ' <call>weigh("a lever")</call> The', 2),
}  # fmt: skip


def replies_of(seed):
    rng = random.Random(seed)

    def reply(template, prompt, draw):
        if template == "tool-solve" and rng.random() < 0.6:
            return rng.choice(CALLS)
        if template in GOOD and rng.random() < 0.5:
            return GOOD[template]
        text = "".join(rng.choice(PIECES) for _ in range(rng.choice([1, 1, 1, 2, 3])))
        return {"text": text, "finish_reason": "length"} if rng.random() < 0.1 else text

    return reply


@pytest.mark.parametrize("name", built_in())
def test_any_reply_ends_in_rows_or_drops_and_the_same_ones_again(name):
    made_any, generator = 0, built_in()[name]
    for seed in range(60):
        first, again = (
            run(generator, VALUES, replies_of(seed), draws=1 + seed % 3, seed=seed, **OPTIONS.get(name, {}))
            for _ in range(2)
        )
        made, faults, ask = first
        assert made or faults
        requests, rows = generator.most(ask.options, 1 + seed % 3)
        assert ask.n_requests <= requests and len(made) <= rows, "what a dry run counts is the most"
        assert (made, faults, ask.asked) == (again[0], again[1], again[2].asked)
        for row in made:
            assert row.completion.strip()
            assert row.request_id.startswith("req_")
            assert set(row.fields) <= set(generator.yields) or name == "transform"
            json.dumps([row.fields, row.prompt])
        assert all(isinstance(f, Fault) and f.reason and len(f.reason) < 100 for f in faults)
        made_any += len(made)
        assert all(isinstance(m, Made) for m in made)
    assert made_any, "the script never gives a good reply, so the test proves little"


@pytest.mark.parametrize("name", built_in())
def test_an_input_without_anything_is_a_drop(name):
    made, faults, _ = run(built_in()[name], {}, replies_of(1), **OPTIONS.get(name, {}))
    assert made or faults


def test_cut_off_texts_are_no_rows():
    for name in ("evolve", "persona", "rephrase", "revise"):
        cut = {
            "text": "Which force holds up 12 N at the end of a bar of 3 m, and why is that so?",
            "finish_reason": "length",
        }
        made, faults, _ = run(
            built_in()[name], VALUES, lambda *a, cut=cut: '{"personas": ["x"]}' if a[0] == "persona-infer" else cut
        )
        assert not made
        assert {f.reason for f in faults} == {"cut off"}
