"""Finding generators, and what a recipe may say to them."""

import sys
from importlib.metadata import EntryPoint

import pytest
from flywheel.errors import NotFoundError, RecipeError
from flywheel.gen import REQUIRED, Generator, built_in, complete_options, find_generator
from flywheel.gen import _registry as registry

OWN = '''
from flywheel.gen import generator

@generator("haiku", version="3", consumes=("text",), options={"lines": 3})
async def haiku(item, ask):
    """Write a haiku."""
    yield None
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "haiku.py").write_text(OWN)
    return tmp_path


def test_every_built_in_is_found_by_its_name(tmp_path):
    for name, generator in built_in().items():
        assert find_generator(name, tmp_path) is generator
        assert generator.name == name
        assert generator.summary.endswith(".") or ":" in generator.summary
        assert generator.source
        assert generator.templates or name == "keep"


@pytest.mark.parametrize("name", ["haiku.py", "haiku.py:haiku"])
def test_a_file_of_the_project(folder, name):
    found = find_generator(name, folder)
    assert (found.name, found.parser, found.consumes) == ("haiku", "haiku@3", ("text",))
    assert find_generator(name, folder) is found


def test_a_changed_file_is_read_again(folder):
    find_generator("haiku.py", folder)
    (folder / "haiku.py").write_text(OWN.replace('"3"', '"4"'))
    assert find_generator("haiku.py", folder).version == "4"


def test_a_module_that_can_be_imported(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    assert find_generator("haiku:haiku", folder).name == "haiku"
    sys.modules.pop("haiku")


def test_an_entry_point(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    point = EntryPoint("verse", "haiku:haiku", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group, name=None: [point] if name in (None, "verse") else [])
    assert find_generator("verse", folder).name == "haiku"
    with pytest.raises(NotFoundError, match="verse"):
        find_generator("vers", folder)
    sys.modules.pop("haiku")


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("backtranslat", NotFoundError, "did you mean 'backtranslate'"),
        ("zzz", NotFoundError, "critique_revise"),
        ("haikus.py", NotFoundError, "did you mean 'haiku.py'"),
        ("haiku.py:haik", NotFoundError, "did you mean 'haiku'"),
        ("haiku.py:generator", RecipeError, "with @generator"),
        ("no.such.module:x", NotFoundError, "no such module"),
        ("none.py", RecipeError, "add the decorator"),
        ("two.py", RecipeError, "name one: two.py:a"),
        ("broken.py", RecipeError, "ZeroDivisionError"),
        ("syntax.py", RecipeError, "SyntaxError"),
    ],
)
def test_what_cannot_be_found_is_explained(folder, name, kind, words):
    (folder / "none.py").write_text("x = 1")
    (folder / "two.py").write_text(OWN.replace("def haiku", "def a") + OWN.replace("def haiku", "def b"))
    (folder / "broken.py").write_text("1 / 0")
    (folder / "syntax.py").write_text("def (")
    with pytest.raises(kind) as caught:
        find_generator(name, folder, "step 2: generator")
    assert words in str(caught.value)
    assert str(caught.value).startswith("step 2: generator")
    assert all(part in str(caught.value) for part in ("expected:", "received:", "cure:"))


def test_defaults_are_filled_in():
    options = complete_options(built_in()["cot"], {"tries": 3})
    assert options == {**built_in()["cot"].options, "tries": 3}


@pytest.mark.parametrize(
    ("generator", "options", "words"),
    [
        ("cot", {"trys": 3}, ["options.trys", "unknown option 'trys'", "did you mean 'tries'", "hint_tries"]),
        ("cot", {"tries": "3"}, ["options.tries", "a whole number", "'3'"]),
        ("cot", {"tries": -1}, ["options.tries", "-1"]),
        ("cot", {"hint": 1}, ["options.hint", "true or false"]),
        ("cot", {"tries": True}, ["options.tries"]),
        ("backtranslate", {"style": "qq"}, ["one of qa, instruction", "did you mean 'qa'"]),
        ("backtranslate", {"difficulties": ["easy", "hardest"]}, ["'hardest'", "did you mean 'hard'"]),
        ("backtranslate", {"pairs": 0}, ["a row can come of an input", "pairs: 0", "make it 1 or more"]),
        ("evolve", {"rounds": 0}, ["rounds: 0"]),
        ("tool_calls", {"max_nodes": 0}, ["max_nodes: 0"]),
        ("transform", {}, ["options.template", "needs it"]),
        ("transform", {"template": "x", "columns": []}, ["a mapping"]),
    ],
)
def test_wrong_options_are_refused(generator, options, words):
    with pytest.raises(RecipeError) as caught:
        complete_options(built_in()[generator], options)
    for word in words:
        assert word in str(caught.value)


def test_every_default_is_one_that_the_check_takes():
    for generator in built_in().values():
        assert isinstance(generator, Generator)
        mine = {k: v for k, v in generator.options.items() if v is not REQUIRED}
        given = {**mine, **{k: "x" for k in generator.options if k not in mine}}
        assert set(complete_options(generator, given)) == set(generator.options)
        assert set(generator.choices) <= set(generator.options)
