"""Jinja templates: what they may do, and that they end."""

import time

import pytest
from flywheel.errors import RecipeError
from flywheel.prompts import parse_template

HEAD = "name: x\nengine: jinja\nvariables: [a]\nuser: |-\n"


def jinja(body, head=HEAD):
    return parse_template(head + "".join(f"  {line}\n" for line in body.split("\n")), "own/x.yaml")


def render(body, a):
    return jinja(body).render({"a": a})[-1]["content"]


def test_loops_and_conditions():
    assert (
        render(
            "{% for k, v in a.items() %}\n{{ loop.index }} {{ k }}={{ v|upper }}\n{% endfor %}\n{% if a %}!{% endif %}",
            {"x": "y"},
        )
        == "1 x=Y\n!"
    )
    assert render("{{ a|length }}", [1, 2]) == "2"
    assert render("{% for x in a %}{{ loop.last }}{% endfor %}", [1, 2]) == "FalseTrue"


def test_a_text_of_json_is_read_and_any_other_value_stays():
    body = "{% set b = a | from_json %}{% if b is string %}text {{ b }}{% else %}{% for x in b %}<{{ x.k }}>{% endfor %}{% endif %}"
    assert render(body, '[{"k": "{{ a }}"}, {"k": 2}]') == "<{{ a }}><2>"
    assert render(body, [{"k": 1}]) == "<1>"
    assert render(body, "no [JSON") == "text no [JSON"
    assert render("{{ (a | from_json) is string }}", "[" * 100_000) == "True"


@pytest.mark.parametrize("text", ["{{ x }}", "{% raw %}", "{# c #}", "<b> & \"'", "%s %(a)s", "{{ a }}"])
def test_values_are_text(text):
    assert render("[{{ a }}]", text) == f"[{text}]"
    assert render("{% for x in a %}[{{ x }}]{% endfor %}", [text]) == f"[{text}]"


@pytest.mark.parametrize(
    ("body", "a", "words"),
    [
        ("one\n{{ a.__class__ }}", "x", "own/x.yaml:6"),
        ("{{ a }}\n\n{{ a.b.c }}", "x", "own/x.yaml:7"),
        ("{{ a }} {{ ''.__class__.__mro__ }}", "x", "unsafe"),
        ("{{ a.format(1) }}", "{0.__class__}", "unsafe"),
        ("{{ a.append(1) }}", [], "unsafe"),
        ("{{ a / 0 }}", 1, "ZeroDivisionError"),
        ("{{ a['k'] }}", {}, "no attribute 'k'"),
        ("{{ a * 10**9 }}", "x", "grew longer"),
        ("{{ a + 10**100000000 }}", 1, "grew longer"),
        ("{{ a.ljust(10**9) }}", "x", "unsafe"),
        ("{{ '%0999999999d' % a }}", 3, "grew longer"),
        (
            "{% set ns = namespace(x=a) %}{% for i in range(90) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "ab",
            "grew longer",
        ),
        ("{% for i in range(90) %}{{ a }}{% endfor %}", "x" * 200_000, "grew longer"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}{{ a }}", "x", "RecursionError"),
        ("{{ range(10**7) }}{{ a }}", "x", "range"),
    ],
)
def test_what_a_template_may_not_do(body, a, words):
    with pytest.raises(RecipeError) as caught:
        render(body, a)
    assert words in str(caught.value)
    assert "own/x.yaml:" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{{ a }}",
        "{% for i in a %}{% for j in a %}{% for k in a %}{% endfor %}{% endfor %}{% endfor %}",
    ],
)
def test_a_render_without_end_is_stopped(monkeypatch, body):
    monkeypatch.setattr("flywheel.prompts._jinja.TIMEOUT_S", 0.2)
    start = time.monotonic()
    with pytest.raises(RecipeError, match="longer than"):
        render(body, ["x"] * 800)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{{ a }}\n{% if %}", "own/x.yaml:6"),
        ("{{ a }}{{ b }}", "used ['a', 'b']"),
        ("none", "used []"),
        ("{{ a }}{% include 'x' %}", "cannot include"),
        ("{{ a }}{{ a|center(9) }}", "No filter named 'center'"),
    ],
)
def test_files_that_are_refused(body, words):
    with pytest.raises(RecipeError) as caught:
        jinja(body)
    assert words in str(caught.value)


def test_names_that_the_template_sets_itself_are_no_variables():
    assert render("{% set b = a %}{% for c in range(2) %}{{ b }}{{ c }}{% endfor %}", "x") == "x0x1"


def test_a_missing_value_raises():
    with pytest.raises(RecipeError, match="values for a"):
        jinja("{{ a }}").render({})
