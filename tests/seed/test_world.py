import itertools
import json
import re
from importlib import resources
from pathlib import Path

import pytest
from flywheel.seed import SPLITS, generate, generate_distinct, split_of
from flywheel.seed.build import CORPUS_SEED, CORPUS_SIZE, CORPUS_STEPS

STEPS = {1: 0.3, 2: 0.3, 3: 0.4}
DEMO = Path(str(resources.files("flywheel.recipes") / "demo"))


def sample(split, n=2000):
    return list(itertools.islice(generate(split, 3, STEPS), n))


def test_splits_share_no_bucket_and_leave_none_over():
    owned = [bucket for buckets in SPLITS.values() for bucket in buckets]
    assert sorted(owned) == list(range(100))


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_only_makes_cores_that_it_owns(split):
    assert {split_of(p.core) for p in sample(split)} == {split}


def test_no_core_and_no_question_is_in_two_splits():
    made = {split: sample(split) for split in SPLITS}
    for a, b in itertools.combinations(SPLITS, 2):
        assert not {p.core for p in made[a]} & {p.core for p in made[b]}
        assert not {p.question for p in made[a]} & {p.question for p in made[b]}


def test_every_step_is_right_and_follows_from_the_one_before():
    for problem in sample("loop"):
        lines = problem.answer.splitlines()
        assert len(lines) == problem.n_steps + 1
        previous = None
        for line in lines[:-1]:
            left, op, right, result = re.search(r"(\d+) ([-+*/]) (\d+) = (\d+)", line).groups()
            assert previous in (None, left)
            assert eval(f"{left} {op} {right}") == int(result)
            previous = result
        assert lines[-1] == f"#### {previous}"


def test_the_numbers_of_a_solution_come_from_its_passage():
    implied = {"2"}  # "half"
    for problem in sample("loop", 500):
        first = re.search(r"(\d+) [-+*/] (\d+)", problem.answer).groups()
        assert set(first) <= set(re.findall(r"\d+", problem.question)) | implied


def test_a_hasty_author_stops_one_step_early():
    for problem in sample("pretrain", 500):
        hasty, careful = problem.hasty_answer.splitlines(), problem.answer.splitlines()
        if problem.n_steps == 1:
            assert hasty == careful
        else:
            assert hasty[:-1] == careful[:-2]
            assert f"= {hasty[-1].removeprefix('#### ')} " in careful[-3]


def test_generation_is_a_function_of_split_and_seed():
    again = [p.question for p in itertools.islice(generate("gate", 3, STEPS), 50)]
    assert [p.question for p in sample("gate", 50)] == again
    assert [p.question for p in itertools.islice(generate("gate", 4, STEPS), 50)] != again


def read(name):
    return [json.loads(line) for line in (DEMO / name).read_text().splitlines()]


def test_the_demos_held_out_problems_are_in_no_training_set():
    corpus = {p.core: p for p in generate_distinct("pretrain", CORPUS_SEED, CORPUS_STEPS, CORPUS_SIZE)}
    trained = {p.question for p in corpus.values()} | {r["question"] for r in read("problems.jsonl")}
    held_out = {r["question"] for name in ("heldout_gate.jsonl", "heldout_report.jsonl") for r in read(name)}
    assert len(held_out) >= 800
    assert not held_out & trained


def test_the_demos_files_are_what_the_world_makes():
    from flywheel.seed.demo_data import FILES

    for name, (split, seed, n) in FILES.items():
        made = generate_distinct(split, seed, {2: 0.5, 3: 0.5}, n)
        assert [{"question": p.question, "answer": p.answer} for p in made] == read(name)
        assert {split_of(p.core) for p in made} == {split}
