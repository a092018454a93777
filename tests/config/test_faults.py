"""Faults of a recipe, each in our own words: the place, what was expected, what came, what to write instead."""

import pytest
import yaml
from flywheel.config import load_recipe
from flywheel.errors import InputError, NotFoundError, RecipeError
from support import MINI

SUITE = MINI["suites"][0]
PYDANTIC = ("Input should", "Value error", "String should", "pattern", "valid dictionary", "Tuple")


def refuse(tmp_path, text, flags=None):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, flags)
    error = caught.value
    assert error.place and error.expected and error.received and error.cure
    assert not any(word in str(error) for word in PYDANTIC), error
    return error


@pytest.mark.parametrize(
    ("changes", "key", "expected", "received", "cure"),
    [
        ({"seed": 10**23}, "seed", "9223372036854775807 or less", str(10**23), "set seed to"),
        ({"seed": "x"}, "seed", "a whole number", "'x'", "set seed to a whole number"),
        ({"iterations": 1.5}, "iterations", "a whole number", "1.5", "set iterations to"),
        ({"solve": {"temperature": float("inf")}}, "solve.temperature", "a finite number", "inf", "a finite number"),
        ({"train": {"sft": {"learning_rate": float("nan")}}}, "train.sft.learning_rate", "a finite number", "nan", "set"),
        ({"solve": 3}, "solve", "a mapping of keys", "3", "a mapping of keys"),
        ({"suites": []}, "suites", "the key 'suites'", "nothing", "problems and suites, or generate"),
        ({"suites": {"a": 1}}, "suites", "a list", "a mapping of a", "a list"),
        ({"engine": {"kind": "opnai"}}, "engine.kind", "one of 'local', 'vllm', 'openai'", "'opnai'", "did you mean 'openai'?"),
        ({"name": "X Y"}, "name", "a name of a-z", "'X Y'", "a letter or a digit"),
        ({"name": 123}, "name", "text", "123", "quotation marks: '123'"),
        ({"gate": {"level": 1}}, "gate.level", "a number below 1", "1", "set gate.level"),
        ({"gate": {"suite": "heldou"}}, "gate.suite", "one of heldout", "unknown suite 'heldou'", "did you mean 'heldout'?"),
        ({"gate": {"guards": [{"suite": "zz"}]}}, "gate.guards.0.suite", "one of heldout", "'zz'", "under suites"),
        ({"gate": {"guards": [{"suite": "heldout"}]}}, "gate.guards.0.suite", "a suite of its own", "has to rise", "remove"),
        ({"gate": {"limits": [{"suite": "zz", "measure": "tokens", "increase": 0}]}}, "gate.limits.0.suite", "one of heldout", "'zz'", "under suites"),
        ({"gate": {"guards": [{"suite": "heldout", "rule": "hold"}]}}, "gate.guards.0", "a tolerance above 0", "tolerance 0", "0.02"),
        ({"gate": {"limits": [{"measure": "lenght", "increase": 1}]}}, "gate.limits.0.measure", "one of 'completion_tokens'", "'lenght'", "set"),
        ({"suites": [SUITE, SUITE]}, "suites.1.name", "names that differ", "'heldout' twice", "rename"),
        ({"problems": {"source": "p.jsonl[-5:]"}}, "problems.source", "a slice", "p.jsonl[-5:]", "from 0"),
        ({"problems": {"source": "p.jsonl[9:3]"}}, "problems.source", "ends behind its start", "[9:3]", "[3:9]"),
        ({"problems": {"source": "hub:x"}}, "problems.source", "hub:owner/name/config/split", "'hub:x'", "four parts"),
        ({"engine": {"base_url": "http://me:secret@host"}}, "engine.base_url", "without a name", "not shown", "environment"),
        ({1: 2}, "1", "a key that is text", "the key 1", "remove the key"),
    ],
)  # fmt: skip
def test_each_kind_of_fault_has_its_own_words(tmp_path, changes, key, expected, received, cure):
    error = refuse(tmp_path, yaml.safe_dump({**MINI, **changes}))
    assert error.place.endswith(f": key {key}")
    assert expected in error.expected
    assert received in error.received
    assert cure in error.cure
    assert "me:secret" not in str(error)


def test_the_place_of_a_fault_is_its_line(tmp_path):
    text = yaml.safe_dump({**MINI, "gate": {"level": 0.05, "suite": "nope"}}, sort_keys=False)
    line = 1 + next(i for i, line in enumerate(text.splitlines()) if line == "  suite: nope")
    assert refuse(tmp_path, text).place.endswith(f"recipe.yaml:{line}: key gate.suite")


def test_a_misspelt_key_is_told_once_without_what_follows_from_it(tmp_path):
    wrong = {**{k: v for k, v in SUITE.items() if k != "gate"}, "gates": "gate.jsonl"}
    error = refuse(tmp_path, yaml.safe_dump({**MINI, "suites": [wrong]}))
    assert error.cure == "did you mean 'gate'?"


def test_further_faults_are_named_with_their_lines(tmp_path):
    error = refuse(tmp_path, yaml.safe_dump({**MINI, "iterations": 0, "seed": "x"}, sort_keys=False))
    assert error.place.endswith("recipe.yaml:2: key seed")
    assert error.cure.endswith("then also line 3: key iterations: 0")


def test_a_fault_of_a_flag_names_the_flag(tmp_path):
    assert refuse(tmp_path, yaml.safe_dump(MINI), {"seed": 10**23}).place == "--seed"


@pytest.mark.parametrize(
    ("text", "line", "cure"),
    [
        ("name: [a, b\nseed: 3\n", 1, "close the bracket: ]"),
        ("name: {a: 1\nseed: 3\n", 1, "close the bracket: }"),
        ("seed: 3\nname: 'x\n", 2, "close the quotation mark"),
        ("name:\n\t- x\n", 2, "spaces, not with tabs"),
        ("name: @x\n", 1, "put quotation marks around"),
        ("name: a: b\n", 1, "one column"),
        ("a:\n  - b\n c: 2\n", 3, "one column"),
        ("a: !python/object:x 1\n", 1, "plain values"),
    ],
)
def test_yaml_faults_are_told_at_the_line_where_they_begin(tmp_path, text, line, cure):
    error = refuse(tmp_path, text)
    assert error.place.endswith(f"recipe.yaml:{line}")
    assert cure in error.cure


@pytest.mark.parametrize(
    ("text", "lines", "key"),
    [
        ("iterations: 3\nname: x\niterations: 9\n", (1, 3), "iterations"),
        ("name: x\nsolve:\n  draws: 1\n  draws: 2\n", (3, 4), "draws"),
        ("name: x\nsuites:\n  - name: a\n    name: b\n", (3, 4), "name"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_both_lines(tmp_path, text, lines, key):
    error = refuse(tmp_path, text)
    assert error.place.endswith(f"recipe.yaml:{lines[1]}: key {key}")
    assert error.received == f"{key!r} on line {lines[0]} and again on line {lines[1]}"


def test_a_folder_and_bytes_that_are_no_text_are_told_apart_from_a_missing_file(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        load_recipe(tmp_path)
    assert caught.value.received == "a folder"
    (tmp_path / "recipe.yaml").write_bytes(b"name: x\nmodel: caf\xe9\n")
    with pytest.raises(InputError) as bad:
        load_recipe(tmp_path / "recipe.yaml")
    assert bad.value.place.endswith("recipe.yaml:2")
    assert "0xe9" in bad.value.received
