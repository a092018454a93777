import pytest
import yaml
from flywheel.config import Recipe, Source, load_recipe
from flywheel.errors import NotFoundError, RecipeError
from support import MINI


def write(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def test_a_misspelt_key_is_refused_with_its_line_and_the_nearest_valid_key(tmp_path):
    text = "name: x\nproblems: {source: p.jsonl}\nsolve:\n  draws: 4\n  temprature: 0.8\nsuites:\n  - {name: s, task: t, gate: g.jsonl}\n"
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text))
    assert caught.value.place.endswith("recipe.yaml:5: key solve.temprature")
    assert caught.value.cure == "did you mean 'temperature'?"


def test_a_misspelt_key_inside_a_list_is_found(tmp_path):
    text = "name: x\nproblems: {source: p.jsonl}\nsuites:\n  - name: s\n    task: t\n    gates: g.jsonl\n"
    with pytest.raises(RecipeError, match=r"did you mean 'gate'"):
        load_recipe(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "received"),
    [("name: [unclosed", "expected"), ("", "nothing"), ("- a list", "a list"), ("name: x\nname2: : y", "mapping")],
)
def test_what_is_no_recipe_is_refused(tmp_path, text, received):
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text))
    assert received in caught.value.received


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(NotFoundError, match="flywheel init"):
        load_recipe(tmp_path / "recipe.yaml")


def test_a_value_out_of_range_shows_what_was_given(tmp_path):
    recipe = {**MINI, "solve": {"draws": 0}}
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, yaml.safe_dump(recipe)))
    assert caught.value.expected == "1 or more"
    assert caught.value.received == "0"
    assert caught.value.cure == "set solve.draws to 1 or more"


def test_a_gate_on_an_unknown_suite_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="unknown suite 'nope'"):
        load_recipe(write(tmp_path, yaml.safe_dump({**MINI, "gate": {"suite": "nope"}})))


def test_identity_ignores_how_long_and_how_fast_but_nothing_else():
    base = Recipe.model_validate(MINI)
    longer = Recipe.model_validate({**MINI, "iterations": 9, "engine": {"batch_size": 64, "concurrency": 7}})
    other = Recipe.model_validate({**MINI, "seed": 4})
    assert base.identity() == longer.identity()
    assert base.identity() != other.identity()
    step = {"step": "notes", "generator": "backtranslate"}
    plain, kept = (
        Recipe.model_validate({**MINI, "generate": [s]}).identity() for s in (step, {**step, "keep": ["title"]})
    )
    assert "keep" not in plain["generate"][0] and plain != kept, "a key that came later is no part of runs without it"
    some = {**MINI, "pairs": {"kinds": [{"kind": "correct/incorrect", "chosen_passes": ["math"]}]}}
    assert base.identity()["pairs"]["kinds"] == [{"kind": "correct/incorrect", "judge": None, "margin": 0.2}]
    assert Recipe.model_validate(some).identity() != base.identity()


@pytest.mark.parametrize(
    ("name", "received"), [("quallity", "unknown judge 'quallity'"), ("better", "which compares two")]
)
def test_who_has_to_pass_the_chosen_side_must_be_there_and_judge_single_completions(tmp_path, name, received):
    judges = [
        {"name": "quality", "criteria": "c", "of": ["solve"]},
        {"name": "better", "kind": "pairwise", "of": ["solve"]},
    ]
    recipe = {**MINI, "judges": judges, "pairs": {"kinds": [{"kind": "correct/incorrect", "chosen_passes": [name]}]}}
    with pytest.raises(RecipeError, match=received) as caught:
        load_recipe(write(tmp_path, yaml.safe_dump(recipe)))
    assert caught.value.place.endswith("pairs.kinds.0.chosen_passes")
    assert "quality, math" in caught.value.expected


@pytest.mark.parametrize(
    ("pairs", "missed"),
    [
        ({"kinds": [{"kind": "safe/unsafe", "judge": "safe", "chosen_passes": ["quality"]}], "steps": ["a", "b"]}, "b"),
        ({"kinds": [{"kind": "higher/lower", "judge": "recorded", "chosen_passes": ["math"]}], "steps": ["a", "import"]}, "a"),
        ({"kinds": [{"kind": "correct/incorrect", "chosen_passes": ["quality"]}]}, "on-policy"),  # what a run pairs by itself
        ({"kinds": [{"kind": "safe/unsafe", "judge": "safe", "chosen_passes": ["quality"]}], "steps": ["a"]}, None),
        ({"kinds": [{"kind": "safe/unsafe", "judge": "few", "chosen_passes": ["quality"]}], "steps": ["a", "b"]}, None),  # of b it makes none
        ({"kinds": [{"kind": "correct/incorrect", "chosen_passes": ["math"]}]}, None),
        ({"kinds": [{"kind": "imported", "chosen_passes": ["quality"]}], "steps": ["b"]}, None),  # may have been judged before the run
    ],
)  # fmt: skip
def test_who_has_to_pass_the_chosen_side_must_judge_what_is_paired(tmp_path, pairs, missed):
    steps = [{"step": s, "generator": "solve", "source": "problems"} for s in ("a", "b")]
    of = {"safe": ["a", "b"], "quality": ["a"], "few": ["a"]}
    judges = [{"name": name, "criteria": "c", "of": steps} for name, steps in of.items()]
    file = write(tmp_path, yaml.safe_dump({**MINI, "generate": steps, "judges": judges, "pairs": pairs}))
    if missed is None:
        load_recipe(file)
        return
    with pytest.raises(RecipeError, match="no pair would be left") as caught:
        load_recipe(file)
    assert caught.value.place.endswith("pairs.kinds.0.chosen_passes")
    assert caught.value.expected == f"a judge of {missed}, whose samples are paired"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("a/b.jsonl", ("a/b.jsonl", False, None, None, 0, None)),
        ("b.jsonl[5:]", ("b.jsonl", False, None, None, 5, None)),
        ("b.jsonl[:7]", ("b.jsonl", False, None, None, 0, 7)),
        ("hub:openai/gsm8k/main/test[0:660]", ("openai/gsm8k", True, "main", "test", 0, 660)),
    ],
)
def test_sources(spec, expected):
    s = Source.parse(spec)
    assert (s.where, s.is_hub, s.config, s.split, s.start, s.stop) == expected


def test_a_hub_source_needs_all_its_parts():
    with pytest.raises(ValueError, match="owner/name/config/split"):
        Source.parse("hub:openai/gsm8k")


def with_engine(**engine):
    return Recipe.model_validate({**MINI, "engine": {"kind": "vllm", **engine}})


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ({"server_args": {"port": 8000}}, "a flag that flywheel does not set itself"),
        ({"server_args": {"served-model-name": "x"}}, "a flag that flywheel does not set itself"),
        ({"server_args": {"api_key": "hidden"}}, "no secret in a recipe"),
        ({"server_args": {"api-k": "hidden"}}, "no secret in a recipe"),
        ({"server_args": {"--dtype": "float16"}}, "without dashes"),
        ({"env": {"HF_TOKEN": "hidden"}}, "no secret in a recipe"),
    ],
)
def test_what_a_managed_server_may_not_be_given_is_refused_without_showing_its_value(tmp_path, engine, expected):
    recipe = {**MINI, "engine": {"kind": "vllm", **engine}}
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, yaml.safe_dump(recipe)))
    assert expected in caught.value.expected
    assert "hidden" not in str(caught.value)
    assert "key engine." in caught.value.place


@pytest.mark.parametrize("body", [{"model": "other"}, {"n": 3}, {"messages": []}, {"stream": True}])
def test_what_a_row_says_of_a_request_is_not_changed_behind_its_back(tmp_path, body):
    recipe = {**MINI, "engine": {"kind": "openai", "extra_body": {"top_k": 5, **body}}}
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, yaml.safe_dump(recipe)))
    assert "engine.extra_body" in caught.value.place and next(iter(body)) in caught.value.received


def test_of_a_managed_server_only_what_shapes_answers_is_in_the_identity():
    plain = with_engine().identity()
    how = {"python": "x", "startup_s": 5, "env": {"VLLM_CPU_KVCACHE_SPACE": 1}, "max_restarts": 0}
    assert with_engine(**how, server_args={"tensor-parallel-size": 2}).identity() == plain
    assert with_engine(server_args={"max_model_len": 512}).identity() != plain
    assert "server_args" not in Recipe.model_validate(MINI).identity()["engine"]
