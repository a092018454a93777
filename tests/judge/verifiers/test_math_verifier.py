"""What the math verifier takes for the same answer."""

import pytest
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier

MATH = built_in()["math"]


def judge(completion, expected, **options):
    return run_verifier(MATH, Case(completion, expected), complete_options(MATH, options))


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("#### 72!!!", "72"),
        ("#### 72 !!!", "72"),
        ("The answer is 72!", "72"),
        ("#### **72**", "72"),
        ("#### 72.00 dollars", "72"),
        ("#### $1,234.50", "1234.5"),
        ("#### 5 million dollars", "5000000"),
        ("#### 3/4 cup", "0.75"),
        ("#### 1 1/2", "1.5"),
        (r"\boxed{2\frac{1}{2}}", "5/2"),
        (r"\boxed{-\frac{1}{2}}", "-0.5"),
        (r"\boxed{\text{Evelyn}}", "Evelyn"),
        (r"\boxed{90^\circ}", "90"),
        (r"\boxed{5\text{ cm}^2}", "5"),
        (r"\boxed{\boxed{7}}", "7"),
        (r"\boxed{\frac{1}{1+\frac{1}{2}}}", r"\frac{2}{3}"),
        (r"\boxed{\left(3,\frac{\pi}{2}\right)}", r"\left( 3, \frac{\pi}{2} \right)"),
        ("#### 5!", "5!"),
        ("#### 120", "5!"),
        ("#### −5", "-5"),
        ("#### 5 miles", "5 mile"),
        ("x\nA: 18", "… so 3 * 6 = 18\nA: 18"),
        ("#### 18", "She makes 18.\n#### 18"),
        (r"\boxed{18}", r"so we get $\boxed{18}$."),
        ("#### 18", 18),
        ("#### 5,3", "3,5"),
        ("#### 1,00,000", "100000"),
        ("#### 100000", "1,00,000"),
        ("#### 0.5", 0.5),
        ("#### 4", ["3", "4"]),
        ("The final answer is: $18$. It was easy. ", "18"),
    ],
)
def test_same(completion, expected):
    assert judge(completion, expected).reason == "correct"


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("#### 5x", "5"),
        ("#### 5 pi", "5"),
        ("#### 7 and a half", "7"),
        ("#### 7 or 8", "7"),
        ("#### 72 apples and 3 pears", "72"),
        ("#### 5 million", "5"),
        ("#### 5 km", "5 m"),
        ("#### 5", "5!"),
        ("#### 5!", "120"),
        ("#### 1.000", "1000"),
        ("#### 5 feet 3 inches", "5"),
        ("#### 9^9^9^9", "7"),
        ("#### 99999!", "7"),
        ("#### 12", "1,2"),
    ],
)
def test_different(completion, expected):
    assert judge(completion, expected).reason == "wrong answer"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("12", "12%", True),
        ("12%", "12", True),
        (r"12\%", "12", True),
        (r"\frac{12}{1}\%", "12", True),
        ("12 percent", "12%", True),
        ("12%", "0.12", False),
        ("0.12", "12%", False),
    ],
)
def test_a_percent_sign_is_let_pass_like_a_unit(left, right, same):
    assert judge(rf"\boxed{{{left}}}", right).passed is same


def test_markers_are_a_choice():
    assert judge("so we get 7", "7").reason == "no answer"
    assert judge("so 3 + 4 = 7", "7", markers=["last number"]).passed
    assert judge("so 3 + 4 = 7. The answer is 8", "7", markers=["auto"]).passed is False
    assert judge("so 3 + 4 = 7", "7", markers=["auto"]).passed
    assert judge("7", "7", markers=["whole text"]).passed
    assert judge("from 10-3 we get $1,234.", "1234", markers=["last number"]).passed


def test_what_cannot_be_judged_is_an_abstention():
    assert judge("#### 7", None).reason == "no expected"
    assert judge("#### 7", {"a": 1}).reason == "bad reference"
    assert judge("#### 7", " ").reason == "empty reference"


def test_a_completion_that_was_cut_off_says_so():
    case = Case("and then", "7", finish_reason="length")
    verdict = run_verifier(MATH, case, complete_options(MATH, {}))
    assert (verdict.passed, verdict.reason) == (False, "truncated")
