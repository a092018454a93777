import json

import pytest
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier

SOURCES = {"1": "Nikolaj Coster-Waldau worked with the\nFox Broadcasting Company.", "doc-2": "He is “Danish”."}


def judge(completion, expected=None, sources=SOURCES, **options):
    verifier = built_in()["citations"]
    text = completion if isinstance(completion, str) else json.dumps(completion)
    return run_verifier(verifier, Case(text, expected, {"sources": sources}), complete_options(verifier, options))


def cite(*citations, **more):
    return {**more, "citations": [{"id": i, "quote": q} for i, q in citations]}


@pytest.mark.parametrize(
    ("completion", "reason", "score"),
    [
        ("He worked with Fox [1].", "correct", 1.0),
        ("He worked with Fox [1, doc-2].", "correct", 1.0),
        ("He worked with Fox [3].", "unknown source", 0.0),
        ("He worked with Fox [1] and [3].", "unknown source", 0.5),
        ("He worked with Fox.", "no citation", 0.0),
        ('It says "worked with the Fox Broadcasting Company" [1].', "correct", 1.0),
        ('It says "never worked" [1].', "quote not in source", 0.0),
        ("See [the page](https://example.org).", "no citation", 0.0),
        (cite((1, "worked with the Fox")), "correct", 1.0),
        (cite(("doc-2", 'He is "Danish".')), "correct", 1.0),
        (cite(("doc-2", "he is Danish")), "quote not in source", 0.0),
        (cite((1, " ")), "empty quote", 0.0),
        (cite((1, "worked"), (9, "worked")), "unknown source", 0.5),
        (cite(), "no citation", 0.0),
        ("It says 'never worked' [1].", "quote not in source", 0.0),
        ("It says ‘never worked’ [1].", "quote not in source", 0.0),
        ("It says 'worked with the Fox Broadcasting Company' [1].", "correct", 1.0),
        ("The company's dogs' names [1].", "correct", 1.0),
        ('He is "French" by birth [1].', "quote not in source", 0.0),
        ('He is "Danish" by birth [doc-2].', "correct", 1.0),
        ('They said "No." Later he worked with Fox [1].', "correct", 1.0),
        ('It says "art" [1].', "quote not in source", 0.0),
        ('It says "ox" [1].', "quote not in source", 0.0),
        ('"worked with" and "Danish" [1, doc-2].', "correct", 1.0),
        ('"worked with" and "Danish" [1][doc-2].', "correct", 1.0),
        ('"worked with" [1] and "Danish" [1].', "quote not in source", 0.5),
        ({"citations": [{"id": 1, "span": "never worked"}]}, "quote not in source", 0.0),
        ({"citations": [{"id": 1, "span": {"start": 1, "text": "never"}}]}, "quote not in source", 0.0),
        ({"citations": [{"id": 1, "quote": "worked", "excerpt": "never"}]}, "quote not in source", 0.0),
        ({"citations": [{"id": 1, "quote": ["worked", "Fox"]}]}, "correct", 1.0),
        ({"citations": [{"id": 1, "span": [0, 7]}]}, "correct", 1.0),
    ],
)
def test_citations(completion, reason, score):
    verdict = judge(completion)
    assert (verdict.reason, verdict.score) == (reason, score)


MADE_UP = [
    'According to [1], "{q}".', '[1] says: "{q}."', "As [1] puts it, “{q}”", '[1] "{q}"', 'Fox hired him [1]. "{q}"', '[1] clearly states that "{q}" is so.',
    "「{q}」[1]", "『{q}』[1]", "»{q}« [1]", "‹{q}› [1]", "›{q}‹ [1]", "`{q}` [1]", "＂{q}＂ [1]", "″{q}″ [1]", "&quot;{q}&quot; [1]", "‚{q}‘ [1]", "``{q}'' [1]",
    "„{q}“ [1]", "”{q}” [1]", "> {q}\n\n[1]", "> {q} [1]", "> {q}\n— [1]", "> {q}\nSource: [1]", "As [1] says:\n\n> {q}\n", 'x [1] says "{q}", and x [doc-2].',
]  # fmt: skip


@pytest.mark.parametrize("form", MADE_UP)
def test_a_quotation_is_checked_in_every_style_and_place(form):
    assert judge(form.replace("{q}", "he was never seen there")).reason == "quote not in source"
    assert judge(form.replace("{q}", "worked with the Fox Broadcasting Company")).reason == "correct"


@pytest.mark.parametrize(
    "said",
    [
        'Fox hired him [1] and the other calls him "Danish" by birth [doc-2].', '[1] says "worked with the Fox", [doc-2] says "Danish".',
        'See [1].\n\n> He is "Danish".\n\n[doc-2]', "It runs `x` on him [1].", "He was hired [1], 5'9\" tall [doc-2].",
    ],
)  # fmt: skip
def test_a_quotation_belongs_to_one_mark(said):
    assert judge(said).reason == "correct"


@pytest.mark.parametrize(
    "key", ["cited_text", "quoted_text", "content", "evidence", "quotation", "extract", "supportingText", "verbatim"]
)
def test_every_key_of_json_that_quotes_is_checked(key):
    assert judge({"citations": [{"id": 1, key: "never seen there"}]}).reason == "quote not in source"
    assert judge(
        {"citations": [{"id": 1, key: "worked with the Fox", "content_type": "text/plain", "title": "T"}]}
    ).passed


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("He was hired [7].", "unknown source"), ('It says "never seen there" [1].', "quote not in source"), ("It is so [1].", "correct"),
        ('It says "he was never seen there".', "quote not in source"), ('He is the "Dane" [sic] of Fox.', "correct"),
        ('It says "worked with the Fox Broadcasting".', "correct"),
    ],
)  # fmt: skip
def test_the_answer_in_json_is_checked_too(answer, reason):
    cited = {"citations": [{"id": 1, "quote": "worked with"}]}
    assert judge({"answer": answer, **cited}).reason == reason
    assert judge(f"{json.dumps(cited)}\n{answer}").reason == reason


@pytest.mark.parametrize(
    ("said", "label", "reason"),
    [
        ("The source [1] supports it. Label: REFUTES", "SUPPORTS", "wrong label"), ("SUPPORTS or REFUTES [1]", "SUPPORTS", "wrong label"),
        ("SUPPORTS [1]", "SUPPORTS", "correct"), ("It supports the claim [1].", "SUPPORTS", "correct"), ("yes or no [1]", "yes", "wrong label"),
        ("GOOD [1]", "GOOD", "correct"), ("See [1].\nLabel: GOOD", "GOOD", "correct"), ("GOOD, see [1].\nLabel: BAD", "GOOD", "wrong label"),
        ("GOOD or BAD [1]", "GOOD", "labels unknown"), ("BAD [1]", "GOOD", "wrong label"),
    ],
)  # fmt: skip
def test_without_a_list_of_labels_the_known_sets_are_tried(said, label, reason):
    assert judge(said, label).reason == reason


def test_signs_alone_quote_nothing():
    assert judge('"." [1]').reason == "empty quote"


def test_what_is_quoted_from_the_question_need_not_stand_in_the_source():
    verifier = built_in()["citations"]
    fields = {"sources": SOURCES, "claim": "He never worked with Fox."}
    case = Case('The claim "He never worked with Fox" is wrong [1].', None, fields)
    assert run_verifier(verifier, case, complete_options(verifier, {})).passed
    said = 'The claim "He never worked with Fox" is wrong [1].'
    assert judge(said).passed is False
    own = Case(said, None, {"sources": SOURCES, "completion": said, "output": said})
    assert run_verifier(verifier, own, complete_options(verifier, {})).passed is False


def test_how_a_quote_may_differ_is_a_choice():
    assert judge(cite((1, "WORKED WITH THE FOX"))).passed is False
    assert judge(cite((1, "WORKED WITH THE FOX")), ignore=["whitespace", "case"]).passed
    assert judge(cite((1, "worked with the Fox")), ignore=[]).reason == "quote not in source"


def test_what_is_demanded_is_a_choice():
    assert judge("Fox [1].", required=2).reason == "too few citations"
    assert judge("Fox.", required=0).passed
    assert judge("Fox [1].", quotes=True).reason == "no quote"
    assert judge("Fox [1].", form="json").reason == "no citation"


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("SUPPORTS, see [1]", "correct"),
        ("REFUTES, see [1]", "wrong label"),
        (cite((1, "Fox"), label="supported"), "correct"),
        (cite((1, "Fox"), label="REFUTES"), "wrong label"),
        (cite((1, "Fox")), "wrong label"),
    ],
)
def test_the_verdict_label_has_to_be_right_where_it_is_known(completion, reason):
    assert judge(completion, "SUPPORTS", preset="fever").reason == reason


def test_sources_come_in_several_shapes():
    assert judge("x [2]", sources=["a", "b"]).passed
    assert judge("x [b]", sources=[{"id": "b", "text": "t"}]).passed
    assert judge("x [1]", sources=None).reason == "no sources"
    assert judge("x [1]", sources=[1, 2]).reason == "bad sources"
    assert judge("x [1]", "MAYBE", preset="fever").reason == "bad reference"


def test_a_reference_that_needs_no_citation_and_fevers_own_evidence():
    sources = [["Soul_Food", 1, "It was released by Fox 2000."], ["Fox", 0, "A studio."]]
    options = {"preset": "fever", "uncited": ["NOT ENOUGH INFO"]}
    said = {
        ("SUPPORTS [1]", "SUPPORTS"): (True, "correct"), ("SUPPORTS", "SUPPORTS"): (False, "no citation"),
        ("NOT ENOUGH INFO", "NOT ENOUGH INFO"): (True, "correct"), ("NOT ENOUGH INFO", "REFUTES"): (False, "no citation"),
        ("SUPPORTS [3]", "SUPPORTS"): (False, "unknown source"), ("REFUTES [1]", "SUPPORTS"): (False, "wrong label"),
    }  # fmt: skip
    for (text, gold), wanted in said.items():
        found = judge(text, gold, sources, **options)
        assert (found.passed, found.reason) == wanted, (text, gold)


STRICT = {
    "form": "json",
    "preset": "fever",
    "uncited": ["NOT ENOUGH INFO"],
    "quotes": True,
    "quote_words": 3,
    "surplus": False,
}
FOUR = ["Anna has six apples.", "Tom has two pens.", "Anna sold none.", "Yes."]


@pytest.mark.parametrize(
    ("gold", "cited", "reason"),
    [
        ("SUPPORTS", [(1, "has six apples")], "correct"),
        ("SUPPORTS", [(1, "Anna has six apples."), (3, "Anna sold none.")], "correct"),
        ("SUPPORTS", [(1, "has six apples"), (2, "Tom has two")], "surplus citation"),
        ("SUPPORTS", [(i + 1, text) for i, text in enumerate(FOUR)], "surplus citation"),
        ("SUPPORTS", [(2, "Tom has two pens")], "surplus citation"),
        ("SUPPORTS", [(3, "Anna sold none")], "evidence incomplete"),
        ("SUPPORTS", [(1, "a")], "quote not in source"),
        ("SUPPORTS", [(1, "has")], "quote too short"),
        ("SUPPORTS", [(1, None)], "no quote"),
        ("SUPPORTS", [], "no citation"),
        ("NOT ENOUGH INFO", [], "correct"),
        ("NOT ENOUGH INFO", [(1, "Anna has six apples")], "surplus citation"),
        ("REFUTES", [(1, "Anna has six apples")], "correct"),
    ],
)
def test_citing_everything_and_quoting_a_letter_do_not_pass(gold, cited, reason):
    """The row's own evidence_sets say what decides; a quote has so many words, or all of a shorter source."""
    verifier = built_in()["citations"]
    fields = {"sources": FOUR, "evidence_sets": [[1], [1, 3]]}
    said = {"verdict": gold, "citations": [{"id": str(i), **({"quote": q} if q else {})} for i, q in cited]}
    found = run_verifier(verifier, Case(json.dumps(said), gold, fields), complete_options(verifier, STRICT))
    assert found.reason == reason


def test_a_short_source_is_quoted_whole_and_scripts_without_spaces_count_letters():
    assert judge(cite((1, "Yes")), sources=["Yes.", "No."], quote_words=4).passed
    assert judge(cite((1, "他有六个")), sources=["他有六个苹果和两支笔。"], quote_words=4).passed
    assert judge(cite((1, "他有")), sources=["他有六个苹果和两支笔。"], quote_words=4).reason == "quote too short"
    assert judge(cite((1, "is"), (1, "he")), sources=["he is what he is"], quote_words=2).reason == "quote too short"


def test_bad_sets_of_a_row_are_no_verdict():
    verifier = built_in()["citations"]
    case = Case("x [1]", None, {"sources": ["a"], "evidence_sets": "1"})
    assert run_verifier(verifier, case, complete_options(verifier, {})).reason == "bad evidence_sets"
