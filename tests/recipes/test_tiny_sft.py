"""tiny-sft: 25 rows checked, an adapter trained, five questions asked before and after."""

import json
from pathlib import Path

import pytest
import yaml
from support import sql
from support_recipes import flywheel, init_recipe, table_rows, write_rows

pytestmark = pytest.mark.recipes


def test_25_rows_are_checked_learnt_and_seen_in_five_answers(miniature):
    made = miniature("tiny-sft", page=True)
    folder = Path(made.folder)
    counted = [row[:3] for row in table_rows(next(s for s in made.said if "data check" in s))]
    assert counted == [[name, "5", "5"] for name in ("facts", "courtesy", "length", "refusals", "general")]
    assert made.rows == {"sft/rows": 25} and made.drops == {}
    ((_, first, last),) = made.losses
    assert last < 0.75 * first
    (heldout,) = [s for s in made.scores if (s["suite"], s["metric"]) == ("heldout", "loss")]
    assert heldout["n"] == 5 and heldout["after"] < 0.7 * heldout["before"]
    assert "| manner | gate | pass,none |" in (folder / "before_after.md").read_text()
    counts = (
        "select count(*) as n from score_items join scores using (score_id) where metric = 'pass,none' group by item_id"
    )
    assert [row["n"] for row in sql(folder, counts)] == [2] * 5
    train = yaml.safe_load((folder / "recipe.yaml").read_text())["train"]
    assert train["peft"] == {"r": 16, "lora_alpha": 32, "lora_dropout": 0.1, "target_modules": "all-linear"}
    keys = {"learning_rate": 5e-5, "num_train_epochs": 3, "per_device_train_batch_size": 4}
    assert keys.items() <= train["sft"].items()


def test_real_rows_are_checked_before_anything_is_trained(tmp_path, shared_data):
    tiny = init_recipe(tmp_path / "tiny", "tiny-sft")
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
