"""gpt2-chat: a model from scratch learns turns by a template of its own; real dialogues, and what is wrong in some."""

import json
from pathlib import Path

import pytest
from support import sql
from support_recipes import flywheel, init_recipe, read_rows, write_rows

pytestmark = pytest.mark.recipes


def heldout(made):
    (found,) = [s for s in made.scores if (s["suite"], s["metric"]) == ("heldout", "loss")]
    return found["before"], found["after"], found["n"]


def test_it_learns_to_answer_and_to_stop(miniature):
    made = miniature("gpt2-chat", page=True)
    ((_, first, last),) = made.losses
    assert made.rows == {"sft/rows": 30} and last < 0.1 * first
    before, after, n = heldout(made)
    assert n == 4 and after < 0.3 * before
    before, after, n = made.score("chat")
    assert n == 6 and before == 0 and after > 0
    assert "tiny: 6 of 6 answers of chat/gate were cut" in (Path(made.folder) / "before_after.md").read_text()
    saved = sql(made.folder, "select path from checkpoints where stage = 'sft'")[0]["path"]
    template = Path(made.folder) / saved / "chat_template.jinja"
    assert template.read_text() == (Path(made.folder) / "chat.jinja").read_text()


def test_real_dialogues_train_and_broken_turns_do_not(miniature, shared_data):
    lines = (shared_data / "dailydialog/dailydialog_valid.jsonl").read_text(encoding="utf-8").split("\n")[:60]
    said = [[t["text"].strip() for t in json.loads(line)["dialogue"]] for line in lines]
    rows = [
        {"messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts[: len(texts) // 2 * 2])]}
        for texts in said
    ]  # fmt: skip
    rows[3]["messages"][1]["role"] = "user"  # two turns of one role in a row
    rows[5]["messages"][-1]["content"] = "\u200b "  # an answer that nobody sees

    def prepare(folder):
        write_rows(folder / "dialogues.jsonl", rows)
        (folder / "real.yaml").write_text(
            "extends: mini.yaml\ntrain:\n  rows: dialogues.jsonl[0:50]\n  heldout: dialogues.jsonl[50:60]\n"
            "  sft: {num_train_epochs: 2}\n"
        )

    made = miniature("gpt2-chat", prepare=prepare, variant="real.yaml", commands=["train"])
    reasons = [reason for reason in made.drops if reason.startswith("sft/preflight")]
    assert any("turns:" in r for r in reasons) and any("empty:" in r for r in reasons), made.drops
    assert all("overlong" in r for r in reasons if "turns:" not in r and "empty:" not in r)
    ((_, first, last),) = made.losses
    before, after, _ = heldout(made)
    assert last < first and after < before


def test_real_rows_that_all_end_alike_are_told_before_a_model_learns_it(tmp_path, shared_data):
    folder = init_recipe(tmp_path / "p", "gpt2-chat")
    rows = shared_data / "ms_foundry_ft/Supervised_Fine_Tuning/Text-GSM8K/chat_train.jsonl"
    write_rows(folder / "chats.jsonl", read_rows(rows)[:100])
    (folder / "real.yaml").write_text("extends: mini.yaml\ntrain: {rows: chats.jsonl, heldout: null}\n")
    done = flywheel(folder, "data", "check", recipe="real.yaml", check=None)
    assert "100 of 100 completions end in '!!!': a model trained on them will say so too" in done.stderr
