"""Quotes, refusals, leaning questions, final answers, ROUGE-L."""

import pytest
from flywheel.gen._answers import final_answer, mentions_answer, same_answer
from flywheel.gen._text import choose_tag, is_refusal, leans_on_passage, locate_quote, nearest, rouge_l

TEXT = "The “Nile” is 6,650 km long.\nIt flows   through eleven coun-\ntries; −5 °C at night, 1.5 m deep. Efﬁcient naïve Straße."


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("is 6,650 km long", "is 6,650 km long"),
        ('the "Nile" is 6650 KM long', "The “Nile” is 6,650 km long"),
        ("flows through eleven countries", "flows   through eleven coun-\ntries"),
        ("  It flows  ", "It flows"),
        ("-5 °C at night", "−5 °C at night"),
        ("efficient NAIVE strasse", "Efﬁcient naïve Straße"),
        ("1.5 m deep...", "1.5 m deep"),
    ],
)
def test_quotes_are_found(quote, found):
    start, end = locate_quote(TEXT, quote)
    assert TEXT[start:end] == found


@pytest.mark.parametrize(
    "quote", ["", "…", "is 6,651 km long", "15 m deep", "5 °C at nights", "he Nile is", "through eleven coun tri"]
)
def test_what_does_not_stand_there_is_not_found(quote):
    assert locate_quote(TEXT, quote) is None


def test_a_sign_that_changes_a_number_counts():
    assert locate_quote("it was -5 degrees", "it was 5 degrees") is None
    assert locate_quote("a x = 1.5", "a x = 15") is None
    assert locate_quote("about 50 % of it", "about 50 of it") is None


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I can't.", "I cannot help with that", "As an AI, I", "The passage does not say.", "N/A", "Unknown.",
             "Unfortunately, I am unable to", "Not mentioned."],
)  # fmt: skip
def test_refusals(text):
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sorry is a word.",
        "None of them moved.",
        "Unknown to Ann, he left.",
        "I can see it.",
        "The textile does not say",
    ],
)
def test_no_refusals(text):
    assert not is_refusal(text)


@pytest.mark.parametrize(
    "question",
    ["What does the passage say?", "According to the text, why?", "What is described above?", "What is the main idea of this article?",
     "Which river is mentioned in the document?", "Why does the author think so?", "In the given example, what is x?"],
)  # fmt: skip
def test_questions_that_lean(question):
    assert leans_on_passage(question)


@pytest.mark.parametrize(
    "question",
    ["How long is the Nile?", "What does a text editor do?", "In HTTP, what does the context of a request hold?",
     "Who is the author of PEP 8?", "Which planes fly above the clouds?", "What is in the section 4 of the law?"],
)  # fmt: skip
def test_questions_that_stand_alone(question):
    assert not leans_on_passage(question)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Steps.\n#### 72", "72"), ("so the answer is $18.", "18"), ("Answer: **Paris**", "Paris"),
        (r"thus \boxed{\frac{1}{2}} holds", r"\frac{1}{2}"), ("#### 5\nno wait\n#### 7", "7"), ("no marks", None),
        ("**Answer:** 42", "42"), ("", None), (r"\boxed{unclosed", None),
    ],
)  # fmt: skip
def test_final_answers(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("found", "known"),
    [
        ("1,200", "1200"), ("$18", "18 dollars"), ("18 eggs", "18"), ("72!!!", "72"), ("0.5", "1/2"), ("−3", "-3"), ("The Nile", "nile"),
        ("yes, it is", "Yes"), ("18.0", "18"), ("x = 5", "#### 5"), ("the river Nile", "Nile"),
        ("It ends in the Mediterranean Sea north of Cairo", "It ends in the Mediterranean Sea, to the north of Cairo"),
    ],
)  # fmt: skip
def test_same_answers(found, known):
    assert same_answer(found, known)


@pytest.mark.parametrize(
    ("found", "known"),
    [("5", "6"), ("no", "yes"), ("", "x"), ("18", ""), ("3 of 4", "3"), ("Ann", "Anna"), ("not many", "a great many"),
     ("-3", "3"), ("It starts in a lake far to the south", "It ends in the Mediterranean Sea, to the north of Cairo")],
)  # fmt: skip
def test_different_answers(found, known):
    assert not same_answer(found, known)


def test_an_answer_in_sentences():
    assert mentions_answer("There are 2 farms with 12 eggs each, so 24 eggs.", "24")
    assert not mentions_answer("There are 2 farms with 12 eggs each.", "24")
    assert mentions_answer("The capital of France is Paris.", "Paris")


@pytest.mark.parametrize(
    ("left", "right", "score"),
    [("a b c d", "a c d e", 0.75), ("a b", "c d", 0.0), ("", "a", 0.0), ("x y z", "x y z", 1.0), ("a a a", "a", 0.5)],
)
def test_rouge_l(left, right, score):
    assert rouge_l(left.split(), right.split()) == pytest.approx(score)


def test_rouge_l_agrees_with_the_plain_algorithm():
    import random

    rng = random.Random(4)
    for _ in range(200):
        a, b = ([rng.choice("abcd") for _ in range(rng.randrange(1, 80))] for _ in range(2))
        table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
        assert rouge_l(a, b) == pytest.approx(2 * table[-1][-1] / (len(a) + len(b)))


def test_nearest_and_tags():
    assert nearest("How long is the Nile?", ["Where is it?", "How long is the river Nile?"]) > 0.9
    assert nearest("x", []) == 0.0
    assert choose_tag("plain") == "document"
    assert choose_tag("a </document> b", "</document-2>") == "document-3"
