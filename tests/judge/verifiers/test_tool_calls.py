"""Tool calls against expected ones: BFCL's rules, in each spelling of a call."""

import json

import pytest
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier

TOOLS = [
    {
        "name": "geo.area",
        "parameters": {
            "type": "dict",
            "properties": {
                "base": {"type": "float"}, "n": {"type": "integer"}, "unit": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}},
                "box": {"type": "dict"}, "exact": {"type": "boolean"},
            },
            "required": ["base"],
        },
    }
]  # fmt: skip
EXPECTED = [{"geo.area": {"base": [10.0, 5.5], "n": [3, ""], "unit": ["sq. km", ""], "tags": [["a", "B c"], ""], "box": [{"w": [1, 2], "h": ["x", ""]}, ""], "exact": [True, ""]}}]  # fmt: skip


def judge(completion, expected=EXPECTED, tools=TOOLS, **options):
    verifier = built_in()["tool_calls"]
    text = completion if isinstance(completion, str) else json.dumps(completion)
    return run_verifier(verifier, Case(text, expected, {"tools": tools}), complete_options(verifier, options))


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("geo.area(base=10)", "correct"),
        ("[geo.area(base=5.5)]", "correct"),
        ("geo_area(base=10)", "correct"),
        ("```python\ngeo.area(base=10)\n```", "correct"),
        ("geo.area(base=2*5)", "correct"),
        ("geo.area(base=10, unit='SQ KM')", "correct"),
        ("geo.area(base=10, tags=['A', 'bc'])", "correct"),
        ("geo.area(base=10, tags=['bc', 'a'])", "wrong value"),
        ("geo.area(base=10, box={'w': 2})", "correct"),
        ("geo.area(base=10, box={'w': 2, 'h': 'X'})", "correct"),
        ("geo.area(base=10, box={'h': 'x'})", "wrong value"),
        ("geo.area(base=10, box={'w': 1, 'd': 1})", "wrong value"),
        ("geo.area(base=10, exact=True)", "correct"),
        ("geo.area(base=10, exact=1)", "wrong type"),
        ("geo.area(base=10, n=3)", "correct"),
        ("geo.area(base=10, n=3.0)", "wrong type"),
        ("geo.area(base=10, n='3')", "wrong type"),
        ("geo.area(base=10, n=4)", "wrong value"),
        ("geo.area(base='10')", "wrong type"),
        ("geo.area(n=3)", "missing argument"),
        ("geo.area(base=10, colour='red')", "unexpected argument"),
        ("geo.area(10)", "positional arguments"),
        ("geo.volume(base=10)", "wrong function"),
        ("geo.area(base=10), geo.area(base=10)", "wrong number of calls"),
        ("I would call geo.area with base 10.", "no answer"),
        ("[]", "no answer"),
        ("geo.area(base=", "no answer"),
        ("import os; os.system('true')", "no answer"),
    ],
)
def test_python_calls(completion, reason):
    assert judge(completion).reason == reason


CALL = {"name": "geo.area", "arguments": {"base": 10, "n": 3}}


@pytest.mark.parametrize(
    "completion",
    [
        CALL,
        [CALL],
        {"name": "geo.area", "parameters": {"base": 10}},
        {"name": "geo.area", "arguments": '{"base": 10}'},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {**CALL, "arguments": '{"base": 10}'}}]},
        [{"geo.area": {"base": 10}}],
        f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>",
        f"I will look it up.\n```json\n{json.dumps(CALL)}\n```",
        f"Sure: {json.dumps(CALL)}",
        f"[TOOL_CALLS] [{json.dumps(CALL)}]",
        "<|python_tag|>geo.area(base=10)",
    ],
)  # fmt: skip
def test_json_calls(completion):
    assert judge(completion).reason == "correct"


OTHER = json.dumps({"name": "mail.send", "arguments": {"to": "all"}})
BROKEN = '{"name": "mail.send", "arguments": {"to": '


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("Sure: {call} and then {other}", "wrong number of calls"),
        ("{call}\n{other}", "wrong number of calls"),
        ("```json\n{call}\n```\nand\n```json\n{other}\n```", "wrong number of calls"),
        ("```json\n{call}\n{other}\n```", "wrong number of calls"),
        ("```json\n{call}\n```\nand {other}", "wrong number of calls"),
        ("<tool_call>{call}</tool_call><tool_call>{other}", "wrong number of calls"),
        ("<tool_call>{call}\n{other}</tool_call>", "wrong number of calls"),
        ("Sure: {call} and then {broken}", "no answer"),
        ("```json\n{call}\n```\n```json\n{broken}\n```", "no answer"),
        ('Of {{"a": 1}} I make {call}.', "correct"),
    ],
)
def test_no_call_is_left_out(completion, reason):
    assert judge(completion.format(call=json.dumps(CALL), other=OTHER, broken=BROKEN)).reason == reason


RM = 'rm(path="/")'


@pytest.mark.parametrize(
    "completion",
    [
        "<tool_call>{call}</tool_call>\n{rm}", "<tool_call>{call}</tool_call> and {other}", "<tool_call>{call}</tool_call>\nrm('/')",
        "```json\n{call}\n``` {rm}", "{call} [{rm}]", "{call}\n{rm}", "{rm}\n<tool_call>{call}</tool_call>", "<tool_call>{call}\n{rm}</tool_call>",
        "```json\n{call}\n```\n```python\nx = {rm}\n```", "{call} <function=rm>", "{call}\nThen, {rm}.", "<tool_call>{call}</tool_call>[TOOL_CALLS] rm",
    ],
)  # fmt: skip
def test_a_call_outside_of_tags_and_fences_counts_too(completion):
    said = completion.replace("{call}", json.dumps(CALL)).replace("{other}", OTHER).replace("{rm}", RM)
    assert judge(said).passed is False


@pytest.mark.parametrize(
    "said",
    [
        "Of `geo.area(base=1)` I make this: {call}", "The area (base 10) follows.\n<tool_call>{call}</tool_call>\nThat is all.",
        "I look it up (n=3).\n```json\n{call}\n```", "{call}\n\nDone: base is 10 (a float).",
    ],
)  # fmt: skip
def test_words_around_a_call_are_no_call(said):
    assert judge(said.replace("{call}", json.dumps(CALL))).passed


@pytest.mark.parametrize(
    "said",
    [
        '{"name": "geo.area", "arguments": {"base": 3, "base": 10}}', '{"name": "rm", "arguments": {"base": 10}, "name": "geo.area"}',
        '{"name": "geo.area", "arguments": {"base": 10}, "parameters": {"base": 3}}',
        '{"name": "geo.area", "arguments": {"base": 3}, "arguments": {"base": 10}}',
        '{"tool_calls": [{"name": "geo.area", "arguments": {"base": 10}}], "name": "rm", "arguments": {}}',
        '{"function": {"name": "geo.area", "arguments": {"base": 10}}, "name": "rm", "arguments": {}}',
        '{"name": "geo.area", "arguments": "{\\"base\\": 3, \\"base\\": 10}"}', "geo.area(base=10, box={'w': 9, 'w': 1})",
    ],
)  # fmt: skip
def test_a_call_that_says_two_things_is_none(said):
    assert judge(said).passed is False
    assert judge(f"<tool_call>{said}</tool_call>").passed is False


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ('<tool_call>{"name": "f", "arguments": {"x": ', False), ("<tool_call>f</tool_call>", False), ('{"name": "f", "arguments": {"x"', False),
        ("<function=f>{}</function>", False), ("[TOOL_CALLS]f{}", False), ("Sure:\ngeo.area(base=1)", False), ("I run geo.area(base=1) now", False),
        ("Action: f\nAction Input: {}", False), ("<|python_tag|>f(x=1)", False), ("[geo.area(base=1), oops(]", False),
        ("The tool `geo.area(base)` needs a base.", True), ("Here is code:\n```python\nx = f(a=1)\nprint(x)\n```", True), ("", True),
        ("f(2) is 4, so there is no need of a tool.", True), ('Use {"name": "Ann", "age": 3} as data.', True), ("[]", True),
    ],
)  # fmt: skip
def test_a_broken_call_is_not_the_absence_of_one(said, passes):
    verdict = judge(said, [])
    assert verdict.passed is passes
    assert passes or verdict.reason in ("unreadable call", "unwanted call")


def test_plain_calls_and_texts_may_be_expected():
    assert judge("f(x=1, y=[1, 2])", [{"name": "f", "arguments": {"x": 1, "y": [1, 2]}}], None).passed
    assert judge("f(x=1)", json.dumps([{"f": {"x": [1]}}]), None).passed
    assert judge("f(x=1)", "f(x=1)", None).passed
    assert judge("f(x=1)", [{"name": "f", "arguments": {"x": 1, "y": 2}}], None).reason == "missing argument"
    assert judge("f(x=1.0)", [{"name": "f", "arguments": {"x": 1}}], None).reason == "wrong type"
    assert judge("f(x=1)", [{"name": "f", "arguments": {"x": 1.0}}], None).passed


def test_openais_definitions_give_types_too():
    tools = [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "number"}}}},
        }
    ]
    assert judge("f(x=1)", [{"f": {"x": [1.0]}}], tools).passed
    assert judge("f(x='1')", [{"f": {"x": [1.0]}}], tools).reason == "wrong type"


def test_parallel_calls_pass_in_any_order_and_any_assignment():
    expected = [{"f": {"x": [1, 2]}}, {"f": {"x": [1]}}]
    assert judge("[f(x=1), f(x=2)]", expected, None).passed
    assert judge("[f(x=2), f(x=1)]", expected, None).passed
    assert judge("[f(x=2), f(x=2)]", expected, None).passed is False


def test_no_call_may_be_what_is_expected():
    assert judge("I cannot do that with these tools.", [], None).passed
    assert judge("I cannot do that with these tools.", None, None, expect="none").passed
    assert judge("f(x=1)", None, None, expect="none").reason == "unwanted call"
    assert judge("f(x=1)", None, None).reason == "no expected"
    assert judge("f(x=1)", 7, None).reason == "bad reference"
    assert judge("f(x=1)", [{"f": {"x": [1]}}], [3]).reason == "bad tools"
