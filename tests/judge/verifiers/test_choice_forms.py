"""Which choice a completion names: the forms that models write, and what only looks like an answer."""

import json

import pytest
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier

CHOICE = built_in()["choice"]
CHOICES = ["TGF-13", "MMP2", "Collagen", "Angiopoietin"]


def judge(completion, expected, choices=None):
    fields = {} if choices is None else {"choices": choices}
    return run_verifier(CHOICE, Case(completion, expected, fields), complete_options(CHOICE, {}))


B = [
    "A. TGF-13\nB. MMP2\nC. Collagen\nD. Angiopoietin\nAnswer: B",
    "A. TGF-13\nB. MMP2\nC. Collagen\nD. Angiopoietin\n\nB",
    "The answer is B. Option A is a common mistake.",
    "The answer is B. Option A is wrong.",
    "The answer is B. Choice C might look right.",
    "The answer is A. Wait, no, B",
    "The answer is A. Wait, no, it's B.",
    "The answer is A. Actually wait, the answer is B.",
    "The answer is A. No, (B).",
    "A. Wait, no: B.",
    "The answer is B, not A.",
    "The answer is B (not A)",
    "I choose B",
    "I'd go with B.",
    "I would pick (B)",
    "I select option B.",
    "<answer>B</answer>",
    "<answer>(B)</answer>",
    "<answer> b </answer>",
    "答案：B",
    "答案是B",
    "正确答案是 B。",
    "选B",
    "选择 B",
    "(B)",
    "**B**",
    "B) MMP2",
    "B. MMP2",
    "B: MMP2",
    "B - MMP2",
    "MMP2",
    "mmp2.",
    "The correct option is B",
    "The correct answer is option B.",
    "Option B is correct.",
    "Option B",
    "option b",
    "B is correct",
    "B is the correct answer because A is wrong.",
    "The best answer is B",
    "Answer: **B**",
    "**Answer:** B",
    "**Answer: B**",
    "Final answer: (B)",
    "The answer is $\\boxed{B}$",
    "\\boxed{\\text{(B)}}",
    "\\boxed{B) MMP2}",
    "The answer is b.",
    "B\n\nExplanation: A is wrong because x.",
    "B. MMP2\n\nA is wrong because of x; (C) is not produced.",
    "Let me think.\nA is wrong.\n\nB",
    "Among the options, (A) is wrong, so (B).",
    "The answer is: B",
    "The answer is\n\nB",
    "The answer is B) MMP2",
    "So, the answer is MMP2.",
    "A is wrong, B is right.",
    "B is right",
    "Answer: B\nExplanation: Option C is often confused.",
    "Answer is B",
    "answer B",
    "My answer is B",
    "The answer must be (B)",
    "The answer to the question is B.",
    "The only option is B",
    "B!",
    "B?",
    "[B]",
    "$B$",
    "`B`",
    '"B"',
    "B.",
    "b",
    "b)",
    "(b)",
    "(b) MMP2",
    "Option A: TGF-13 is wrong.\nOption B: MMP2 is right.\nThe answer is Option B.",
    "Vitamin C is important, the answer is B.",
    "I was wrong about A. The answer is B.",
    "Correct answer: B",
    "Correct: B",
    "Ans: B",
    "Ans. B",
    "The answer is **(B) MMP2**",
    "B, because",
    "B since it is",
    "答案是B因为",
]
OTHERS = [
    ("The answer is B. I mean C.", "C"),
    ("D because it is so", "D"),
    ("The answer is Collagen, not MMP2", "C"),
    ("The answer is B? No, C.", "C"),
    ("The answer is C? Let me check. Collagen is made by fibroblasts. Yes, C.", "C"),
    ("Is the answer B? No. The answer is C", "C"),
    ("Eliminate A and B. The answer is C", "C"),
]
NONE = [
    "not B",
    "It is not B.",
    "The answer is not B",
    "The answer is not (B)",
    "not (B)",
    "B is incorrect.",
    "B is wrong",
    "(B) is not correct",
    "Not MMP2.",
    "It isn't MMP2",
    "MMP2 is wrong.",
    "It cannot be MMP2",
    "A and B",
    "A or B",
    "The answer is A or B",
    "The answer is A and B.",
    "The answer is either A or B",
    "The answer is B, C",
    "B, C",
    "both (A) and (B)",
    "(A), (B)",
    "The answer is (A) or possibly (B)",
    "A. TGF-13\nB. MMP2\nC. Collagen\nD. Angiopoietin",
    "A) TGF-13 B) MMP2 C) Collagen D) Angiopoietin",
    "(A) TGF-13 (B) MMP2 (C) Collagen (D) Angiopoietin",
    "A\nB\nC\nD",
    "A: x\nB: y",
    "The answer is A. Wait, that is wrong.",
    "The answer is A. On second thought, I am not sure.",
    "The answer is A. The answer is not A.",
    "\\boxed{A, B}",
    "the answer is b because x",
    "I think so",
    "A dog",
    "the answer is a dog",
    "I do not know",
    "",
    "As an AI, I cannot answer.",
    "A is a letter",
    "option B is wrong",
    "B is the only one that is not wrong.",
    "The answer is not MMP2.",
    "I don't think the answer is B.",
    "It would be wrong to say the answer is B",
    "The answer isn't B",
    "The answer could be A, but it is B.",
    "Neither A nor B",
    "None of the above",
    "All of the above",
    "The answer is E",
    "A vs B",
    "A/B",
    "{B}",
    "A: no. B: yes.",
    "The correct answer is A, B, and C",
    "The answer is A & B",
]


@pytest.mark.parametrize(("completion", "letter"), [*((said, "B") for said in B), *OTHERS])
def test_a_choice_that_is_named(completion, letter):
    assert judge(completion, letter, CHOICES).evidence == letter


@pytest.mark.parametrize("completion", NONE)
def test_denied_several_listed_or_taken_back_is_no_answer(completion):
    assert [judge(completion, letter, CHOICES).reason for letter in "ABCD"] == ["no answer"] * 4


ARC = {"text": ["3", "cat", "dog", "cow"], "label": ["1", "2", "3", "4"]}
MMLU = ["cat", "dog", "cow", "pig"]
NUMBERS = ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("completion", "expected", "choices", "passed"),
    [
        *(
            (said, gold, ARC, True)
            for said in ("2", "B", "The answer is 2", "(2)", "2. cat", "cat", "<answer>2</answer>", "I choose B")
            for gold in ("2", 2, "B", "cat")
        ),
        ("The answer is 2.5", "2", ARC, False), ("1 and 2", "2", ARC, False), ("2 is wrong", "2", ARC, False),
        ("C", "3", ARC, True), ("3", "3", ARC, False),  # 3 is a label, and the words of another choice
        ("B", 1, MMLU, True), ("B", "1", MMLU, True), ("dog", "1", MMLU, True), ("A", "0", MMLU, True), ("E", "4", MMLU, None),
        ("B", 1, NUMBERS, True), ("B", "1", NUMBERS, None), ("2", "B", NUMBERS, True), ("2 or 3", "B", NUMBERS, False),
        ("The answer is 2.5", "B", NUMBERS, False), ("It is not 2", "B", NUMBERS, False), ("B", "1", ["0", "1", "2"], True),
    ],
)  # fmt: skip
def test_labels_and_references_that_are_numbers(completion, expected, choices, passed):
    assert judge(completion, expected, choices).passed is passed


def test_letters_of_bbh_as_exact_reads_them(shared_data):
    rows = json.loads((shared_data / "bbh" / "codex_cot_outputs" / "date_understanding.json").read_text())["outputs"]
    exact = built_in()["exact"]
    for row in rows:
        case = Case(row["prediction"], row["target"])
        strict = run_verifier(exact, case, complete_options(exact, {"after": "the answer is"}))
        assert judge(row["prediction"], row["target"]).passed is strict.passed
