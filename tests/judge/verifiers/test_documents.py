"""relaxed, anls and fields: what reading of charts and documents is scored by, on values worked out by hand."""

import json

import pytest
from flywheel.errors import RecipeError
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier


def judge(name, completion, expected, **options):
    verifier = built_in()[name]
    return run_verifier(verifier, Case(completion, expected, {}), complete_options(verifier, options))


@pytest.mark.parametrize(
    ("completion", "expected", "passed"),
    [
        ("105", "100", True),
        ("95", "100", True),
        ("105.1", "100", False),
        ("94.9", "100", False),
        ("-100", "100", False),
        ("0", "0", True),
        ("0.01", "0", False),
        ("19,407.2", "19407.2", True),
        ("$36.11", "36.11", True),
        ("36.11%", "36.11", True),
        ("36%", "0.36", True),
        ("0.36", "36%", True),
        ("3.6%", "36", False),
        ("1.38.", "1.4", True),
        ("Pink", "pink", True),
        ("Pink.", "Pink", True),
        ("Light pink", "Pink", False),
        ("25-34", "25-34", True),
        ("25-35", "25-34", False),
        ("about 100", "100", False),
        ("1931", "1994", True),
        ("7", ["seven", "7"], True),
        ("nan", "100", False),
    ],
)
def test_relaxed_accuracy_lets_numbers_be_5_percent_off_and_nothing_else(completion, expected, passed):
    assert judge("relaxed", completion, expected).passed is passed


def test_relaxed_says_why_and_years_can_be_exact():
    assert judge("relaxed", "1995", "1994", exact_years=True).reason == "too far"
    assert judge("relaxed", "1994", "1994", exact_years=True).reason == "correct"
    assert judge("relaxed", "103", "100", exact_years=True).reason == "near enough"
    assert judge("relaxed", "So the answer is 103.", "100", after="the answer is").passed is True
    assert judge("relaxed", "", "100").reason == "no answer"
    assert judge("relaxed", "5", {"a": 1}).passed is None


@pytest.mark.parametrize(
    ("completion", "expected", "score"),
    [
        ("Coca Cola", "coca  cola", 1.0),
        ("kitten", "sitting", 1 - 3 / 7),  # 3 edits, of 7 letters
        ("abcd", "abxy", 0.0),  # a distance of 0.5 is too far by the paper's formula
        ("abcde", "abcxy", 1 - 2 / 5),
        ("abc", "xyz", 0.0),
        ("12 May 2018", ["May 12", "12 May 2019"], 1 - 1 / 11),
        ("a very long answer that says Paris among much else", "Paris", 0.0),
    ],
)
def test_anls(completion, expected, score):
    verdict = judge("anls", completion, expected)
    assert verdict.score == pytest.approx(score) and verdict.passed is (score > 0)


WANTED = {"company": "BOOK TA .K SDN BHD", "date": "25/12/2018", "total": "9.00"}


def test_fields_are_scored_one_by_one():
    said = {"company": "Book Ta K Sdn Bhd", "date": "26/12/2018", "total": "RM9"}
    verdict = judge("fields", json.dumps(said), WANTED, match={"total": "number"})
    assert (verdict.passed, verdict.score) == (False, pytest.approx(2 / 3))
    assert verdict.reason == "wrong: date" and json.loads(verdict.evidence) == {"date": "26/12/2018"}
    assert judge("fields", json.dumps(said), WANTED, match={"total": "number"}, threshold=0.6).passed is True
    assert judge("fields", json.dumps(said), WANTED, only=["company"]).passed is True
    assert judge("fields", f"```json\n{json.dumps(WANTED)}\n```", json.dumps(WANTED)).reason == "correct"
    near = judge("fields", json.dumps({**WANTED, "company": "BOOK TAK SDN BHD"}), WANTED, match={"company": "anls"})
    assert near.passed is False and 0.9 < near.score < 1
    assert judge("fields", "the total is 9", WANTED).reason == "not JSON"
    assert judge("fields", "[1]", WANTED).reason == "no object"
    assert (
        judge("fields", json.dumps({"total": "9.5"}), {"total": 9, "tip": None}, match={"total": "number"}).score == 0.5
    )


def test_fields_that_cannot_be_judged():
    assert judge("fields", "{}", "no JSON").passed is None
    assert judge("fields", "{}", {}).passed is None
    with pytest.raises(RecipeError, match=r"match: \{total: number"):
        judge("fields", "{}", WANTED, match={"total": "euros"})
