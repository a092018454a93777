"""tinyllama-instruct: rows in Alpaca's columns become conversations; real ones with empty outputs."""

import json

import pytest
from support import sql
from support_recipes import flywheel, init_recipe, table_rows

pytestmark = pytest.mark.recipes


def test_instructions_are_learnt(miniature):
    made = miniature("tinyllama-instruct", page=True)
    ((_, first, last),) = made.losses
    assert made.rows == {"sft/rows": 36} and made.drops == {} and last < 0.4 * first
    (heldout,) = [s for s in made.scores if (s["suite"], s["metric"]) == ("heldout", "loss")]
    assert heldout["n"] == 6 and heldout["after"] < 0.6 * heldout["before"]
    before, after, n = next(
        (s["before"], s["after"], s["n"]) for s in made.scores if (s["suite"], s["metric"]) == ("follow", "score,none")
    )
    assert n == 10 and after > before
    (row,) = sql(made.folder, "select fields from samples where fields like '%Add the two%' limit 1")
    said = json.loads(row["fields"])
    assert list(said) == ["messages"] and said["messages"][0]["content"].startswith("Add the two numbers.\n")


def test_of_real_rows_those_without_an_output_are_told(tmp_path, shared_data):
    folder = init_recipe(tmp_path / "tinyllama", "tinyllama-instruct")
    (folder / "code.json").write_bytes((shared_data / "codealpaca/code_alpaca_2k.json").read_bytes())
    (folder / "real.yaml").write_text(
        "extends: mini.yaml\ntrain:\n  rows: code.json[230:260]\n  heldout: code.json[260:270]\n  sft: {max_length: 1024}\n"
    )
    done = flywheel(folder, "data", "check", recipe="real.yaml", check=1)
    reasons = {int(row[0]): row[2] for row in table_rows(done.stdout) if row[0].isdigit()}
    assert "empty" in reasons[238]
    assert f"code.json[230:260]: 30 rows, {30 - len(reasons)} would be trained on" in done.stdout and len(reasons) < 10
