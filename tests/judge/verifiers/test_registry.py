"""Finding verifiers, running them, and what their options may be."""

import sys
from importlib.metadata import EntryPoint

import pytest
from flywheel.errors import NotFoundError, RecipeError
from flywheel.judge.verifiers import REQUIRED, Case, Verifier, built_in, complete_options, find_verifier, run_verifier
from flywheel.judge.verifiers import _registry as registry

OWN = '''
from flywheel.judge import Verdict, verifier

@verifier("rhyme", version=3, needs=("poem",), options={"lines": 2})
def rhyme(case, options):
    """Say whether it rhymes."""
    return Verdict(True, 1.0, "rhymes")
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rhyme.py").write_text(OWN)
    return tmp_path


def test_every_built_in_is_found_by_its_name(tmp_path):
    for name, verifier in built_in().items():
        assert find_verifier(name, tmp_path) is verifier
        assert verifier.check.__doc__.splitlines()[0].endswith(".")
        assert set(verifier.choices) <= set(verifier.options)
    assert {
        "math",
        "choice",
        "exact",
        "f1",
        "regex",
        "json_schema",
        "label",
        "citations",
        "tool_calls",
        "grader",
    } <= built_in().keys()


@pytest.mark.parametrize("name", ["rhyme.py", "rhyme.py:rhyme"])
def test_a_file_of_the_project(folder, name):
    assert find_verifier(name, folder).judge == "rhyme@3"


def test_a_module_and_an_entry_point(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    assert find_verifier("rhyme:rhyme", folder).name == "rhyme"
    point = EntryPoint("verse", "rhyme:rhyme", "flywheel.verifiers")
    seen = []
    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda group, name=None: seen.append(group) or ([point] if name in (None, "verse") else []),
    )
    assert find_verifier("verse", folder).name == "rhyme"
    assert set(seen) == {"flywheel.verifiers"}
    sys.modules.pop("rhyme")


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("maths", NotFoundError, "did you mean 'math'"),
        ("zzz", NotFoundError, "tool_calls"),
        ("rhymes.py", NotFoundError, "did you mean 'rhyme.py'"),
        ("rhyme.py:verifier", RecipeError, "with @verifier"),
        ("none.py", RecipeError, "one function with @verifier"),
        ("broken.py", RecipeError, "ZeroDivisionError"),
    ],
)
def test_what_cannot_be_found_is_explained(folder, name, kind, words):
    (folder / "none.py").write_text("x = 1")
    (folder / "broken.py").write_text("1 / 0")
    with pytest.raises(kind) as caught:
        find_verifier(name, folder, "--verifier")
    assert words in str(caught.value)
    assert str(caught.value).startswith("--verifier")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("math", {"marker": ["####"]}, "of verifier math: markers"),
        ("math", {"markers": ["###"]}, "did you mean '####'"),
        ("f1", {"threshold": "high"}, "a number"),
        ("grader", {}, "verifier grader needs it"),
    ],
)
def test_wrong_options_are_refused(name, options, words):
    with pytest.raises(RecipeError) as caught:
        complete_options(built_in()[name], options)
    assert words in str(caught.value)


def test_every_default_is_one_that_the_check_takes():
    for verifier in built_in().values():
        if REQUIRED not in verifier.options.values():
            assert complete_options(verifier, {}) == dict(verifier.options)


def make(check, **more):
    return Verifier("own", 1, check, **more)


def fail(case, options):
    raise KeyError("oh")


def test_a_verifier_that_raises_abstains_with_its_exception():
    verdict = run_verifier(make(fail), Case("x"), {})
    assert (verdict.passed, verdict.score, verdict.reason) == (None, None, "verifier failed: KeyError")
    assert "oh" in verdict.evidence


def test_a_verifier_that_gives_no_verdict_abstains():
    assert run_verifier(make(lambda case, options: True), Case("x"), {}).reason == "verifier failed: no Verdict"


def test_a_missing_column_is_an_abstention_that_names_it(folder):
    found = find_verifier("rhyme.py", folder)
    assert run_verifier(found, Case("x"), complete_options(found, {})).reason == "no poem"
    assert run_verifier(found, Case("x", fields={"poem": "…"}), complete_options(found, {})).passed


def test_long_evidence_is_cut():
    verdict = run_verifier(built_in()["exact"], Case("x" * 10_000, "y"), complete_options(built_in()["exact"], {}))
    assert len(verdict.evidence) == 2001
