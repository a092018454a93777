"""The stories of the small world and the tasks over them, against the templates that ask for them."""

import itertools
import json
import random
import re

import pytest
from flywheel.prompts import load_template
from flywheel.seed import SPLITS, split_of
from flywheel.seed.build import HABITS
from flywheel.seed.stories import tell
from flywheel.seed.tasks import ask_questions, criticise, make_row


def stories(split, n=400, seed=3):
    return list(itertools.islice(tell(split, seed), n))


@pytest.mark.parametrize("split", SPLITS)
def test_all_arithmetic_that_a_story_can_be_asked_belongs_to_its_split(split):
    cores = {q.problem.core for s in stories(split, 100) for q in s.questions if q.problem is not None}
    assert {split_of(core) for core in cores} == {split}


def test_quotes_stand_in_the_story_and_no_question_comes_twice():
    for story in stories("loop"):
        assert all(q.quote in story.text for q in story.questions)
        assert len({q.question for q in story.questions}) == len(story.questions)
        assert {q.type for q in story.questions} == {"factual", "arithmetic"}


def test_steps_are_right_and_facts_are_what_the_story_says():
    for story in stories("gate"):
        for question in story.questions:
            assert question.final in re.findall(r"\d+", question.answer)
            if question.problem is None:
                assert question.final in re.findall(r"\d+", question.quote)
            for left, op, right, result in re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", question.solution):
                assert eval(f"{left} {op} {right}") == int(result)


def test_a_critique_names_the_first_step_that_is_not_the_solutions():
    rng, seen = random.Random(5), set()
    for story in stories("pretrain"):
        for question in story.questions:
            attempt, critique = criticise(rng, question)
            right, steps = question.solution.splitlines(), attempt.splitlines()
            wrong = next((i for i, step in enumerate(steps, 1) if i > len(right) or step != right[i - 1]), None)
            assert critique["first_wrong_step"] == wrong
            assert critique["verdict"] == ("wrong" if wrong else "correct")
            assert all(int(n) > 0 for n in re.findall(r"-?\d+", attempt))
            seen.add(critique["critique"].split(" ")[2])
    assert {"answers", "is"} <= seen


def test_prompts_are_those_of_the_recipes_templates():
    """What the model was trained on is what the recipe sends."""
    rng, story = random.Random(1), stories("pretrain", 1)[0]
    prompts = {re.sub(r"\d+", "0", make_row(rng, story, HABITS)[0]) for _ in range(4000)}

    def filled(name, **values):
        return re.sub(r"\d+", "0", load_template(name).render(values)[-1]["content"])

    plan = "1. type: factual; difficulty: easy\n2. type: arithmetic; difficulty: hard"
    assert filled("seed-questions", text=story.text, plan=plan) in prompts
    for question in story.questions:
        asked = load_template("seed-question-over-text").render({"text": story.text, "question": question.question})
        asked = asked[-1]["content"]
        assert filled("solve", question=asked) in prompts
        assert filled("seed-cot", question=asked) in prompts
        assert filled("seed-cot-hint", question=asked, answer=question.answer) in prompts
        steps = "\n".join(f"{i}. {line}" for i, line in enumerate(question.solution.splitlines(), 1))
        known = f"\n\nThe final answer is known to be: {question.answer}"
        assert filled("seed-critique", question=asked, steps=steps, known=known) in prompts
        assert filled("seed-critique", question=asked, steps=steps) in prompts
        values = {"completion": question.solution, "critique": "Each step is right."}
        assert filled("seed-revise", question=asked, **values) in prompts


def test_replies_fit_the_generators_schemas():
    from flywheel.gen._parse import parse_json
    from flywheel.gen.generators._backtranslate import PAIRS
    from flywheel.gen.generators._critique import CRITIQUE

    rng = random.Random(2)
    for story in stories("pretrain", 50):
        assert parse_json(ask_questions(rng, story)[1], PAIRS).complaint is None
        assert parse_json(json.dumps(criticise(rng, story.questions[0])[1]), CRITIQUE).complaint is None
