"""Questions that a set of problems has with several answers: told, with what tells them apart."""

import json

import pytest
from flywheel.config import ProblemsConfig
from flywheel.gen import find_repeats, read_problems
from flywheel.store import Project
from support import make_mini_project, run_cli, write_jsonl


def read(path, column="evidence"):
    columns = {"sources": column} if column else {}
    return read_problems(
        ProblemsConfig(source=str(path), format={"question": "claim", "answer": "label", "columns": columns}),
        path.parent,
        Project(path.parent),
    )


@pytest.mark.parametrize(
    ("file", "column", "questions", "torn"),
    [
        ("fever_symmetric_dev.jsonl", "evidence", 354, 0), ("fever_symmetric_dev.jsonl", None, 354, 354),
        ("feverlite_validation.jsonl", "evidence", 2, 0), ("feverlite_validation.jsonl", None, 2, 2),
        ("paper_dev.jsonl", None, 32, 32),
    ],
)  # fmt: skip
def test_real_claims_with_several_labels_are_told_and_told_apart_by_their_evidence(
    shared_data, file, column, questions, torn
):
    found = read(shared_data / "fever" / file, column)
    repeats = find_repeats(found, ["sources"] if column else [])
    assert (repeats.questions, repeats.torn) == (questions, torn)
    assert repeats.rows >= 2 * questions
    told = str(repeats)
    assert f"{questions} questions with several answers" in told and f"{file}:" in told
    assert ("curate.conflicts keeps their rows out of training" in told) == bool(torn)


def test_a_set_without_repeats_tells_none(tmp_path):
    rows = [
        {"claim": "A.", "label": "x"},
        {"claim": "A.", "label": "x", "evidence": "one"},
        {"claim": "B.", "label": "y"},
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert find_repeats(read(tmp_path / "rows.jsonl", None), []) is None


def test_a_look_ahead_tells_repeats(tmp_path):
    folder = make_mini_project(tmp_path / "p")
    rows = [json.loads(line) for line in (folder / "problems.jsonl").read_text().split("\n") if line]
    write_jsonl(folder / "problems.jsonl", [*rows, {**rows[0], "answer": "It is so.\n#### 987654"}])
    said = run_cli(folder, "run", "--dry-run", check=0).stdout
    assert "1 question with several answers, in 2 rows" in said
    assert "of 1 the prompts are the same: curate.conflicts keeps their rows out of training" in said
