"""Each method trains a tiny model for real, in this process, by the function that the training process runs."""

import json
import math
import shutil

import pytest
from flywheel.errors import InputError, RecipeError
from flywheel.train._shared import split_shared
from support_train import SEED_MODEL, losses, train_here

pytestmark = pytest.mark.filterwarnings("ignore")

FAST = {"learning_rate": 1e-3, "per_device_train_batch_size": 4, "num_train_epochs": 2, "logging_steps": 1}


def ask(i):
    return [{"role": "user", "content": f"How much is {i} plus {i}?"}]


def say(text):
    return [{"role": "assistant", "content": str(text)}]


PAIRS = [{"prompt": ask(i), "chosen": say(f"It is {i + i}."), "rejected": say(f"No idea of {i}.")} for i in range(12)]
SFT = [{"prompt": p["prompt"], "completion": p["chosen"]} for p in PAIRS]
KTO = [
    {"prompt": p["prompt"], "completion": p[c], "label": c == "chosen"} for p in PAIRS for c in ("chosen", "rejected")
]


def loads(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer("How much is 2 plus 2?", return_tensors="pt")
    return model.generate(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"], max_new_tokens=3)


def test_sft(tmp_path):
    result, events, out = train_here(tmp_path, "sft", SEED_MODEL, SFT, FAST)
    assert losses(result)[-1] < losses(result)[0]
    assert loads(out) is not None
    kinds = [e["event"] for e in events]
    assert kinds.count("step") == 6
    assert {"loss", "learning_rate", "step"} <= next(e for e in events if e["event"] == "log").keys()
    assert result["metrics"]["steps"] == 6
    card = (out / "README.md").read_text()
    assert "snap_test" in card and "ckpt_base" in card and "12 of the" in card


def test_sft_on_messages_with_packing(tmp_path):
    rows = [{"messages": r["prompt"] + r["completion"]} for r in SFT]
    result, _, _ = train_here(
        tmp_path, "sft", SEED_MODEL, rows, FAST | {"packing": True, "packing_strategy": "wrapped", "max_length": 64}
    )
    assert losses(result)[-1] < losses(result)[0]


@pytest.mark.parametrize("loss", ["ipo", ["sigmoid", "sft"]])
def test_dpo_and_its_losses(tmp_path, loss):
    weights = {"loss_weights": [1.0, 0.5]} if isinstance(loss, list) else {}
    args = FAST | {"loss_type": loss, **weights, "learning_rate": 1e-4}
    result, _, out = train_here(tmp_path, "dpo", SEED_MODEL, PAIRS, args)
    assert losses(result)[-1] < losses(result)[0]
    assert result["config"]["precompute_ref_log_probs"] is True, "two epochs: the reference is asked once"
    assert loads(out) is not None


def test_dpo_of_one_epoch_needs_no_precomputed_reference(tmp_path):
    result, _, _ = train_here(tmp_path, "dpo", SEED_MODEL, PAIRS, FAST | {"num_train_epochs": 1})
    assert "precompute_ref_log_probs" not in result["config"]


def test_the_reference_of_dpo_is_where_it_starts(tmp_path):
    """At the first step policy and reference are the same: the loss is -log sigmoid(0)."""
    result, _, _ = train_here(tmp_path, "dpo", SEED_MODEL, PAIRS, FAST | {"max_steps": 1})
    assert losses(result)[0] == pytest.approx(math.log(2), abs=1e-4)


def test_kto(tmp_path):
    result, _, out = train_here(tmp_path, "kto", SEED_MODEL, KTO, FAST | {"learning_rate": 1e-4})
    assert losses(result)[-1] < losses(result)[0]
    assert loads(out) is not None


def test_grpo_learns_from_functions_that_an_entry_point_makes(tmp_path):
    rows = [{"prompt": p["prompt"], "answer": str(2 * i)} for i, p in enumerate(PAIRS)]
    args = {
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 8,
        "max_steps": 2,
        "logging_steps": 1,
    }
    rewards = {
        "entry": "flywheel.loop._rewards:make_rewards",
        "spec": [{"verifier": "math", "options": {}, "expected": "answer"}],
        "folder": str(tmp_path),
        "columns": ["answer"],
    }
    result, events, out = train_here(tmp_path, "grpo", SEED_MODEL, rows, args, rewards=rewards)
    logged = [e for e in result["log"] if "reward" in e]
    assert len(logged) == 2
    assert all(e["tokens"] > 0 for e in events if e["event"] == "log")
    assert all(0 <= e["rewards/math/mean"] <= 1 for e in logged)
    assert loads(out) is not None


def test_a_reward_model(tmp_path):
    result, _, out = train_here(tmp_path, "reward", SEED_MODEL, PAIRS, FAST)
    from transformers import AutoModelForSequenceClassification

    assert losses(result)[-1] < losses(result)[0]
    assert AutoModelForSequenceClassification.from_pretrained(out).config.num_labels == 1


def test_the_stages_of_a_curriculum_follow_one_another(tmp_path):
    stages = ({"rows": [0, 0.5], "args": {}}, {"rows": [0.5, 1.0], "args": {"learning_rate": 1e-4}})
    args = FAST | {"num_train_epochs": 1}
    result, events, out = train_here(tmp_path, "sft", SEED_MODEL, SFT, args, curriculum=stages, curriculum_by="length")
    assert result["metrics"]["steps"] == 4
    assert [e["step"] for e in result["log"] if "loss" in e] == [1, 2, 3, 4]
    assert [e["step"] for e in events if e["event"] == "step"] == [1, 2, 3, 4]
    assert result["config"]["learning_rate"] == 1e-4
    assert loads(out) is not None
    shutil.rmtree(out)  # as after a kill in the second stage: the first is not trained again
    again, events, _ = train_here(tmp_path, "sft", SEED_MODEL, SFT, args, curriculum=stages, curriculum_by="length")
    assert [e["step"] for e in events if e["event"] == "step"] == [3, 4]
    assert losses(again) == losses(result)


def test_reasoning_is_kept_or_stripped(tmp_path):
    from flywheel.train.child._rows import read_rows
    from flywheel.train.methods import find_method

    row = {"prompt": ask(1), "completion": say("<think>one and one</think>\nIt is 2.")}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    kept, stripped = (read_rows(str(path), {"reasoning": r}, find_method("sft")) for r in ("keep", "strip"))
    assert kept == [row]
    assert stripped[0]["completion"] == say("It is 2.")


def test_states_saved_by_the_clock_change_nothing(tmp_path):
    plain, _, _ = train_here(tmp_path / "plain", "sft", SEED_MODEL, SFT, FAST)
    saved, events, _ = train_here(tmp_path / "saved", "sft", SEED_MODEL, SFT, FAST, save_every_s=1e-6)
    assert losses(saved) == losses(plain)
    assert [e for e in events if e["event"] == "saved"]
    assert [*(tmp_path / "saved" / "trainer").glob("checkpoint-*/trainer_state.json")]


def test_a_chat_template_of_ones_own_is_trained_with_and_saved(tmp_path):
    from transformers import AutoTokenizer

    template = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{% endfor %}"
    _, _, out = train_here(tmp_path, "sft", SEED_MODEL, SFT, FAST | {"max_steps": 1}, chat_template=template)
    assert AutoTokenizer.from_pretrained(out).chat_template == template


def test_rows_in_an_order_are_read_in_it(tmp_path):
    result, _, _ = train_here(tmp_path, "sft", SEED_MODEL, SFT, FAST | {"max_steps": 1}, curriculum_by="length")
    assert result["config"]["train_sampling_strategy"] == "sequential"


MARKED = (
    "{% for m in messages %}{{ m['role'] }}: {% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}\n"
    "{% endgeneration %}{% else %}{{ m['content'] }}\n{% endif %}{% endfor %}"
)


@pytest.mark.parametrize(
    ("template", "given", "made"),
    [(MARKED, {}, True), (MARKED, {"assistant_only_loss": False}, False), (None, {}, None)],
)
def test_messages_teach_what_the_assistant_says_where_the_template_marks_it(tmp_path, template, given, made):
    rows = [{"messages": r["prompt"] + r["completion"]} for r in SFT]
    args = FAST | {"max_steps": 1, **given}
    result, _, _ = train_here(tmp_path, "sft", SEED_MODEL, rows, args, chat_template=template)
    assert result["config"].get("assistant_only_loss") is made


@pytest.mark.parametrize(
    ("rows", "received"),
    [
        ([{"messages": r["prompt"] + r["completion"]} for r in SFT], "a template without {% generation %}"),
        ([{"text": "a"}, {"text": "b"}], "rows with text"),
    ],
)
def test_a_loss_on_the_assistant_alone_that_cannot_be_had_is_refused(tmp_path, rows, received):
    with pytest.raises(RecipeError) as caught:
        train_here(tmp_path, "sft", SEED_MODEL, rows, FAST | {"assistant_only_loss": True})
    assert caught.value.place == "recipe key train.sft.assistant_only_loss"
    assert caught.value.received == received


def test_a_row_in_which_the_template_marks_nothing_is_told_with_what_to_do(tmp_path):
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}],
    }
    template = MARKED.replace("{{ m['content'] }}\n{% endgeneration %}", "{{ m['content'] }}{% endgeneration %}")
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    rows = [{"messages": ask(1) + say(2)}, {"messages": [*ask(1), call], "tools": tools}]
    with pytest.raises(RecipeError) as caught:
        train_here(tmp_path, "sft", SEED_MODEL, rows, FAST | {"max_steps": 1}, chat_template=template)
    assert "assistant_only_loss to false" in caught.value.cure


@pytest.mark.parametrize("method", ["dpo", "reward"])
def test_pairs_in_the_form_of_ultrafeedback_are_those_whose_prompt_stands_apart(tmp_path, method):
    whole = [
        {
            "prompt": r["prompt"][0]["content"],
            **{c: r["prompt"] + r[c] for c in ("chosen", "rejected")},
            "score_chosen": 8.0,
        }
        for r in PAIRS
    ]
    apart, given = (
        train_here(tmp_path / str(i), method, SEED_MODEL, rows, FAST) for i, rows in enumerate((PAIRS, whole))
    )
    assert given[0]["faults"] == [] and given[0]["metrics"]["n_rows"] == len(PAIRS)
    if method == "dpo":  # the head of a reward model begins at random
        assert losses(given[0]) == losses(apart[0])


def test_the_shared_beginning_of_a_pair_is_its_prompt_as_trl_has_it():
    from trl import maybe_extract_prompt

    system, more = {"role": "system", "content": "Be brief."}, say("Go on.") + ask(7)
    for first, prompt in (
        (ask(1), "first"),
        ([system, *ask(1)], "second"),
        (ask(1) + more, "first"),
        (ask(1) + more, "last"),
    ):
        text = {"first": first[0], "second": first[-1], "last": first[-1]}[prompt]["content"]
        row = {"prompt": f" {text}\n", "chosen": first + say("a"), "rejected": first + say("b")}
        found = split_shared(row)
        assert found == {"prompt": first, "chosen": say("a"), "rejected": say("b")}
        assert found == maybe_extract_prompt(row)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"prompt": "another question", "chosen": ask(1) + say("a"), "rejected": ask(1) + say("b")}, "roles"),
        ({"prompt": ask(1)[0]["content"], "chosen": ask(1) + say("a"), "rejected": ask(2) + say("b")}, "roles"),
        ({"prompt": ask(1)[0]["content"], "chosen": ask(1) + say("a"), "rejected": ask(1) + say("a")}, "identical"),
        ({"prompt": ask(1)[0]["content"], "chosen": ask(1) + say("a"), "rejected": ask(1)}, "roles"),
    ],
)  # fmt: skip
def test_a_pair_without_one_beginning_is_a_drop_as_before(tmp_path, row, kind):
    result, _, _ = train_here(tmp_path, "dpo", SEED_MODEL, [*PAIRS[:2], row], FAST | {"max_steps": 1})
    assert [(f["ordinal"], f["kind"]) for f in result["faults"]] == [(2, kind)]


def test_a_table_whose_cells_are_text_trains_kto_and_a_curriculum(tmp_path):
    """What a CSV file gives: ``true`` and ``1`` are texts there."""
    rows = [{"prompt": f"{i}+{i}=", "completion": f" {2 * i}", "label": ("true", "False")[i % 2]} for i in range(8)]
    result, _, _ = train_here(tmp_path / "kto", "kto", SEED_MODEL, rows, FAST | {"max_steps": 1})
    assert result["faults"] == []
    ordered = [{"prompt": f"{i}+{i}", "completion": f"is {2 * i}", "hard": str(9.5 - i)} for i in range(8)]
    result, _, _ = train_here(
        tmp_path / "sft", "sft", SEED_MODEL, ordered, FAST | {"max_steps": 1}, curriculum_by="hard"
    )
    assert result["faults"] == []
    with pytest.raises(InputError) as caught:
        train_here(tmp_path / "no", "sft", SEED_MODEL, ordered, FAST | {"max_steps": 1}, curriculum_by="hardness")
    assert caught.value.received == "no such column; there are prompt, completion, hard"
    assert "name a column that holds numbers (hard)" in caught.value.cure


def test_a_curriculum_by_a_column_sorts_numbers_that_are_texts():
    from flywheel.train.child._rows import order

    rows = [{"n": "10"}, {"n": 9}, {"n": "9.5"}, {"n": "-1e1"}]
    assert [row["n"] for row in order(rows, "n", ())] == ["-1e1", 9, "9.5", "10"]
    for bad in (True, "nan", "many", None):
        with pytest.raises(InputError):
            order([*rows, {"n": bad}], "n", ())
