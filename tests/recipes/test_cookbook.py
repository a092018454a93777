"""The pages of the cookbook: their commands, block by block, as a newcomer types them (those of a recipe's page by its own test); and that
no recipe is without a line."""

import re

import pytest
from flywheel.cli._packaged import list_recipes
from support import HERE, give_shell, sql

PAGES = HERE.parent / "docs" / "cookbook"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def type_page(tmp_path, endpoint, none):
    """Return what types a page's blocks into a shell; an endpoint is the fake one."""
    for name in ("README.md", "docs"):
        (tmp_path / name).symlink_to(HERE.parent / name)

    def type_all(page):
        blocks = BLOCK.findall(page.read_text())
        assert blocks
        done = [give_shell(tmp_path, block, endpoint(none).env, timeout=900) for block in blocks]
        return [d.stdout + d.stderr for d in done]

    return type_all


def done_by_its_recipe(page):
    """Say whether a page's commands are those of a recipe's miniature, which the recipe's own test gives line by line."""
    return "\n## In miniature\n" in page.read_text()


@pytest.mark.recipes
@pytest.mark.parametrize(
    "page",
    [p for p in sorted(PAGES.glob("*.md")) if p.stem not in list_recipes() and not done_by_its_recipe(p)],
    ids=lambda page: page.stem,
)
def test_the_commands_of_a_page_work(page, type_page, tmp_path):
    said = type_page(page)
    if page.stem == "write-your-own":
        assert any("It can start: " in text for text in said)
        (decided,) = sql(tmp_path / "shop", "select stage, promoted from decisions where role = 'gate'")
        assert decided == {"stage": "sft", "promoted": True}


def test_every_recipe_and_every_page_stands_in_the_cookbook():
    text = (PAGES / "README.md").read_text()
    assert [name for name in list_recipes() if f"| `{name}` |" not in text] == []
    pages = [page.name for page in PAGES.glob("*.md") if page.name != "README.md"]
    assert [name for name in pages if f"({name})" not in text] == []


@pytest.mark.parametrize(
    "page", [*sorted(PAGES.glob("*.md")), HERE.parent / "docs" / "recipes.md"], ids=lambda page: page.stem
)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert "://" in link or (page.parent / link).exists(), link


def test_what_a_page_does_in_miniature_is_done_by_its_recipes_test():
    for page in filter(done_by_its_recipe, PAGES.glob("*.md")):
        test = HERE / "recipes" / f"test_{page.stem.replace('-', '_')}.py"
        (call,) = re.findall(rf'miniature\(\s*"{page.stem}",(.*?)\n    assert', test.read_text(), re.DOTALL)[:1]
        assert "page=True" in call, page.name
