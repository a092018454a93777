"""exact, f1, regex, json_schema, choice and label: what passes, what fails, what is an abstention."""

import json
import threading

import pytest
from flywheel.errors import RecipeError
from flywheel.judge import classify
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier
from flywheel.judge.verifiers import _json_schema as schema_module
from flywheel.judge.verifiers import _regex as regex_module
from flywheel.judge.verifiers._worker import Worker


def judge(name, completion, expected=None, fields=None, **options):
    verifier = built_in()[name]
    return run_verifier(verifier, Case(completion, expected, fields or {}), complete_options(verifier, options))


@pytest.mark.parametrize(
    ("completion", "expected", "options", "passed"),
    [
        ("Paris", "paris", {}, True),
        ("Paris", "paris", {"case": True}, False),
        ("Paris.", "Paris", {}, False),
        ("Paris.", "Paris", {"punctuation": False}, True),
        ("the Seine", "Seine", {}, False),
        ("the Seine", "Seine", {"articles": False}, True),
        ("The Seine", "Seine", {"articles": False, "case": True}, True),
        ("New  York", "New York", {}, True),
        ("New  York", "New York", {"whitespace": True}, False),
        ("Paris", ["London", "Paris"], {}, True),
        ("7", 7, {}, True),
        ("yes", True, {}, True),
        ("So the answer is (B). Or not", "(B)", {"after": "the answer is"}, True),
        ("the answer is 1.5.", "1.5", {"after": "the answer is"}, True),
        ("(B)", "(B)", {"after": "the answer is"}, False),
    ],
)
def test_exact(completion, expected, options, passed):
    assert judge("exact", completion, expected, **options).passed is passed


def test_exact_says_why():
    assert judge("exact", "(B)", "(B)", after="the answer is").reason == "no answer"
    assert judge("exact", "x", {"a": 1}).reason == "bad reference"
    assert judge("exact", "x", []).passed is None
    assert judge("exact", "", ["", "Paris"]).passed is False
    assert judge("exact", "!!!", "...", punctuation=False).passed is False
    assert judge("exact", "...", "...", punctuation=False).passed is True


@pytest.mark.parametrize(
    ("completion", "expected", "score"),
    [
        ("the cat sat", "cat sat", 1.0),
        ("a cat", "the dog", 0.0),
        ("black cat", "cat", 2 / 3),
        ("cat cat", "cat", 2 / 3),
        ("cat", ["dog", "cat"], 1.0),
        ("", "cat", 0.0),
        ("the", "a", 0.0),
        ("!!!", "???", 0.0),
        ("The", "the", 1.0),
        ("the", "cat", 0.0),
    ],
)
def test_f1_as_squads(completion, expected, score):
    assert judge("f1", completion, expected).score == pytest.approx(score)


def test_f1_has_a_threshold():
    assert judge("f1", "black cat", "cat", threshold=0.7).passed is False
    assert judge("f1", "black cat", "cat", threshold=0.6).passed is True


def test_regex():
    assert judge("regex", "call 555-1234", pattern=r"\d{3}-\d{4}").evidence == "555-1234"
    assert judge("regex", "call 555-1234", pattern=r"\d{3}-\d{4}", mode="fullmatch").passed is False
    assert judge("regex", "As an AI", pattern="as an ai", ignore_case=True, negate=True).passed is False
    assert judge("regex", "abc", r"b").passed is True
    assert judge("regex", "abc", "(").reason == "bad reference"
    assert judge("regex", "abc").reason == "no pattern"
    with pytest.raises(RecipeError, match="a regular expression"):
        judge("regex", "abc", pattern="(")


def test_a_pattern_that_takes_too_long_is_an_abstention(monkeypatch):
    monkeypatch.setattr(regex_module, "TIMEOUT_S", 1e-6)
    verdict = judge("regex", "ab" * 100_000, pattern=r"(a|b|ab)*c\1")
    assert (verdict.passed, verdict.reason) == (None, "timed out")


SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer"}},
    "required": ["age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("completion", "options", "reason"),
    [
        ('{"age": 3}', {}, "valid"),
        ('{"age": "3"}', {}, "not valid: type"),
        ("{}", {}, "not valid: required"),
        ('{"age": 3, "x": 1}', {}, "not valid: additionalProperties"),
        ('{"age": NaN}', {}, "not JSON"),
        ("", {}, "not JSON"),
        ('```json\n{"age": 3}\n```', {}, "valid"),
        ('```json\n{"age": 3}\n```', {"fenced": False}, "not JSON"),
        ('Here: {"age": 3}.', {}, "not JSON"),
        ('Here: {"age": 3}.', {"prose": True}, "valid"),
    ],
)
def test_json_schema(completion, options, reason):
    assert judge("json_schema", completion, schema=SCHEMA, **options).reason == reason


def test_a_schema_may_be_the_rows_own_and_openais():
    assert judge("json_schema", '{"age": 3}', fields={"schema": SCHEMA}).passed
    assert (
        judge("json_schema", "{}", fields={"schema": {"name": "x", "strict": True, "schema": SCHEMA}}).passed is False
    )
    assert judge("json_schema", "{}").reason == "no schema"
    assert judge("json_schema", "{}", fields={"schema": {"type": 3}}).reason == "bad schema"
    with pytest.raises(RecipeError, match="a JSON schema"):
        judge("json_schema", "{}", schema={"type": "objekt"})


def test_a_schema_fetches_nothing():
    verdict = judge("json_schema", "{}", schema={"$ref": "http://127.0.0.1:9/schema.json"})
    assert verdict.passed is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, json.dumps("a" * 60 + "!")),
        ({"patternProperties": {"^(a+)+$": True}}, json.dumps({"a" * 60 + "!": 1})),
        ({"additionalProperties": False, "patternProperties": {"^(a|a)*$": True}}, json.dumps({"a" * 60 + "!": 1})),
    ],
)
def test_a_schemas_pattern_that_takes_too_long_is_an_abstention_in_every_thread(monkeypatch, schema, value):
    worker = Worker("_schema", 0.5)
    monkeypatch.setattr(schema_module, "_schemas", worker)
    found = []
    thread = threading.Thread(target=lambda: found.append(judge("json_schema", value, schema=schema)))
    thread.start()
    thread.join(30)
    worker.close()
    assert (found[0].passed, found[0].reason) == (None, "timed out")


@pytest.mark.parametrize(
    ("schema", "completion", "reason"),
    [
        ({"pattern": "^a+$"}, '"aaa"', "valid"),
        ({"pattern": "^a+$"}, '"aab"', "not valid: pattern"),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, "3", "valid"),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, '"3"', "not valid: type"),
    ],
)
def test_schemas_with_patterns_and_references(schema, completion, reason):
    assert judge("json_schema", completion, schema=schema).reason == reason


CHOICES = ["TGF-13", "MMP2", "Collagen", "Angiopoietin"]


@pytest.mark.parametrize(
    "completion",
    [
        "C", "(C)", "c)", "**C**", "C. Collagen", "(C) Collagen", "Collagen", "The answer is C.", "the answer is (c)", "Answer: C",
        "I think MMP2 is no such thing. The correct answer is C", r"so \boxed{C}", r"\boxed{\text{C}}", "It is collagen.",
        "A is wrong, B is wrong. So the answer is (C).", "The answer is Collagen", "The answer is (A). No: the answer is (C).",
    ],
)  # fmt: skip
@pytest.mark.parametrize("expected", ["C", "(C)", "C. Collagen", 2, "collagen"])
def test_choice(completion, expected):
    assert judge("choice", completion, expected, {"choices": CHOICES}).reason == "correct"


@pytest.mark.parametrize(
    "completion", ["", "I do not know", "MMP2 or Collagen", "A dog", "(A) or (C)", "I think so", "the answer is a dog"]
)
def test_no_choice(completion):
    assert judge("choice", completion, "C", {"choices": CHOICES}).reason == "no answer"


def test_choices_come_in_several_shapes():
    arc = {"text": ["cat", "dog"], "label": ["1", "2"]}
    assert judge("choice", "dog", "dog", {"choices": arc}).passed
    assert judge("choice", "B", "B", {"choices": {"A": "x", "B": "y"}}).passed
    assert judge("choice", "the answer is (D)", "D").passed
    assert judge("choice", "C", "C", {"choices": ["a", "b"]}).reason == "bad reference"
    assert judge("choice", "C", "C", {"choices": 7}).reason == "bad choices"


@pytest.mark.parametrize(
    ("completion", "found"),
    [
        ("SUPPORTS", "SUPPORTS"),
        ("not_enough_info", "NOT ENOUGH INFO"),
        ("The claim is refuted by the page.", "REFUTES"),
        ("Verdict: supported", "SUPPORTS"),
        ("It first supports it.\nLabel: REFUTES", "REFUTES"),
        ('{"verdict": "REFUTES", "why": "it supports nothing"}', "REFUTES"),
        ("NEI", "NOT ENOUGH INFO"),
        ("There is not enough info to say.", "NOT ENOUGH INFO"),
        ("The claim is not supported.", None),
        ("SUPPORTS or REFUTES", None),
        ("", None),
    ],
)
def test_label(completion, found):
    verdict = judge("label", completion, "SUPPORTS", preset="fever")
    assert verdict.evidence == found
    assert verdict.reason == ("no answer" if found is None else "correct" if found == "SUPPORTS" else "wrong answer")


def test_labels_of_ones_own():
    own = {"labels": ["positive", "negative"], "aliases": {"good": "positive", "bad": "negative"}}
    assert judge("label", "That was good.", "positive", **own).passed
    assert judge("label", "Bad!", "negative", **own).passed
    assert judge("label", "good", "neutral", **own).reason == "bad reference"
    assert judge("label", "Positive", "positive").passed


def test_figures_of_a_classification():
    found = classify([("a", "a"), ("a", "b"), ("b", "b"), (None, "b"), ("c", "a")])
    assert (found.n, found.accuracy) == (5, 0.4)
    a, b, c = found.by_label()
    assert (a.precision, a.recall, a.f1, a.support) == (0.5, 0.5, 0.5, 2)
    assert (b.precision, b.recall, b.f1, b.support) == (1.0, pytest.approx(1 / 3), 0.5, 3)
    assert (c.f1, c.support) == (0.0, 0)
    assert found.macro_f1 == pytest.approx(1 / 3)
