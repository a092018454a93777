"""cot, solve, critique, revise."""

import json

import pytest
from flywheel.errors import RecipeError
from flywheel.gen import built_in
from flywheel.gen.generators._critique import split_steps
from support_generators import reasons, run, text_of

COT, SOLVE, CRITIQUE, REVISE, BOTH = (built_in()[n] for n in ("cot", "solve", "critique", "revise", "critique_revise"))
PROBLEM = {"question": "Ann has {{3}} bags of 6 pears. How many pears?", "answer": "18"}


def test_right_tries_are_kept_and_wrong_ones_dropped():
    made, faults, ask = run(COT, PROBLEM, ["3 * 6 = 18\n#### 18 pears", "#### 19", "it depends", ""], draws=4)
    assert [m.completion for m in made] == ["3 * 6 = 18\n#### 18 pears"]
    assert made[0].fields == {**PROBLEM, "found": "18 pears", "rationalised": False}
    assert reasons(faults) == ["empty", "wrong answer", "no final answer"]
    assert [a["template"] for a in ask.asked] == ["cot"] * 4


def test_with_all_tries_wrong_the_answer_is_given_as_a_hint():
    made, faults, ask = run(COT, PROBLEM, ["#### 19", "#### 20", "6 + 6 + 6 = 18\n#### 18"], draws=2)
    assert made[0].fields["rationalised"] is True
    assert reasons(faults) == ["wrong answer"] * 2
    assert "the final answer is 18" in text_of(ask.asked[2]["messages"])
    assert "18" not in text_of(made[0].prompt)
    assert text_of(made[0].prompt) == text_of(ask.asked[0]["messages"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Since the answer must be 18, 3 * 6.\n#### 18", "speaks of the hint"),
        ("The given answer is 18, and 3 * 6 fits.\n#### 18", "speaks of the hint"),
        ("As stated in the hint: 18\n#### 18", "speaks of the hint"),
        ("3 * 6 = 19\n#### 19", "wrong answer in spite of the hint"),
        ("I'm sorry, I can't.", "refusal"),
    ],
)
def test_a_rationale_that_cannot_be_used(text, reason):
    made, faults, _ = run(COT, PROBLEM, ["#### 19", text])
    assert (made, reasons(faults)) == ([], ["wrong answer", reason])


def test_without_hint_it_ends_there():
    made, faults, ask = run(COT, PROBLEM, ["#### 19"], hint=False)
    assert (made, reasons(faults), len(ask.asked)) == ([], ["wrong answer"], 1)


def test_free_text_answers_agree_by_their_words():
    item = {
        "question": "Where does the Nile end?",
        "answer": "It ends in the Mediterranean Sea, to the north of Cairo.",
    }
    made, _, _ = run(COT, item, ["It flows north.\nAnswer: It ends in the Mediterranean Sea north of Cairo."])
    assert len(made) == 1


def test_solve_keeps_each_completion():
    made, faults, ask = run(SOLVE, PROBLEM, ["#### 18", "no idea", "", "I cannot help with that."], draws=4)
    assert [m.fields["found"] for m in made] == ["18", None]
    assert made[0].prompt is None
    assert reasons(faults) == ["empty", "refusal"]
    assert PROBLEM["question"] in text_of(ask.asked[0]["messages"])


SOLUTION = "Step 1: 3 * 6 = 19\nStep 2: so 19 {{pears}}\n\n#### 19"
SAMPLE = {**PROBLEM, "completion": SOLUTION, "prompt": [{"role": "user", "content": "own prompt"}]}


def critique(step=1, verdict="wrong", words="3 * 6 is 18."):
    return json.dumps({"critique": words, "first_wrong_step": step, "verdict": verdict})


def test_a_critique_names_the_first_wrong_step():
    made, faults, ask = run(CRITIQUE, SAMPLE, [critique()])
    assert not faults
    fields = made[0].fields
    assert (fields["first_wrong_step"], fields["verdict"], fields["critique"]) == (1, "wrong", "3 * 6 is 18.")
    assert (fields["original"], fields["original_prompt"]) == (SOLUTION, SAMPLE["prompt"])
    prompt = text_of(ask.asked[0]["messages"])
    assert "1. 3 * 6 = 19\n2. so 19 {{pears}}\n3. #### 19" in prompt
    assert "known to be" not in prompt


def test_a_critic_may_see_the_answer():
    _, _, ask = run(CRITIQUE, SAMPLE, [critique()], show_answer=True)
    assert "known to be: 18" in text_of(ask.asked[0]["messages"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (critique(None), "wrong, but no step named"),
        (critique(2, "correct"), "correct, but a wrong step named"),
        (critique(4), "no such step"),
        (critique(0), "no such step"),
        (critique(words="I'm sorry, I can't."), "refusal"),
        (critique(words=" "), "not parsed: critique: expected text that is not empty, received ' '"),
        (critique(verdict="fine"), "not parsed: verdict: expected one of correct, wrong, weak"),
        ("Step 1 is wrong.", "not parsed: no JSON value in the reply"),
    ],
)
def test_critiques_that_cannot_be_used(text, reason):
    made, faults, _ = run(CRITIQUE, SAMPLE, [text])
    assert (made, reasons(faults)) == ([], [reason])


PRINCIPLES = "Answers keep these:\n\n1. They do no harm:\n   none at all.\n2. They help."


@pytest.fixture
def with_principles(tmp_path):
    (tmp_path / "principles.md").write_text(PRINCIPLES)
    return {"folder": tmp_path, "principles": "principles.md"}


def by_principle(number, verdict="wrong", words="It harms."):
    return json.dumps({"critique": words, "principle": number, "verdict": verdict})


@pytest.mark.parametrize("which", [CRITIQUE, BOTH])
def test_a_critique_by_principles_names_the_one_that_is_broken(with_principles, which):
    replies = [by_principle(2), "3 * 6 = 18\n#### 18"]
    made, faults, ask = run(which, SAMPLE, replies, **with_principles)
    assert not faults and made[0].fields["critique"] == "It harms."
    prompt = text_of(ask.asked[0]["messages"])
    assert PRINCIPLES in prompt and SOLUTION in prompt
    if which is CRITIQUE:
        assert (made[0].fields["principle"], made[0].fields["original"]) == (2, SOLUTION)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (by_principle(None), "no principle named"),
        (by_principle(1, "correct"), "correct, but a principle named"),
        (by_principle(3), "no such principle"),
        (critique(), "not parsed: critique: expected principle"),
    ],
)
def test_critiques_by_principles_that_cannot_be_used(with_principles, text, reason):
    made, faults, _ = run(CRITIQUE, SAMPLE, [text], **with_principles)
    assert made == [] and reasons(faults)[0].startswith(reason.partition(":")[0])


def test_principles_have_numbers(with_principles):
    (with_principles["folder"] / "principles.md").write_text("Be good.")
    with pytest.raises(RecipeError, match=r"principles, numbered"):
        run(CRITIQUE, SAMPLE, [], **with_principles)


def test_where_declining_may_be_right_refusals_are_kept():
    refusal = "I cannot help with that."
    made, faults, _ = run(SOLVE, PROBLEM, [refusal, ""], draws=2, keep_refusals=True)
    assert ([m.completion for m in made], reasons(faults)) == ([refusal], ["empty"])
    asked = {**CRITICISED, "answer": None}
    assert reasons(run(REVISE, asked, [refusal])[1]) == ["refusal"]
    assert run(REVISE, asked, [refusal], keep_refusals=True)[0][0].completion == refusal


def test_nothing_to_criticise():
    assert reasons(run(CRITIQUE, PROBLEM, [])[1]) == ["nothing to criticise"]


CRITICISED = {**PROBLEM, "critique": "3 * 6 is 18.", "verdict": "wrong", "original": SOLUTION, "original_prompt": SAMPLE["prompt"],
              "prompt": [{"role": "user", "content": "the critique's prompt"}], "completion": critique()}  # fmt: skip


def test_a_revision_makes_a_pair_with_the_original():
    made, faults, ask = run(REVISE, CRITICISED, ["3 * 6 = 18\n#### 18"])
    assert not faults
    assert made[0].kind == "revised/original"
    assert made[0].rejected.completion == SOLUTION
    assert made[0].prompt == made[0].rejected.prompt == SAMPLE["prompt"]
    prompt = text_of(ask.asked[0]["messages"])
    assert SOLUTION in prompt
    assert "3 * 6 is 18." in prompt


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (SOLUTION.replace("\n", " "), "unchanged"),
        ("3 * 6 = 20\n#### 20", "still wrong"),
        ("I cannot do that", "refusal"),
        ("3 * 6 = 18", "no final answer"),
    ],
)
def test_revisions_that_are_no_better(text, reason):
    made, faults, _ = run(REVISE, CRITICISED, [text])
    assert (made, reasons(faults)) == ([], [reason])


def test_a_right_original_is_no_rejected_one():
    right = {**CRITICISED, "original": "6 * 3\n#### 18"}
    assert reasons(run(REVISE, right, ["3 * 6 = 18\n#### 18"])[1]) == ["original was right"]
    assert reasons(run(REVISE, {**right, "verdict": "correct"}, [])[1]) == ["nothing to revise"]


def test_both_in_one():
    made, faults, ask = run(BOTH, SAMPLE, [critique(), critique(None, "correct"), "3 * 6 = 18\n#### 18"], draws=2)
    assert reasons(faults) == ["nothing to revise"]
    assert made[0].rejected.completion == SOLUTION
    assert made[0].prompt == SAMPLE["prompt"]
    assert [a["template"] for a in ask.asked] == ["critique", "critique", "revise"]


def test_steps_lose_their_own_numbers():
    assert split_steps("Step 1: a\n\n2) b\n3. c 4. d\nfour") == ["a", "b", "c 4. d", "four"]


def test_a_revision_can_be_criticised_again():
    """Its item still has what the first critique handed on; the critic must see the revision."""
    item = {**CRITICISED, "completion": "3 * 6 = 18, {{so}}\n#### 18", "prompt": SAMPLE["prompt"]}
    made, _, ask = run(CRITIQUE, item, [critique(None, "correct", "Right.")])
    assert "1. 3 * 6 = 18, {{so}}" in text_of(ask.asked[0]["messages"])
    assert made[0].fields["original"] == item["completion"]
    assert made[0].fields["original_prompt"] == SAMPLE["prompt"]
