"""No verifier raises, hangs or forgets its reason, whatever the completion and the reference are."""

import random
import time

import pytest
from flywheel.judge import Verdict
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier

PIECES = [
    "", " ", "\n", "7", "-1,234.5", "####", "\\boxed{", "}", "{", "[", "]", "(", ")", '"', "'", "```json\n", "```", "A:",
    "the answer is", "SUPPORTS", "not", "[1]", "“quote”", "f(x=1)", "f(", "<tool_call>", "</tool_call>", "null", "NaN", "1e999",
    "\\frac{1}{0}", "^", "9**9**9", "!", "%", "½", "٣", "²", "\x00", "\ud800", "\u2028", "🙂", "()B.", "_", "$", "lambda: 0",
    '{"name": "f", "arguments": {}}', '{"citations": [{"id": 1}]}', '"label": 3',
]  # fmt: skip
OPTIONS = {
    "grader": {
        "spec": {
            "type": "multi", "calculate_output": "a / b",
            "graders": {
                "a": {"type": "text_similarity", "input": "{{sample.output_text}}", "reference": "{{item.x}}", "evaluation_metric": "fuzzy_match"},
                "b": {"type": "string_check", "input": "{{sample.output_json.y[0]}}", "reference": "7", "operation": "like"},
            },
        }
    },
    "json_schema": {"schema": {"type": "object"}, "prose": True},
    "label": {"preset": "fever"},
    "sections": {"headings": ["A", "label", "not"], "others": {"A": ["f"]}},
}  # fmt: skip


def random_text(rng):
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(12)))


def random_json(rng, depth=0):
    kinds = ["text", "number", "none", "bool"] + (["list", "dict"] if depth < 3 else [])
    match rng.choice(kinds):
        case "text":
            return random_text(rng)
        case "number":
            return rng.choice([0, -1, 7, 1.5, 10**400, 1e308, float("inf")])
        case "none":
            return None
        case "bool":
            return rng.random() < 0.5
        case "list":
            return [random_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {
        rng.choice(["name", "arguments", "f", "text", "id", "label", "x"]): random_json(rng, depth + 1)
        for _ in range(3)
    }


@pytest.mark.parametrize("name", sorted(built_in()))
def test_random_texts_and_references(name):
    verifier, rng = built_in()[name], random.Random(name)
    options = complete_options(verifier, OPTIONS.get(name, {}))
    for _ in range(150):
        fields = {key: random_json(rng) for key in ("sources", "choices", "tools", "schema", "x")}
        case = Case(random_text(rng), random_json(rng), fields, rng.choice([None, "stop", "length"]))
        verdict = run_verifier(verifier, case, options)
        assert isinstance(verdict, Verdict)
        assert verdict.reason
        assert not verdict.reason.startswith("verifier failed"), (case, verdict)
        assert verdict == run_verifier(verifier, case, options)


LONG = {
    "nested": "[" * 50_000, "braces": "{" * 50_000, "newlines": "\n" * 50_000 + "x", "spaces": "A: x" + " " * 50_000 + "y",
    "answers": "the answer is " * 5_000, "boxes": "\\boxed{" * 5_000, "marks": "[1]" * 10_000, "calls": "f(" * 20_000,
    "minus": "-" * 50_000 + "1", "digits": "#### " + "1" * 50_000, "quotes": '"' * 20_000 + "[1]", "fences": "```\n" * 10_000,
    "many marks": "“a text” " + "".join(f"[{i}]" for i in range(10_000)), "single quotes": "'a " * 10_000 + "b' [1]",
    "code lines": "def f():\n    x = (\n" * 2_000, "code words": "import a\nso be it\n" * 2_000, "values": '{"a": 1} ' * 5_000,
    "answer words": "answer: " * 5_000, "labels": "not supports " * 4_000,
}  # fmt: skip


@pytest.mark.parametrize("kind", LONG)
def test_long_texts_take_no_time(kind):
    fields = {"sources": ["a text"], "choices": ["a", "b"], "x": "y"}
    for name, verifier in built_in().items():
        options = complete_options(verifier, OPTIONS.get(name, {}))
        expected = {"tool_calls": [{"f": {"x": [1]}}], "label": "SUPPORTS", "choice": "A"}.get(name, "7")
        begun = time.monotonic()
        verdict = run_verifier(verifier, Case(LONG[kind], expected, fields), options)
        assert time.monotonic() - begun < 4, (name, kind)
        assert not verdict.reason.startswith("verifier failed"), (name, kind, verdict)
