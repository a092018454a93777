import json

import pytest
from flywheel.judge import verify_math
from flywheel.judge.verifiers import MARKERS, extract_answer, parse_number

ANY = tuple(MARKERS)


@pytest.mark.parametrize(
    ("completion", "answer", "passed", "reason"),
    [
        ("3 + 4 = 7\n#### 7", "7", True, "correct"),
        ("#### 1,234", "1234", True, "correct"),
        ("#### $18.00", "18", True, "correct"),
        ("#### 18.", "18", True, "correct"),
        ("#### -5", "-5", True, "correct"),
        ("#### 7\nso #### 8", "8", True, "correct"),
        ("#### 7\nso #### 8", "7", False, "wrong answer"),
        ("#### 1/2", "0.5", True, "correct"),
        ("#### 50%", "50", True, "correct"),
        ("#### 7 apples", "7", True, "correct"),
        ("#### 77", "7", False, "wrong answer"),
        ("the result is 7", "7", False, "no answer"),
        ("####", "7", False, "no answer"),
        ("", "7", False, "no answer"),
        ("#### 1,2,3", "123", False, "wrong answer"),
    ],
)
def test_gsm8ks_convention(completion, answer, passed, reason):
    verdict = verify_math(completion, answer)
    assert (verdict.passed, verdict.reason) == (passed, reason)
    assert verdict.score == float(passed)


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("so\nA: 18", "18"),
        ("The answer is 18.", "18"),
        (r"thus \boxed{\frac{1}{2}}", "0.5"),
        (r"\boxed{x^{2}+1}", "1+x^2"),
        ("A: 3\n#### 4", "4"),
    ],
)
def test_other_conventions_are_read_when_named(completion, answer):
    assert verify_math(completion, answer, markers=ANY).passed


def test_the_evidence_is_what_was_read():
    assert verify_math("#### $1,234", "7").evidence == "$1,234"
    assert extract_answer("A: 5 dollars", ("A:",)) == "5 dollars"


@pytest.mark.parametrize(
    ("text", "value"), [("$1,000.50", "1000.50"), ("12 12", None), ("x", None), ("", None), ("7%", "7")]
)
def test_plain_numbers(text, value):
    found = parse_number(text)
    assert found is None if value is None else str(found) == value


@pytest.mark.parametrize("junk", ["9**9**9**9", "(" * 400, "\\frac{1}{0}", "1" * 400, "\x00", "🙂"])
def test_junk_is_a_wrong_answer_and_never_a_crash(junk):
    assert verify_math(f"#### {junk}", "7").passed is False


def test_every_recorded_correctness_of_gsm8ks_model_solutions(shared_data):
    expected = json.loads((shared_data / "EXPECTED.json").read_text())["gsm8k/example_model_solutions.jsonl"]
    passed = dict.fromkeys(expected, 0)
    disagreements = []
    for line in (shared_data / "gsm8k" / "example_model_solutions.jsonl").read_text().splitlines():
        row = json.loads(line)
        gold = row["ground_truth"].rsplit("A:", 1)[1].strip()
        for model in expected:
            verdict = verify_math(row[model]["solution"], gold, markers=ANY)
            passed[model] += verdict.passed
            if verdict.passed != row[model]["is_correct"]:
                disagreements.append((model, row["question"][:40], verdict))
    assert disagreements == []
    assert passed == {model: e["is_correct_recorded"] for model, e in expected.items()}
