"""Spellings of final answers: which are the same, which are not; tables in math_forms/, a row each: what was said, then the reference."""

import json
import threading
from pathlib import Path

import pytest
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier
from flywheel.judge.verifiers import _expression as expression_module
from flywheel.judge.verifiers._worker import Worker

MATH = built_in()["math"]


def rows(table):
    """Return (completion, reference) of a table; one row a line."""
    text = (Path(__file__).parent / "math_forms" / table).read_text(encoding="utf-8")
    return [line.rsplit("|", 1) for line in text.strip().split("\n")]


def judge(completion, expected):
    return run_verifier(MATH, Case(completion, expected), complete_options(MATH, {}))


@pytest.mark.parametrize(("completion", "expected"), rows("same.txt"))
def test_usual_spellings_of_one_answer(completion, expected):
    assert judge(completion, expected).reason == "correct"


@pytest.mark.parametrize(("completion", "expected"), rows("different.txt"))
def test_answers_that_only_look_alike(completion, expected):
    assert judge(completion, expected).reason == "wrong answer"


@pytest.mark.parametrize(
    ("completion", "expected", "passed"),
    [
        ("so 3 × 10^5", "300000", True), ("so 3 × 10^5", "5", False), ("it is 7^2", "49", True), ("it is 7^2", "7", False),
        ("it is 5 million.", "5000000", True), ("it is 5 million", "5", False), ("it is $5k", "5", False), ("so, $1,234.", "1234", True),
        ("minus 12", "12", False), ("minus 12", "-12", True), ("15 minus 12 is 3", "3", True), ("12 thousands", "12", False),
        ("12 thousands", "12000", True), ("12x", "12", False), ("12 squared", "12", False), ("√12", "12", False), ("12 000", "0", False),
        ("12 000", "12000", True), ("1 000 012", "12", False), ("1 000 012", "1000012", True), ("so 12kg", "12", True), ("at 12pm", "12", True),
    ],
)  # fmt: skip
def test_the_last_number_is_read_with_what_makes_another_of_it(completion, expected, passed):
    verdict = run_verifier(MATH, Case(completion, expected), complete_options(MATH, {"markers": ["last number"]}))
    assert verdict.passed is passed


def test_a_solution_may_begin_with_answer():
    assert judge("Answer: Let us see, 5 + 3.\nThe answer is 8", "8").passed
    assert judge("Answer: Let us see. So the answer is 8.", "8").passed
    for heading in ("### Final Answer", "**Final Answer**\n", "**Answer:**", "Hence the final answer is:\n"):
        assert judge(f"{heading}\n7", "7").passed


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("The answer is 5. Wait, no, it is 6.", "6"), ("A: 5\nHold on: 3 + 3 is 6", "6"), ("The answer is 5. I made a mistake.", None),
        ("The answer is 6. They wait there.", "6"), ("The answer is 5. Wait. The answer is 6.", "6"), ("#### 6", "6"),
        ("The answer is 5. But actually it's 6.", "6"), ("The answer is 5. Hmm, that's wrong, it's 6.", "6"), ("The answer is 5. Sorry, 6.", "6"), ("The answer is 5. My bad, 6.", "6"),
        ("The answer is 5. In fact it's 6.", "6"), ("The answer is 5. That's wrong.", None), ("The answer is 6. Confidence: 95%", "6"),
        ("The answer is 5. Let me check: 2*3=6. So it's 6.", "6"), ("The answer is 5. On reflection, 6.", "6"), ("A: 5\nActually it is 6.", "6"),
        ("The answer is 6. Let me check: 2*3=6. Correct.", "6"), ("The answer is 6. Actually, that's right.", "6"),
        ("The answer is 6. But she also has 5 dogs.", "6"), ("The answer is 6. But it's 5 more than 1.", "6"),
    ],
)  # fmt: skip
def test_an_answer_that_is_taken_back_is_none(completion, answer):
    assert [n for n in ("5", "6") if judge(completion, n).passed] == ([answer] if answer else [])


def in_a_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join(60)
    return found[0]


SLOW = (r"\boxed{(x+y+z)^{400}}", "(x+y+z+1)^{399}")


def test_the_time_limit_holds_in_every_thread(monkeypatch):
    monkeypatch.setattr(expression_module, "_algebra", Worker("_algebra", 1))
    verdict = in_a_thread(lambda: judge(*SLOW))
    assert (verdict.passed, verdict.reason) == (None, "timed out")
    assert in_a_thread(lambda: judge(r"\boxed{\sqrt{8}}", r"2\sqrt{2}")).reason == "correct"
    expression_module._algebra.close()


def test_a_worker_that_cannot_work_says_so():
    with pytest.raises(ChildProcessError, match="no_such"):
        Worker("no_such", 1).ask("x")


def test_a_reference_that_cannot_be_read_is_an_abstention():
    verdict = judge("#### 7", r"7 \approx 8")
    assert (verdict.passed, verdict.reason) == (None, "unreadable reference")
    assert judge(r"#### 7 \approx 8", r"7 \approx 8").passed
    assert judge(r"\boxed{2\sqrt{3}}", r"\$32,\!348").passed is False


def test_answers_of_math_in_another_spelling(shared_data):
    """Spaces, display fractions and dollars change no answer of MATH."""
    answers = [json.loads(line)["answer"] for line in (shared_data / "math" / "math500.jsonl").read_text().splitlines()]
    for answer in answers:
        spelled = answer.replace("\\frac", " \\dfrac ").replace("+", " + ").replace("-", "- ")
        assert judge(f"Final Answer: $ {spelled} $", answer).passed, answer
    pairs = [(a, b) for a, b in zip(answers, [*answers[1:], answers[0]], strict=True) if a.strip("x=") != b.strip("x=")]
    assert [(a, b) for a, b in pairs if judge(f"\\boxed{{{b}}}", a).passed is not False] == []
