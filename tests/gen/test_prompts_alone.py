"""Sets of prompts without completions: brought in, asked about, and written again."""

import json

import pytest
import yaml
from flywheel.errors import InputError
from flywheel.gen import export_rows, import_set, inspect_file, parse_mapping
from format_rows import TOOL, TWO, USER
from support import run_cli, sql, write_jsonl

PARTS = [{"type": "text", "value": "1 + 1?"}]
ALONE = {
    "openai": [{"messages": [{"role": "system", "content": "Be brief."}, USER], "tools": [TOOL], "reference": "2"}],
    "trl": [{"prompt": [USER], "answer": "2"}, {"prompt": [USER, TWO, USER]}],
    "sharegpt": [{"conversations": [{"from": "human", "value": "hi"}], "id": "s1"}],
    "llamafactory-v1": [{"messages": [{"role": "user", "content": PARTS, "loss_weight": 0.0}]}],
}


def bring_in(store, path, *maps, **options):
    return import_set(store, inspect_file(path, None, parse_mapping(maps) if maps else None), **options)


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", list(ALONE))
def test_they_are_recognised_and_come_back_equal(store, tmp_path, name):
    write_jsonl(tmp_path / "in.jsonl", ALONE[name])
    found = inspect_file(tmp_path / "in.jsonl")
    assert (found.format_name, found.preview()[0]) == (name, ("kind", "prompt without a completion"))
    assert bring_in(store, tmp_path / "in.jsonl").rows == len(ALONE[name])
    export_rows(store, name, tmp_path / "out.jsonl", what="imported")
    assert read_jsonl(tmp_path / "out.jsonl") == ALONE[name]
    assert store.query("SELECT count(*) FROM samples") == [(0,)], "a sample is a completion"
    assert store.query("SELECT entered, kept, dropped FROM funnel") == [(len(ALONE[name]), len(ALONE[name]), 0)]
    assert bring_in(store, tmp_path / "in.jsonl").new == 0


def test_they_go_out_in_the_formats_that_have_a_place_for_them(store, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"q": "1 + 1?", "n": i} for i in range(3)])
    bring_in(store, tmp_path / "in.jsonl", "prompt=q")
    export_rows(
        store, "openai", tmp_path / "out.jsonl", what="imported", where="format = 'columns' and source like '%:2'"
    )
    assert read_jsonl(tmp_path / "out.jsonl") == [{"messages": [{"role": "user", "content": "1 + 1?"}]}]
    export_rows(store, "hf", tmp_path / "folder", what="imported")
    assert "prompt without a completion".capitalize() in (tmp_path / "folder/README.md").read_text()
    with pytest.raises(InputError, match="no place for rows of this kind"):
        export_rows(store, "alpaca", tmp_path / "other.jsonl", what="imported")


def test_a_table_with_a_column_of_prompts_is_not_taken_for_one(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"prompt": "1 + 1?", "response": "2"}])
    with pytest.raises(InputError, match="rows of a known format"):
        inspect_file(tmp_path / "in.jsonl")


def test_among_rows_with_completions_one_without_is_a_drop(store, tmp_path):
    rows = [{"messages": [USER, TWO]}, {"messages": [USER]}]
    write_jsonl(tmp_path / "a.jsonl", [rows[1], rows[0], rows[0]])
    result = bring_in(store, tmp_path / "a.jsonl")
    assert dict(result.dropped) == {"no completion, which the first rows of the file have": 1}
    write_jsonl(tmp_path / "b.jsonl", [rows[1], rows[1], rows[0]])
    result = bring_in(store, tmp_path / "b.jsonl")
    assert (result.rows, result.defects[0]) == (3, "2 rows have no completion, the others do: they are prompts")


def test_turns_without_speakers_of_which_the_last_is_the_assistants_are_no_prompt(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"turns": ["Compose a post.", "Shorter, please."]}])
    with pytest.raises(InputError, match=r"--map prompt=turns\.0 takes the first turn alone"):
        inspect_file(tmp_path / "in.jsonl", None, {"prompt": "turns"})


TOOLBENCH = {
    "query": "Is the service up?", "query_id": 1,
    "api_list": [{"tool_name": "SQUAKE", "api_name": "Checkhealth", "required_parameters": [], "optional_parameters": []}],
}  # fmt: skip
BFCL = {
    "id": "parallel_0", "question": [[{"role": "user", "content": "Play two songs."}]],
    "function": [
        {
            "name": "spotify.play", "description": "Play.",
            "parameters": {"type": "dict", "properties": {"n": {"type": "float"}, "x": {"type": "any"}}},
        }
    ],
}  # fmt: skip


def solve_with_tools(folder, server, path, *maps):
    run_cli(folder, "import", str(path), "--yes", *(p for m in maps for p in ("--map", m)), check=0)
    step = {"step": "s", "generator": "tool_calls", "source": "imported"}
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump({"name": "x", "engine": {"kind": "openai", "patience_s": 0}, "generate": [step]})
    )
    run_cli(folder, "generate", env=server.env, check=0)
    made = sql(folder, "select input_id, prompt, fields, completion from samples where step = 's' order by rowid")
    funnel = sql(folder, "select entered, kept, dropped from funnel where step = 's'")
    prompts = {r["request_id"] for r in sql(folder, "select request_id from imported_prompts")}
    assert {r["input_id"] for r in made} == prompts, "what was made of a prompt names its request"
    return made, funnel


def test_tools_are_called_for_prompts_of_tool_sets(tmp_path, endpoint, none):
    """No id or other column stands for an answer that the set does not have."""
    server = endpoint(none, says="It is done.")
    for name, row, maps, tool in (
        ("toolbench", TOOLBENCH, ["prompt=query", "tools=api_list"], "checkhealth_for_squake"),
        ("bfcl", BFCL, ["prompt=question.0.0.content", "tools=function"], "spotify_play"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        write_jsonl(folder / "rows.jsonl", [row])
        ((made,), funnel) = solve_with_tools(folder, server, folder / "rows.jsonl", *maps)
        fields = json.loads(made["fields"])
        assert funnel == [{"entered": 1, "kept": 1, "dropped": 0}]
        assert fields.get("answer") is None
        assert fields["tools"][0]["function"]["name"] == tool
        assert made["completion"].endswith("It is done.")
        assert f"{tool}(" in made["completion"]
    properties = fields["tools"][0]["function"]["parameters"]
    assert properties == {"type": "object", "properties": {"n": {"type": "number"}, "x": {}}}


@pytest.mark.parametrize(
    ("path", "maps"),
    [
        ("toolbench/instruction/G1_query.json", ["prompt=query", "tools=api_list"]),
        ("bfcl/BFCL_v4_parallel.jsonl", ["prompt=question.0.0.content", "tools=function"]),
    ],
)
def test_tools_are_called_for_real_tool_sets(shared_data, tmp_path, endpoint, none, path, maps):
    made, ((row),) = solve_with_tools(tmp_path, endpoint(none, says="It is done."), shared_data / path, *maps)
    assert row["entered"] == row["kept"] == len(made) > 0
