"""tiny-sft: 25 rows checked, an adapter trained, five questions asked before and after."""

import json

import pytest
import yaml
from support import sql
from support_recipes import before_after, drops, flywheel, losses, run_page, table_rows, write_rows


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    printed = run_page(folder, "tiny-sft")
    (folder / "check.txt").write_text(printed["flywheel data check --recipe mini.yaml --by category"])
    return folder


def test_the_rows_are_25_in_five_categories_and_all_of_them_stay(tiny):
    rows = [row[:3] for row in table_rows((tiny / "check.txt").read_text())]
    assert rows == [[name, "5", "5"] for name in ("facts", "courtesy", "length", "refusals", "general")]
    assert drops(tiny) == {}


def test_the_adapter_is_the_one_that_the_recipe_is_known_for(tiny):
    train = yaml.safe_load((tiny / "recipe.yaml").read_text())["train"]
    assert train["peft"] == {"r": 16, "lora_alpha": 32, "lora_dropout": 0.1, "target_modules": "all-linear"}
    keys = {"learning_rate": 5e-5, "num_train_epochs": 3, "per_device_train_batch_size": 4}
    assert keys.items() <= train["sft"].items()


def test_it_learns_and_shows_five_questions_before_and_after(tiny):
    path = losses(tiny, "sft")
    assert len(path) == 35 and sum(path[-8:]) < 0.8 * sum(path[:8])
    before, after, n = before_after(tiny, "heldout", "loss")
    assert n == 5 and after < 0.7 * before
    report = (tiny / "before_after.md").read_text()
    assert "| manner | gate | pass,none |" in report
    items = sql(
        tiny, "select item_id, count(*) as n from score_items join scores using (score_id) where metric = 'pass,none' group by all"
    )  # fmt: skip
    assert len(items) == 5 and {i["n"] for i in items} == {2}


def test_real_rows_are_checked_before_anything_is_trained(tiny, shared_data):
    given = json.loads((shared_data / "alpaca/alpaca_en_demo.json").read_text())[:40]
    chat = [
        {"category": "long" if len(r["output"]) > 400 else "short", "prompt": [{"role": "user", "content": f"{r['instruction']}\n{r['input']}".strip()}],
         "completion": [{"role": "assistant", "content": r["output"]}]}
        for r in given
    ]  # fmt: skip
    held = json.loads((tiny / "heldout.jsonl").read_text().splitlines()[0])
    write_rows(tiny / "alpaca.jsonl", [*chat, chat[0], held | {"category": "held"}])
    (tiny / "real.yaml").write_text("extends: mini.yaml\ntrain: {rows: alpaca.jsonl}\n")
    done = flywheel(tiny, "data", "check", "--by", "category", recipe="real.yaml", check=1)
    reasons = {int(row[0]): " ".join(row[2:4]) for row in table_rows(done.stdout) if row[0].isdigit()}
    assert "exact: of row 1," in reasons.pop(41) and "held_out" in reasons.pop(42)
    assert "boilerplate: [Your Name]" in reasons[34] and "repetition" in reasons[32] and "overlong" in reasons[1]
    assert f"alpaca.jsonl: 42 rows, {40 - len(reasons)} would be trained on, {len(reasons) + 2} not" in done.stdout
