"""The search over tools."""

import asyncio
import json
from typing import Literal

import pytest
from flywheel.errors import NotFoundError, RecipeError
from flywheel.gen import built_in
from flywheel.gen._tools import call_tool, describe, load_tools, read_definitions
from support_generators import reasons, run, text_of

TOOLS = built_in()["tool_calls"]
FILE = '''
"""Tools of a test."""
import json
from typing import Literal

def find(city: str, kind: Literal["rain", "wind"] = "rain") -> dict:
    """Find the weather of a city.

    Args:
        city: its name, as people
            write it.
        kind: what of it.

    Returns:
        a number
    """
    if city == "Nowhere":
        raise LookupError("no such city {x}")
    return {"city": city, kind: 12}

async def wait() -> str:
    """Wait."""
    return "done"

def _hidden():
    """Not a tool."""

def undocumented():
    return 1
'''
ITEM = {"question": "How much does it rain in Rome? {{x}}"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tools.py").write_text(FILE)
    return tmp_path


def calls(*pairs):
    return {"tool_calls": [{"id": "c", "function": {"name": n, "arguments": json.dumps(a)}} for n, a in pairs]}


FIND = calls(("find", {"city": "Rome"}))


def test_a_request_is_solved(folder):
    made, faults, ask = run(TOOLS, ITEM, [FIND, "It rains 12 mm in Rome."], folder=folder, tools="tools.py")
    assert not faults
    fields = made[0].fields
    assert made[0].prompt == [{"role": "user", "content": ITEM["question"]}]
    assert [m["role"] for m in fields["messages"]] == ["user", "assistant", "tool", "assistant"]
    call = fields["messages"][1]["tool_calls"][0]
    assert call == {"id": "call_1_1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Rome"}'}}
    assert fields["messages"][2] == {
        "role": "tool",
        "tool_call_id": "call_1_1",
        "name": "find",
        "content": '{"city": "Rome", "rain": 12}',
    }
    assert fields["completion_messages"] == fields["messages"][1:]
    assert made[0].completion == 'find({"city": "Rome"})\n→ {"city": "Rome", "rain": 12}\nIt rains 12 mm in Rome.'
    assert [t["function"]["name"] for t in fields["tools"]] == ["find", "wait"]
    assert [t["function"]["name"] for t in ask.asked[0]["tools"]] == ["find", "wait", "give_up"]
    assert made[0].rejected is None


def test_a_dead_end_is_left_and_kept_as_rejected(folder):
    replies = [
        calls(("find", {"city": "Nowhere"})), calls(("give_up", {"reason": "no such city"})), FIND, "12 mm.",
    ]  # fmt: skip
    made, faults, ask = run(TOOLS, ITEM, list(replies), folder=folder, tools="tools.py")
    assert not faults
    assert made[0].kind == "solved/failed branch"
    assert made[0].rejected.prompt == made[0].prompt
    assert "LookupError: no such city {x}" in made[0].rejected.completion
    assert "Nowhere" not in made[0].completion
    retry = text_of(ask.asked[2]["messages"])
    assert "different from these previous attempts" in retry
    assert 'find({"city": "Nowhere"})' in retry
    assert not any("previous attempts" in str(m) for m in made[0].fields["messages"])
    assert [a["draw"] for a in ask.asked] == [0, 0, 1, 0]


def test_it_goes_back_over_several_levels(folder):
    """give_up at depth 2 sends the search back to depth 1, where the width is used up, and so to the root."""
    give_up = calls(("give_up", {"reason": "x"}))
    wait = calls(("wait", {}))
    replies = [wait, FIND, give_up, wait, give_up, FIND, "12 mm"]
    made, faults, ask = run(TOOLS, ITEM, list(replies), folder=folder, tools="tools.py", width=2)
    assert made[0].fields["n_nodes"] == 7
    assert [m["role"] for m in made[0].fields["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert reasons(faults) == ["branch failed: gave up"]
    assert [len([m for m in a["messages"] if m["role"] == "tool"]) for a in ask.asked] == [0, 1, 2, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        (["It rains.", "It rains."], "branch failed: answered without a tool"),
        ([FIND, "", FIND], "branch failed: no answer"),
        ([FIND, "I'm sorry, I cannot."], "branch failed: no answer"),
        ([FIND, FIND, FIND], "branch failed: too deep"),
        ([calls(("give_up", {"reason": "no"}))], "branch failed: gave up"),
    ],
)
def test_without_a_solution_each_branch_is_a_drop(folder, replies, reason):
    made, faults, _ = run(TOOLS, ITEM, [*replies, *[""] * 9], folder=folder, tools="tools.py", max_depth=2)
    assert not made
    assert reasons(faults)[0] == reason


def test_a_known_answer_must_be_reached(folder):
    item = {**ITEM, "answer": "12"}
    made, faults, _ = run(TOOLS, item, [FIND, "It rains 13 mm.", "It rains 12 mm."], folder=folder, tools="tools.py")
    assert made[0].rejected.completion.endswith("13 mm.")
    assert made[0].completion.endswith("12 mm.")
    assert not faults


def test_it_goes_back_from_a_call_that_fails_and_keeps_the_tree(folder):
    """With back_on_error; without it the model is shown the error and goes on."""
    replies = [calls(("fly", {})), FIND, "12 mm"]
    made, faults, ask = run(TOOLS, ITEM, list(replies), folder=folder, tools="tools.py", back_on_error=True)
    assert [m["role"] for m in made[0].fields["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert "there is no tool" in made[0].rejected.completion and made[0].kind == "solved/failed branch"
    (branch,) = made[0].fields["branches"]
    assert branch["reason"] == "call failed" and [m["role"] for m in branch["messages"]] == ["assistant", "tool"]
    assert len(ask.asked) == 3 and not faults
    made, _, _ = run(TOOLS, ITEM, list(replies), folder=folder, tools="tools.py")
    assert made[0].rejected is None and made[0].fields["branches"] == [] and made[0].fields["n_calls"] == 2


def test_the_search_is_bounded(folder):
    asked = iter(range(1000))
    made, faults, ask = run(
        TOOLS, ITEM, lambda *a: calls(("find", {"city": f"c{next(asked)}"})), folder=folder, tools="tools.py", max_nodes=12,
    )  # fmt: skip
    assert not made
    assert faults
    assert len(ask.asked) == 12


def test_an_unknown_tool_is_told(folder):
    made, _, _ = run(TOOLS, ITEM, [calls(("fly", {})), "12"], folder=folder, tools="tools.py")
    assert "there is no tool 'fly'" in made[0].completion


APIS = [
    {
        "tool_name": "Free Weather", "api_name": "Rain/Day", "api_description": "Gives {rain}.",
        "required_parameters": [{"name": "city", "type": "STRING", "description": "a city", "default": "Rome"}],
        "optional_parameters": [{"name": "days", "type": "NUMBER"}],
    }
]  # fmt: skip


def test_the_model_can_play_the_tools():
    def replies(template, prompt, draw):
        if template == "tool-simulate":
            assert '"city": "Rome"' in prompt
            return '{"rain": 12}'
        return (
            "12 mm"
            if "Gives" in prompt or "→" in prompt or '{"rain": 12}' in prompt
            else calls(("rain_day_for_free_weather", {"city": "Rome"}))
        )

    made, faults, _ = run(TOOLS, {**ITEM, "api_list": APIS}, replies)
    assert not faults
    assert made[0].fields["messages"][2]["content"] == '{"rain": 12}'


def test_no_tools():
    assert reasons(run(TOOLS, ITEM, [])[1]) == ["no tools"]


def test_definitions_come_from_annotations_and_docstring(folder):
    function = load_tools(folder / "tools.py", "tools")["find"].definition["function"]
    assert function == {
        "name": "find", "description": "Find the weather of a city.",
        "parameters": {
            "type": "object", "required": ["city"],
            "properties": {
                "city": {"type": "string", "description": "its name, as people write it."},
                "kind": {"enum": ["rain", "wind"], "description": "what of it."},
            },
        },
    }  # fmt: skip


def test_annotations():
    def tool(
        a: int,
        b: list[str],
        c: dict[str, int] | None = None,
        d: float = 1,
        *rest,
        e: bool = False,
        f=None,
        g: Literal[1, 2] = 1,
    ):
        """A tool."""

    parameters = describe(tool)["function"]["parameters"]
    assert parameters["required"] == ["a", "b"]
    assert parameters["properties"] == {
        "a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "string"}}, "c": {"type": "object"},
        "d": {"type": "number"}, "e": {"type": "boolean"}, "f": {}, "g": {"enum": [1, 2]},
    }  # fmt: skip


def test_definitions_of_other_shapes():
    (one,) = read_definitions(APIS)
    assert one["function"]["name"] == "rain_day_for_free_weather"
    assert one["function"]["parameters"]["required"] == ["city"]
    bare = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
    assert (
        read_definitions(json.dumps([bare]))
        == [{"type": "function", "function": bare}]
        == read_definitions([{"type": "function", "function": bare}])
    )
    assert read_definitions([{"x": 1}, "y"]) == read_definitions("none") == read_definitions(None) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [("[]", "not a JSON object"), ("{}", "'city' is missing"), ('{"city": {}}', "city: expected string"),
     ('{"city": "Nowhere"}', "LookupError"), ('{"city": "a", "more": 1}', "TypeError")],
)  # fmt: skip
def test_a_bad_call_gives_its_error_as_the_result(folder, arguments, words):
    tool = load_tools(folder / "tools.py", "tools")["find"]
    assert words in json.loads(asyncio.run(call_tool(tool, arguments, timeout_s=5, max_chars=999)))["error"]


def test_results_are_bounded(folder):
    (folder / "slow.py").write_text('import asyncio\nasync def slow():\n    """s"""\n    await asyncio.sleep(9)\ndef long():\n    """l"""\n    return "x" * 99\n')  # fmt: skip
    tools = load_tools(folder / "slow.py", "tools")
    assert "no result within" in asyncio.run(call_tool(tools["slow"], "", timeout_s=0.01, max_chars=9))
    assert asyncio.run(call_tool(tools["long"], "{}", timeout_s=5, max_chars=9)) == "xxxxxxxxx … (cut off)"


def test_files_that_are_no_tools(folder):
    with pytest.raises(NotFoundError, match=r"tool.py[\s\S]*did you mean 'tools.py'"):
        run(TOOLS, ITEM, [], folder=folder, tools="tool.py")
    (folder / "empty.py").write_text("x = 1")
    with pytest.raises(RecipeError, match="public functions with a docstring"):
        run(TOOLS, ITEM, [], folder=folder, tools="empty.py")
