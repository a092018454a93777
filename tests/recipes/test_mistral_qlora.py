"""mistral-qlora: an adapter over a Mistral from scratch; in four bits where bitsandbytes is, and told with the cure where it is not."""

import importlib.util
import json
from pathlib import Path

import pytest
from support import refused, sql
from support_recipes import flywheel, init_recipe, write_rows

pytestmark = pytest.mark.recipes
QUANTISES = importlib.util.find_spec("bitsandbytes") is not None


def test_an_adapter_is_trained_on_a_small_mistral(miniature):
    made = miniature("mistral-qlora", page=True, lacks="" if QUANTISES else "bitsandbytes")
    ((_, first, last),) = made.losses
    assert made.rows == {"sft/rows": 28} and last < 0.7 * first
    (heldout,) = [s for s in made.scores if (s["suite"], s["metric"]) == ("heldout", "loss")]
    assert heldout["n"] == 4 and heldout["after"] < heldout["before"]
    folder = Path(made.folder) / sql(made.folder, "select path from checkpoints where stage = 'sft'")[0]["path"]
    adapter = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["lora_alpha"]) == (64, 16) and (folder / "model.safetensors").is_file()


def test_four_bits_train_where_bitsandbytes_is_and_are_refused_with_the_cure_elsewhere(tmp_path, shared_data):
    folder = init_recipe(tmp_path / "mistral", "mistral-qlora")
    lines = (shared_data / "dailydialog/dailydialog_valid.jsonl").read_text(encoding="utf-8").split("\n")[100:130]
    talks = [[t["text"].strip() for t in json.loads(line)["dialogue"]][:4] for line in lines]
    rows = [[{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(t)] for t in talks]
    write_rows(folder / "talks.jsonl", [{"messages": said} for said in rows if len(said) == 4])
    (folder / "real.yaml").write_text("extends: qlora.yaml\ntrain: {rows: talks.jsonl}\n")
    done = flywheel(folder, "train", recipe="real.yaml", check=0 if QUANTISES else 2)
    if QUANTISES:
        assert sql(folder, "select count(*) as n from checkpoints where stage = 'sft'") == [{"n": 1}]
    else:
        refused(done, "train.quantization", "bitsandbytes", "train.python")
