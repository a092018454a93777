"""Graders of OpenAI's reinforcement fine-tuning format."""

import json

import pytest
from flywheel.errors import RecipeError, SandboxError
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier
from flywheel.judge.verifiers._grader import grade, render_messages
from flywheel.judge.verifiers._grader_spec import parse_grader
from rouge_score import rouge_scorer

ITEM = {"answer": "Cat", "nested": {"list": ["x", {"y": 7}]}}


def check(operation="eq", text="{{sample.output_text}}", reference="{{item.answer}}"):
    return {"type": "string_check", "name": "c", "input": text, "reference": reference, "operation": operation}


def similar(metric="fuzzy_match", reference="{{ item.answer }}"):
    return {
        "type": "text_similarity",
        "input": "{{sample.output_text}}",
        "reference": reference,
        "evaluation_metric": metric,
    }


def judge(completion, spec, fields=ITEM, **options):
    verifier = built_in()["grader"]
    return run_verifier(verifier, Case(completion, None, fields), complete_options(verifier, {"spec": spec, **options}))


@pytest.mark.parametrize(
    ("operation", "completion", "passed"),
    [
        ("eq", "Cat", True), ("eq", "cat", False), ("ne", "cat", True), ("ne", "Cat", False), ("like", "a Cat sat", True),
        ("like", "a cat sat", False), ("ilike", "a cAT sat", True), ("ilike", "a dog", False),
    ],
)  # fmt: skip
def test_string_check(operation, completion, passed):
    assert judge(completion, check(operation)).passed is passed


def test_templates_reach_into_rows_and_json():
    assert judge('{"a": {"b": ["u", "v"]}}', check(text="{{sample.output_json.a.b[1]}}", reference="v")).passed
    assert judge("7", check(reference="{{item.nested.list[1].y}}")).passed
    assert judge("{{item.answer}}", check()).passed is False
    assert judge("no JSON", check(text="{{sample.output_json.a}}")).reason == "completion without output_json.a"
    assert judge("x", check(), fields={"other": 1}).reason == "no item.answer"


@pytest.mark.parametrize("metric", ["fuzzy_match", "bleu", "gleu", "meteor", *(f"rouge_{k}" for k in "12345l")])
def test_text_similarity(metric):
    reference = "the quick brown fox jumps over the lazy dog again"
    score = lambda text: judge(text, similar(metric, reference), threshold=0.0).score  # noqa: E731
    assert score(reference) == pytest.approx(1.0, abs=0.01)
    assert 0 < score("the quick brown fox jumps over a sleeping dog") < 0.95
    assert score("zzz") < 0.15
    assert score("") < 0.01


def test_known_values_of_similarities():
    assert judge("abcd", similar(reference="abce"), threshold=0.0).score == pytest.approx(0.75)
    assert judge("a b x d", similar("rouge_2", "a b c d"), threshold=0.0).score == pytest.approx(1 / 3)
    assert judge("a b x d", similar("rouge_l", "a b c d"), threshold=0.0).score == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("metric", "text", "reference", "score"),
    [
        ("rouge_1", "我喜欢吃苹果", "我喜欢吃香蕉", 4 / 6),
        ("rouge_l", "我喜欢吃苹果", "我喜欢吃苹果", 1.0),
        ("rouge_2", "猫が好き", "犬が好き", 2 / 3),
        ("rouge_1", "кошка сидит дома", "Кошка лежит дома.", 2 / 3),
        ("rouge_1", "القط في البيت", "القط في الحديقة", 2 / 3),
        ("rouge_1", "고양이 집", "고양이 밖", 0.5),
        ("rouge_1", "le café noir", "LE CAFÉ vert", 2 / 3),
        ("rouge_1", "我喜欢", "他讨厌", 0.0),
        ("gleu", "我喜欢吃苹果", "我喜欢吃苹果", 1.0),
        ("bleu", "我喜欢吃苹果", "我喜欢吃苹果", 1.0),
    ],
)
def test_similarities_of_texts_in_other_scripts(metric, text, reference, score):
    assert judge(text, similar(metric, reference), threshold=0.0).score == pytest.approx(score)


@pytest.mark.parametrize("metric", ["bleu", "gleu", "meteor"])
def test_chinese_texts_that_share_words_are_somewhat_alike(metric):
    assert 0.2 < judge("我喜欢吃苹果", similar(metric, "我喜欢吃香蕉"), threshold=0.0).score < 0.9


def test_of_ascii_texts_rouge_is_rouge_scores_own():
    text, reference = "It's 3.5 half_way: A-B (c) IBM's 2nd", "its 35 half way a b C ibm 2ND"
    own = rouge_scorer.RougeScorer(["rouge1"]).score(reference, text)["rouge1"].fmeasure
    assert judge(text, similar("rouge_1", reference), threshold=0.0).score == own


MULTI = {
    "type": "multi", "pass_threshold": 0.65, "calculate_output": "0.5 * near + 0.5 * same",
    "graders": {"near": similar(), "same": check(text="{{sample.output_json.kind}}", reference="x")},
}  # fmt: skip


def test_multi_works_out_a_formula():
    verdict = judge("Cat", MULTI)  # no JSON: the second grader gives 0
    assert (verdict.passed, verdict.score) == (False, 0.5)
    half = {**MULTI, "calculate_output": "min(near, 1) * max(2, same) ^ 2 - 3.5"}
    assert judge("Cat", half).score == 0.5
    assert judge("Cat", {**MULTI, "calculate_output": "near / same"}).reason == "formula without a value"
    assert judge("Cat", {**MULTI, "calculate_output": "9^9^9^9 + near"}).reason == "formula without a value"


def test_what_a_completion_lacks_gains_it_nothing():
    inverted = {**MULTI, "calculate_output": "1 - same"}
    assert judge("Cat", inverted).score == 0.0
    assert judge('{"kind": "y"}', inverted).score == 1.0


@pytest.mark.parametrize(
    "spec",
    [check("eq"), check("like"), check("ilike"), check("ne"), *map(similar, ["fuzzy_match", "bleu", "gleu", "meteor", "rouge_l"])],
)  # fmt: skip
@pytest.mark.parametrize("answer", ["", " ", None])
def test_an_empty_reference_is_an_abstention(spec, answer):
    for completion in ("", "anything"):
        verdict = judge(completion, spec, {"answer": answer})
        assert (verdict.passed, verdict.reason) == (None, "empty reference")


def test_an_empty_completion_is_no_part_of_every_answer():
    assert judge("", check("like", "{{item.answer}}", "{{sample.output_text}}")).passed is False


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({**check(), "operation": "equals"}, "'eq', 'ne', 'like' or 'ilike'"),
        ({**check(), "inputs": "x"}, "inputs"),
        ({"type": "label_model"}, "label_model"),
        ("x", "spec"),
        (check(text="{{answer}}"), "{{item.COLUMN}}"),
        (check(text="{{sample.answer}}"), "{{sample.output_text}}"),
        ({**MULTI, "calculate_output": "near + other"}, "no grader 'other'"),
        ({**MULTI, "calculate_output": "__import__('os').system('true')"}, "a call of something else"),
        ({**MULTI, "calculate_output": "near.__class__"}, "Attribute"),
        (similar("cosine"), "embeddings"),
        ({"type": "score_model", "model": "m", "input": [{"role": "user", "content": "x"}]}, "which asks a model"),
    ],
)
def test_wrong_graders_are_refused_before_anything_runs(spec, words):
    with pytest.raises(RecipeError) as caught:
        judge("Cat", spec)
    assert words in str(caught.value)


def test_a_score_model_is_rendered_here_and_run_by_a_judge():
    spec = {
        "type": "score_model",
        "model": "m",
        "input": [{"role": "user", "content": "Rate {{sample.output_text}} by {{item.answer}}"}],
    }
    case = Case("a {{item.answer}}", None, ITEM)
    parsed = parse_grader({**MULTI, "graders": {"near": similar(), "same": spec}}, "spec")
    assert render_messages(parsed.graders["same"], case) == [
        {"role": "user", "content": "Rate a {{item.answer}} by Cat"}
    ]
    assert grade(parsed, Case("Cat", None, ITEM), scores={"same": 0.5}) == 0.75


PYTHON = {
    "type": "python",
    "source": "def grade(sample, item):\n    return float(sample['output_text'] == item['answer'])",
}


def test_a_python_grader_runs_in_the_sandbox():
    assert judge("Cat", PYTHON).score == 1.0
    assert judge("Dog", PYTHON).score == 0.0
    broken = judge("Cat", {**PYTHON, "source": "def grade(sample, item):\n    return item['nothing']"})
    assert (broken.passed, broken.reason) == (None, "program without a score")
    assert "nothing" in broken.evidence


def test_where_programs_cannot_be_isolated_no_row_is_judged(monkeypatch):
    def refuse(isolation):
        raise SandboxError("running untrusted programs", expected="a wall", received="none", cure="another machine")

    monkeypatch.setattr("flywheel.judge.sandbox._run.choose", refuse)
    code = built_in()["code"]
    case = Case("```python\nx = 1\n```", None, {"test_list": ["assert x == 1"]})
    with pytest.raises(SandboxError):
        run_verifier(code, case, complete_options(code, {}, "options"))


def test_the_graders_of_a_real_project(shared_data):
    folder = shared_data / "ms_foundry_ft" / "Reinforcement_Fine_Tuning" / "ClauseMatching"
    spec = json.loads((folder / "multi_grader.json").read_text())
    rows = [json.loads(line) for line in (folder / "clause_matching_validation.jsonl").read_text().splitlines()]
    for row in rows:
        right = json.dumps({k: row[k] for k in ("extracted_text", "clause_type")})
        assert judge(right, spec, row).score == pytest.approx(1.0)
        wrong = json.dumps({"extracted_text": row["extracted_text"], "clause_type": "Other"})
        assert (judge(wrong, spec, row).score, judge(wrong, spec, row).passed) == (pytest.approx(0.5), False)
        assert judge("I cannot", spec, row).score == 0.0
    assert parse_grader(json.loads((folder / "model_grader.json").read_text()), "spec").type == "score_model"
