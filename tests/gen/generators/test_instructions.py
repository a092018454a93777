"""evolve, self_instruct, persona, rephrase, backward."""

import json

import pytest
from flywheel.errors import InputError
from flywheel.gen import built_in
from flywheel.gen.generators._instructions import clean_instruction, split_numbered
from flywheel.gen.generators._metamath import numbers_in
from support_generators import reasons, run, text_of

EVOLVE, SELF, PERSONA, REPHRASE, BACKWARD = (
    built_in()[n] for n in ("evolve", "self_instruct", "persona", "rephrase", "backward")
)
TASK = {"question": "Explain how {{pumps}} lift water."}
HARDER = "Explain how {{pumps}} lift water up a 30 m shaft, and name two limits that physics sets."


def test_an_evolution_is_answered_and_kept():
    made, faults, ask = run(EVOLVE, TASK, [f'New instruction: "{HARDER}"', "They push. {x}"], operations=["deepen"])
    assert not faults
    assert made[0].prompt == [{"role": "user", "content": HARDER}]
    assert made[0].completion == "They push. {x}"
    assert made[0].fields == {"question": HARDER, "parent": TASK["question"], "operation": "deepen", "round": 1}
    assert TASK["question"] in text_of(ask.asked[0]["messages"])
    assert text_of(ask.asked[1]["messages"]) == f"[user]\n{HARDER}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"), ("... and of the", "empty"), ("I'm sorry, but I cannot.", "refusal"), (TASK["question"], "unchanged"),
        ("Explain how {{pumps}} lift the water.", "unchanged"), ("Here is the #Rewritten Prompt#: Explain pumps", "speaks of the prompt"),
        ("Do as the given prompt says about pumps", "speaks of the prompt"), ("Explain pumps", "too short"), ("why " * 500, "too long"),
    ],
)  # fmt: skip
def test_failed_evolutions_are_eliminated(text, reason):
    made, faults, _ = run(EVOLVE, TASK, [text])
    assert (made, reasons(faults)) == ([], [reason])


def test_a_failed_answer_eliminates_too():
    made, faults, _ = run(EVOLVE, TASK, [HARDER, "Well, sorry, that is beyond me."])
    assert (made, reasons(faults)) == ([], ["refusal"])


def test_rounds_go_on_from_the_last_good_one():
    second = "Compare three kinds of windmill by the height to which they raise water, with the torque each needs."
    made, faults, _ = run(EVOLVE, TASK, [HARDER, "", second], rounds=3, answer=False)
    assert [m.fields["round"] for m in made] == [1, 3]
    assert [m.fields["parent"] for m in made] == [TASK["question"], HARDER]
    assert reasons(faults) == ["empty"]
    assert made[0].completion == HARDER
    operations = [m.fields["operation"] for m in made]
    assert operations[0] != operations[1]


def test_self_instruct_continues_the_seeds(tmp_path):
    seeds = ["Name three {{x}} rivers.", "Sort 3, 1, 2 in rising order.", "Write a poem on rain."]
    lines = [json.dumps({"instruction": seeds[0]}), json.dumps({"question": seeds[1]}), seeds[2]]
    (tmp_path / "seeds.jsonl").write_text("\n".join(lines), encoding="utf-8-sig")
    text = (
        "5. Translate “good day” into French and Spanish.\n6) Name three long rivers.\n7. Draw a picture of a house at night.\n"
        "8. Why?\n9. Translate “good day” into Spanish and French.\n10. Plan a day\nin Rome for two people\n11. Classify thes"
    )

    def replies(template, prompt, draw):
        return {"text": text, "finish_reason": "length"} if template == "self-instruct" else "Done."

    made, faults, ask = run(SELF, TASK, replies, folder=tmp_path, seeds="seeds.jsonl")
    assert [m.fields["question"] for m in made] == [
        "Translate “good day” into French and Spanish.",
        "Plan a day\nin Rome for two people",
    ]
    assert reasons(faults) == ["cut off", "like another task", "needs more than text", "too short", "like another task"]
    prompt = text_of(ask.asked[0]["messages"])
    assert all(seed in prompt for seed in [*seeds, TASK["question"]])
    assert "numbered from 5" in prompt


def test_self_instruct_without_a_list():
    made, faults, _ = run(SELF, TASK, ["Sure, here are some tasks!"])
    assert (made, reasons(faults)) == ([], ["no numbered list"])


def test_a_seed_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"seeds.txt[\s\S]*no such file"):
        run(SELF, TASK, [], folder=tmp_path, seeds="seeds.txt")
    (tmp_path / "bad.jsonl").write_text('{"task": 1}\n')
    with pytest.raises(InputError, match=r"bad.jsonl:1[\s\S]*instruction"):
        run(SELF, TASK, [], folder=tmp_path, seeds="bad.jsonl")


def test_numbered_lists():
    assert split_numbered("Tasks:\n1. a\n 2) b\nmore\n**3.** c\n\n4: \n") == ["a", "b\nmore", "c"]
    assert clean_instruction("#New Instruction#: “Do x”") == "Do x"


def test_personas_of_a_list(tmp_path):
    (tmp_path / "people.txt").write_text("a farmer\na nurse\n\na pilot\n")
    new = {
        "farmer": "How do I get water up to my field?",
        "nurse": "What moves the liquid in a drip?",
        "pilot": TASK["question"],
    }

    def replies(template, prompt, draw):
        return next(text for who, text in new.items() if who in prompt) if template == "persona-rewrite" else "So."

    made, faults, _ = run(PERSONA, TASK, replies, folder=tmp_path, personas="people.txt")
    assert {m.fields["persona"]: m.fields["question"] for m in made} == {
        "a farmer": new["farmer"],
        "a nurse": new["nurse"],
    }
    assert reasons(faults) == ["unchanged"]


def test_personas_by_the_model():
    replies = [
        '{"personas": ["a {diver}", "a cook"]}',
        "How deep may I {dive}?",
        "So.",
        "How do I drain a sink?",
        "So.",
    ]
    made, faults, ask = run(PERSONA, {**TASK, "text": "a {chunk}"}, replies)
    assert not faults
    assert [m.fields["persona"] for m in made] == ["a {diver}", "a cook"]
    assert "a {chunk}" in text_of(ask.asked[0]["messages"])
    made, faults, _ = run(PERSONA, TASK, ["nobody"])
    assert (made, reasons(faults)) == ([], ["not parsed: no JSON value in the reply", "no persona"])


PROBLEM = {"question": "Ann has 3 bags of 1,200 pears and eats 6. How many pears are left?", "answer": "3594"}
OTHER = "After eating 6 pears out of her 3 bags with 1200 in each, what number of pears does Ann still own?"


def test_a_rephrased_problem_keeps_its_answer():
    made, faults, ask = run(REPHRASE, PROBLEM, [OTHER, "3 * 1200 - 6\n#### 3,594", "#### 3600"], tries=2)
    assert made[0].fields == {"question": OTHER, "answer": "3594", "found": "3,594", "parent": PROBLEM["question"]}
    assert reasons(faults) == ["wrong answer"]
    assert OTHER in text_of(ask.asked[1]["messages"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (OTHER.replace("6", "7"), "numbers changed"),
        (PROBLEM["question"], "unchanged"),
        ("", "empty"),
        ("I can't do that.", "refusal"),
    ],
)
def test_rephrasings_that_cannot_be_used(text, reason):
    made, faults, _ = run(REPHRASE, PROBLEM, [text])
    assert (made, reasons(faults)) == ([], [reason])


def test_backward_hides_a_number_and_asks_for_it():
    hidden = {"3": "3 bags", "1200": "1,200 pears", "6": "eats 6"}
    for seed in range(6):
        made, faults, ask = run(BACKWARD, PROBLEM, lambda *a: "#### 1200", seed=seed)
        prompt = text_of(ask.asked[0]["messages"])
        assert "known to be 3594. What is the value of X?" in prompt
        outcome = made[0].fields["answer"] if made else None
        assert (outcome == "1200") == (hidden["1200"] not in prompt)
        assert made or reasons(faults) == ["wrong answer"]
        assert sum(words not in prompt for words in hidden.values()) == 1


def test_backward_by_a_statement():
    statement = "Ann has X bags of 1,200 pears, eats 6, and 3594 pears are left."
    made, faults, ask = run(BACKWARD, {**PROBLEM, "question": "Ann has 3 bags of pears. How many?"}, [statement, "#### 3"], style="self-verification")  # fmt: skip
    assert not faults
    assert made[0].fields["question"] == f"{statement}\n\nWhat is the value of X?"
    assert "Ann has X bags" in text_of(ask.asked[0]["messages"])
    made, faults, _ = run(BACKWARD, PROBLEM, ["Ann has 3 bags."], style="self-verification")
    assert reasons(faults) == ["statement lost X or the answer"]


def test_no_number_to_hide():
    assert reasons(run(BACKWARD, {"question": "Who is Ann?", "answer": "A cook"}, [])[1]) == ["no number to hide"]


def test_numbers():
    assert numbers_in("3 bags, 1,200 at $2.50. 7, 8") == {"3": 1, "1200": 1, "2.50": 1, "7": 1, "8": 1}
