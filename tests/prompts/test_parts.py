"""Turns, images, optional variables, identity, and speed."""

import timeit

import pytest
from flywheel.errors import InputError, RecipeError
from flywheel.llm import encode_image
from flywheel.prompts import parse_template

PLAIN = {"name": "x", "variables": "[a]", "user": "'{{a}}'"}


def template(**keys):
    return parse_template("".join(f"{key}: {value}\n" for key, value in {**PLAIN, **keys}.items() if value), "x.yaml")


def test_turns_stand_between_system_and_user():
    shown = template(
        system="s {{a}}",
        turns="[{role: user, content: 'u {{b}}'}, {role: assistant, content: '{{a}}'}]",
        variables="[a, b]",
    ).render({"a": "{{b}}", "b": "2"})
    assert [m["role"] for m in shown] == ["system", "user", "assistant", "user"]
    assert [m["content"] for m in shown] == ["s {{b}}", "u 2", "{{b}}", "{{b}}"]


def test_optional_variables_may_be_left_out():
    some = template(user="'{{a}}{{b}}{{c}}'", optional="{b: '-', c: ''}")
    assert some.render({"a": "1"})[0]["content"] == "1-"
    assert some.render({"a": "1", "b": "2", "c": "3"})[0]["content"] == "123"
    assert template(user="'{{a}}{{b}}'", optional="[b]").render({"a": "1"})[0]["content"] == "1"
    for values in ({}, {"b": "2"}, {"a": "1", "d": "4"}):
        with pytest.raises(RecipeError, match="values for a and perhaps b, c"):
            some.render(values)


def test_images_make_the_last_message_a_list_of_parts():
    some = template(images="photos", system="s")
    assert some.render({"a": "1"})[-1] == {"role": "user", "content": "1"}
    content = some.render({"a": "1", "photos": ["data:x", "https://y/z.png"]})[-1]["content"]
    assert content == [
        {"type": "image_url", "image_url": {"url": "data:x"}},
        {"type": "image_url", "image_url": {"url": "https://y/z.png"}},
        {"type": "text", "text": "1"},
    ]


def test_image_files(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8")
    assert encode_image(tmp_path / "a.jpg") == "data:image/jpeg;base64,/9g="
    for name in ("b.jpg", "c.txt"):
        with pytest.raises(InputError, match="an image file"):
            encode_image(tmp_path / name)


def test_the_id_hashes_whatever_shapes_the_prompt_and_nothing_else():
    shapes = [
        {}, {"system": "s"}, {"user": "'{{a}}!'"}, {"engine": "jinja"}, {"name": "y"}, {"images": "i"},
        {"turns": "[{role: user, content: t}]"}, {"turns": "[{role: assistant, content: t}]"},
        {"user": "'{{a}}{{b}}'", "optional": "[b]"}, {"user": "'{{a}}{{b}}'", "optional": "{b: x}"},
    ]  # fmt: skip
    ids = [template(**shape).template_id for shape in shapes]
    assert len(set(ids)) == len(shapes)
    assert template(source="elsewhere").template_id == ids[0] == template(engine="plain").template_id


def test_the_stored_text_shows_all_parts():
    assert template().text == "{{a}}"
    assert template(system="s", turns="[{role: user, content: t}]").text == "[system]\ns\n[user]\nt\n[user]\n{{a}}"


@pytest.mark.parametrize("value", [["x"], {"x": 1}, None, True])
def test_only_text_and_numbers_fit_a_plain_template(value):
    with pytest.raises(RecipeError, match=r"variable a[\s\S]*engine: jinja"):
        template().render({"a": value})
    assert template().render({"a": 3})[0]["content"] == "3"


@pytest.mark.parametrize(
    "keys",
    [
        {"turns": "[{role: system, content: x}]"}, {"turns": "[x]"}, {"turns": "x"}, {"turns": "[{role: user}]"}, {"engine": "mako"},
        {"variables": "a"}, {"variables": "[1]"}, {"optional": "3"}, {"images": "[x]"}, {"optional": "[a]"}, {"optional": "[b]"},
    ],
)  # fmt: skip
def test_wrong_files_are_refused(keys):
    with pytest.raises(RecipeError, match=r"x.yaml"):
        template(**keys)


@pytest.mark.parametrize("text", ["%", "%%", "100 % of %s %(a)s %d", "\\1 {0} {{{a}}} {{ b c }}"])
def test_signs_of_the_template_itself_stay(text):
    assert template(user=f"'{text} {{{{a}}}}'").render({"a": "%s"})[0]["content"] == text.replace("{{a}}", "%s") + " %s"


def test_a_plain_prompt_takes_microseconds():
    """The bound is 5 times what it takes (3 µs), so that a busy machine passes and a slow path does not."""
    some = template(system="You.", user="'Read {{a}} 100 % and {{b}}.'", variables="[a, b]")
    values = {"a": "x" * 2000, "b": "{{a}}"}
    some.render(values)
    assert min(timeit.repeat(lambda: some.render(values), number=2000, repeat=5)) / 2000 < 15e-6
