import pytest
from flywheel.errors import NotFoundError, RecipeError
from flywheel.prompts import list_templates, load_template, parse_template
from support import HERE

GOLDEN = {
    "solve": ({"role": "user", "content": "How many?"},),
    "solve-cot": (
        {
            "role": "system",
            "content": "You solve word problems. You reason step by step, one short step a line, and you are careful with arithmetic.",
        },
        {
            "role": "user",
            "content": "How many?\n\nWrite your steps, one a line. End with a line of the form: #### <the number alone>",
        },
    ),
}


def test_every_template_has_a_golden_prompt():
    others = {file.name.partition(".")[0] for file in (HERE / "gen" / "golden").glob("*.txt")}
    assert set(GOLDEN) | others == set(list_templates())


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_rendered_prompts(name):
    assert load_template(name).render({"question": "How many?"}) == GOLDEN[name]


def test_braces_in_a_value_stay_text():
    text = "a {{question}} {% raw %} {b} {{ nested }}"
    assert load_template("solve").render({"question": text})[0]["content"] == text


@pytest.mark.parametrize("values", [{}, {"question": "x", "more": "y"}, {"quest": "x"}])
def test_missing_and_undeclared_values_raise(values):
    with pytest.raises(RecipeError, match="values for question"):
        load_template("solve").render(values)


@pytest.mark.parametrize(
    "text",
    [
        "user: '{{a}}'",
        "name: x\nuser: '{{a}}'",
        "name: x\nvariables: [a, b]\nuser: '{{a}}'",
        "name: x\nuser: y\nextra: 1",
        "[",
        "3",
    ],
)
def test_files_that_are_no_template_are_refused(text):
    with pytest.raises(RecipeError):
        parse_template(text, "x.yaml")


def test_a_project_overrides_a_template_by_name(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "solve.yaml").write_text("name: solve\nvariables: [question]\nuser: 'Q: {{question}}'")
    own = load_template("solve", tmp_path)
    assert own.render({"question": "x"})[0]["content"] == "Q: x"
    assert own.template_id != load_template("solve").template_id


def test_an_unknown_template_lists_the_known_ones():
    with pytest.raises(NotFoundError, match="solve-cot"):
        load_template("nope")
