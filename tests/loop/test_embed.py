"""The recipe's embedding model: paraphrases of evaluation items are found by it, and what cannot work is refused."""

import json

import pytest
from flywheel.config import load_recipe
from flywheel.errors import NotFoundError, RecipeError
from flywheel.loop import SilentReporter, Wheel
from flywheel.store import Project
from support import make_mini_project

OWN = '''
WORDS = {"purchase": "buy", "buys": "buy", "kid": "child", "total": "all", "altogether": "all", "pencil": "pencils"}


def embed(texts):
    """Bags of words, in which some words are the same."""
    bags = [{WORDS.get(w, w) for w in t.lower().replace("?", "").replace(".", "").split()} for t in texts]
    return [[float(any(sum(map(ord, w)) % 512 == i for w in bag)) for i in range(512)] for bag in bags]


def short(texts):
    return [[1.0]]
'''


def open_wheel(folder, **more):
    make_mini_project(folder, **more)
    (folder / "own.py").write_text(OWN)
    wheel = Wheel(Project(folder), load_recipe(folder / "recipe.yaml"), folder, SilentReporter())
    wheel.prepare()
    return wheel


def test_a_paraphrase_is_found_by_the_recipes_embedding_model(tmp_path):
    wheel = open_wheel(tmp_path / "p", curate={"embed": "own.py:embed"}, decontaminate={"embedding": 0.9})
    try:
        (content,) = [json.loads(c) for (c,) in wheel.store.query("SELECT content FROM runs")]
        assert "embedding own.py:embed" in content
        item = next(text for split in wheel.splits for _, text in split.texts())
        told = " ".join(sorted(item.split()))  # the same words, in no order that another rule knows
        plain, found = (
            wheel._decontaminate().find("Nothing of it.\nReally"),
            wheel._decontaminate().find(f"Say this:\n{told}"),
        )
        assert plain is None
        assert (found.kind, found.item.text) == ("embedding", item)
    finally:
        wheel.store.close()


@pytest.mark.parametrize(
    ("curate", "decontaminate", "error", "part"),
    [
        ({}, {"embedding": 0.9}, ValueError, "curate.embed"), ({"embed": "own.py:nope"}, {}, NotFoundError, "a function 'nope'"),
        ({"embed": "no.such.module:embed"}, {}, NotFoundError, "can be imported"),
    ],
)  # fmt: skip
def test_what_names_no_embedding_model_is_refused(tmp_path, curate, decontaminate, error, part):
    with pytest.raises(error, match=part):
        open_wheel(tmp_path / "p", curate=curate, decontaminate=decontaminate)


def test_vectors_of_another_shape_are_refused(tmp_path):
    wheel = open_wheel(tmp_path / "p", curate={"embed": "own.py:short"}, decontaminate={"embedding": 0.9})
    with pytest.raises(RecipeError, match="vectors of shape"):
        wheel._decontaminate().find("A row\nof two lines")
    wheel.store.close()
