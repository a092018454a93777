"""The tolerant parser: what it lets pass, what it refuses, and that nothing makes it slow."""

import json
import random
import time

import pytest
from flywheel.errors import RecipeError
from flywheel.gen import check_schema, parse_json

PAIR = {
    "type": "object",
    "properties": {"q": {"type": "string", "minLength": 1}, "a": {"type": "string"}},
    "required": ["q", "a"],
    "additionalProperties": False,
}
PAIRS = {
    "type": "object",
    "properties": {"pairs": {"type": "array", "items": PAIR, "minItems": 1}},
    "required": ["pairs"],
    "additionalProperties": False,
}
ONE = {"pairs": [{"q": "x", "a": "y"}]}
TWO = {"pairs": [{"q": "x", "a": "y"}, {"q": "z", "a": "w"}]}
ANY = {"type": ["object", "array"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"pairs": [{"q": "x", "a": "y"}]}', ONE),
        ('Sure! As in [1] and {x}:\n```json\n{"pairs": [{"q": "x", "a": "y"}]}\n```\nHope it helps {:', ONE),
        ('```\n{"pairs": [{"q": "x", "a": "y"}]}\n```', ONE),
        ('{"pairs": [{"q": "x", "a": "y",},],}', ONE),
        ("{'pairs': [{'q': 'x', 'a': 'y'}]}", ONE),
        ("{pairs: [{q: 'x', a: `y`}]}", ONE),
        ("{“pairs”: [{“q”: “x”, “a”: “y”}]}", ONE),
        ('{"pairs": [{"q": "x" "a": "y"}]', ONE),
        ('{"pairs": [{"q": "x", "a": "y"} {"q": "z", "a": "w"}]}', TWO),
        ('[{"q": "x", "a": "y"}]', ONE),
        ('{"q": "x", "a": "y"}', ONE),
        ('{"result": {"pairs": [{"q": "x", "a": "y"}]}}', ONE),
        ('{"q": "x", "a": "y"}\n{"q": "z", "a": "w"}', TWO),
        ('<think>{"pairs": [{"q": "draft", "a": ""}]}</think>{"pairs": [{"q": "x", "a": "y"}]}', ONE),
        ('{"pairs": [{"q": "draft", "a": ""}]} No: {"pairs": [{"q": "x", "a": "y"}]}', ONE),
        ('{"pairs": [ // the first\n {"q": "x", /* {"q": */ "a": "y"}]}', ONE),
        ('\ufeff{"pairs": ({"q": "x", "a": "y"},)}', ONE),
        ('{"pairs": [{"q": "x", "a": "y", "note": NaN}]}', ONE),
    ],
)
def test_what_models_write_is_read(text, value):
    parsed = parse_json(text, PAIRS)
    assert (parsed.value, parsed.complaint, parsed.lost) == (value, None, ())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "one\ntwo", }', {"a": "one\ntwo"}),
        ('{"a": "he said "no", and left", "b": 1,}', {"a": 'he said "no", and left', "b": 1}),
        ('{"the "a" of it": 1,}', {'the "a" of it': 1}),
        ("{'a': 'it's Ann's', 'b': True, 'c': None}", {"a": "it's Ann's", "b": True, "c": None}),
        ('{"a": [NaN, Infinity, -1.5e3, +2, .5]}', {"a": [None, None, -1500.0, 2, 0.5]}),
        (r'{"a": "\frac{1}{2} \times \d \u00e9 \ud83d\ude00 \\theta",}', {"a": r"\frac{1}{2} \times \d é 😀 \theta"}),
        (r'{"a": "\frac{1}{2}\neq 3\n\nnew line\table"}', {"a": "\\frac{1}{2}\\neq 3\n\nnew line\table"}),
        ('{"a": "{{name}} {% if %} [x", "b": "}"}', {"a": "{{name}} {% if %} [x", "b": "}"}),
        ('{"a": "日本「x」", "ключ": "ß"}', {"a": "日本「x」", "ключ": "ß"}),
        ('{"a": "\\ud83d lone",}', {"a": "\ufffd lone"}),
        ('{"a": "\\ud83d lone \\uDE00 \\ud83d\\ude00"}', {"a": "\ufffd lone \ufffd 😀"}),
    ],
)
def test_strings_and_numbers(text, value):
    assert parse_json(text, ANY).value == value


def test_a_cut_off_list_keeps_its_whole_elements_and_says_what_it_lost():
    whole = json.dumps(TWO)
    for end in range(whole.index('"z"'), len(whole) - 4):
        parsed = parse_json(whole[:end], PAIRS)
        assert parsed.value in (ONE, TWO), whole[:end]
        assert bool(parsed.lost) == (parsed.value == ONE), whole[:end]


def test_only_brackets_missing_is_no_loss():
    assert parse_json('{"pairs": [{"q": "x", "a": "y"}', PAIRS) == parse_json(json.dumps(ONE), PAIRS)


def test_an_unfit_element_is_left_out_and_told():
    parsed = parse_json('{"pairs": [{"q": "x", "a": "y"}, {"q": "z"}, {"q": "", "a": "w"}]}', PAIRS)
    assert parsed.value == ONE
    assert parsed.lost == ("pairs[1]: 'a' is missing", "pairs[2].q: expected text that is not empty, received ''")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no JSON value"),
        ("I'm sorry, I cannot do that.", "no JSON value"),
        ("[1] and {x}", "the value: expected object"),
        ('{"pairs": []}', "pairs: 0 elements, at least 1 wanted"),
        ('{"pairs": [{"q": "x"}]}', "pairs[0]: 'a' is missing"),
        ('{"pairs": [{"q": "x", "a": null}]}', "pairs[0].a: expected string"),
        ('{"pairs": "none"}', "pairs: expected array"),
        ('"text"', "expected object"),
    ],
)
def test_what_does_not_fit_is_explained(text, complaint):
    parsed = parse_json(text, PAIRS)
    assert parsed.value is None
    assert complaint in parsed.complaint


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ("42", {"type": "integer"}, 42), (42, {"type": "string"}, "42"), (3.0, {"type": "integer"}, 3),
        ("Yes", {"type": "boolean"}, True), ("null", {"type": ["integer", "null"]}, None),
        ("3.5", {"type": "number"}, 3.5), ("EASY.", {"type": "string", "enum": ["easy"]}, "easy"),
    ],
)  # fmt: skip
def test_values_are_converted_without_loss(value, schema, expected):
    wrapped = {"type": "object", "properties": {"v": schema}, "required": ["v"]}
    assert parse_json(json.dumps({"v": value}), wrapped).value == {"v": expected}


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (3.5, {"type": "integer"}), ("abc", {"type": "number"}), (True, {"type": "integer"}), ([], {"type": "string"}),
        ("mild", {"type": "string", "enum": ["easy"]}), (9, {"type": "integer", "maximum": 5}), (2, {"const": 1}),
        ("abc", {"type": "string", "pattern": "^x"}), ("x" * 9, {"type": "string", "maxLength": 5}), ("9" * 400, {"type": "integer"}),
    ],
)  # fmt: skip
def test_values_out_of_the_schema_are_refused(value, schema):
    wrapped = {"type": "object", "properties": {"v": schema}, "required": ["v"]}
    assert parse_json(json.dumps({"v": value}), wrapped).value is None


def test_a_schema_that_would_be_ignored_is_refused():
    with pytest.raises(RecipeError, match=r"schema.properties.a[\s\S]*uniqueItems"):
        check_schema({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}, "schema")
    check_schema(PAIRS, "schema")


def _any_value(rng, depth=0):
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice([0, -1, 12345678901234567890, 1.5, -2.5e-7])
    if kind < 5:
        alphabet = [
            '"',
            "'",
            "\\",
            "\n",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "a",
            "é",
            "“",
            "”",
            "😀",
            "/*",
            "//",
            "`",
            "\t",
            "#",
        ]
        return "".join(rng.choice(alphabet) for _ in range(rng.randrange(12)))
    if kind < 7:
        return [_any_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {f"k{i}": _any_value(rng, depth + 1) for i in range(rng.randrange(4))}


def test_plain_json_is_read_as_json_does():
    rng = random.Random(5)
    for _ in range(500):
        value = {"v": _any_value(rng)}
        text = json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 2]))
        if "\\b" in text or "\\t" in text or "\\r" in text or "\\n" in text or "\\f" in text:
            text = json.dumps(value)
        assert parse_json(f"Here:\n```json\n{text}\n```", ANY).value == value


def test_whatever_the_text_it_ends_in_a_value_or_a_complaint():
    rng = random.Random(6)
    for _ in range(2000):
        text = json.dumps({"pairs": [_any_value(rng), {"q": _any_value(rng), "a": "y"}]})
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(text) + 1)
            text = (
                text[:at] + rng.choice(["", '"', "'", "{", "]", ",", "\\", "\n", "x"]) + text[at + rng.randrange(3) :]
            )
        parsed = parse_json(text, PAIRS)
        assert (parsed.value is None) == (parsed.complaint is not None)
        assert parsed.complaint is not None or all(set(p) == {"q", "a"} for p in parsed.value["pairs"])


@pytest.mark.parametrize(
    "unit",
    ["{", "[", '"', '{"', "[{", '{"a":', '{"a":"', "\\", "/*", "[/* ", "//", "[1,", '",', '" ', "'", '"\\"', '"\n', '[" ', "-", "9",
     '{"a" : "b" "', '{"pairs":[{"q":"x","a":"y"},', '["\n  \n', "\\frac", "`", "“", "</think>", "[x]", " ", "(", "\t\n"],
)  # fmt: skip
@pytest.mark.parametrize("head", ["", "[", '{"'])
def test_time_is_linear(unit, head):
    """150 kB of anything within 1.5 s of CPU: quadratic time would be minutes."""
    text = head + unit * (150_000 // len(unit))
    start = time.process_time()
    parse_json(text, PAIRS)
    assert time.process_time() - start < 1.5


def test_a_megabyte_of_open_braces_does_not_hang():
    start = time.process_time()
    assert parse_json("{" * 1_000_000, PAIRS).value is None
    assert time.process_time() - start < 3
