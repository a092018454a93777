"""What a new version of a document leaves behind is no work any more, and is not exported without a word."""

import json

from support import run_cli, sql
from support_flow import STEPS, add_chunks, make_flow_project, write_recipe

ONE = STEPS[:1]


def test_planned_chunks_of_a_replaced_version_are_not_asked(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=40, steps=ONE, engine={"concurrency": 1}, budget={"requests": 5})
    server = endpoint(none)
    run_cli(folder, "generate", env=server.env, check=1)
    asked = len(server.answered())
    add_chunks(folder, [0, 100, 101], version=2)
    write_recipe(folder, ONE)
    dry = run_cli(folder, "generate", "--dry-run", env=server.env, check=0).stdout
    assert "Passage 30 " not in dry
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == asked + 2
    (row,) = sql(folder, "select entered, kept, dropped from funnel where step = 'notes'")
    assert row["entered"] == row["kept"] + row["dropped"] == asked + 2

    add_chunks(folder, range(40), version=3)  # changed back: what was left is work again
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == 40 + 2

    add_chunks(folder, [0], version=4)
    out = tmp_path / "out.jsonl"
    flags = ("export", "--format", "trl", "--what", "samples", "--output", str(out))
    said = run_cli(folder, *flags, check=0).stderr
    kept = sql(folder, "select count(*) as n from samples")[0]["n"]
    prompts = [json.loads(line)["prompt"][0]["content"] for line in out.read_text().splitlines()]
    assert {p.partition(" with")[0] for p in prompts} == {"Passage 0"}
    assert f"{kept - len(prompts)} rows set aside: of a document or set whose version in use" in said
