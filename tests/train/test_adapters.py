"""Adapters: trained, merged into whole weights or kept as they are, loadable by plain transformers and PEFT."""

import importlib.util
import json

import pytest
import yaml
from flywheel.errors import MissingExtraError, RecipeError
from flywheel.store import Project
from flywheel.train import check_train, export_checkpoint, merged_folder
from support import run_cli, sql
from support_train import SEED_MODEL, losses, make_model, train_here, write_rows

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [
    {"prompt": [{"role": "user", "content": f"How much is {i} plus {i}?"}],
     "completion": [{"role": "assistant", "content": f"It is {2 * i}."}]}
    for i in range(25)
]  # fmt: skip
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.1, "target_modules": "all-linear"}
ARGS = {"learning_rate": 1e-2, "num_train_epochs": 1, "per_device_train_batch_size": 4, "logging_steps": 1}


def logits(folder):
    import torch
    from transformers import AutoModelForCausalLM

    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([[5, 6, 7]])).logits


def test_an_adapter_is_merged_when_it_is_published_and_kept_beside(tmp_path):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    args = {"learning_rate": 5e-5, "num_train_epochs": 3, "per_device_train_batch_size": 4, "logging_steps": 1}
    result, _, out = train_here(tmp_path, "sft", SEED_MODEL, ROWS, args, heldout=ROWS[:5], peft=LORA)
    before, after = result["metrics"]["before"]["loss"], result["metrics"]["after"]["loss"]
    assert after < before
    assert f"| loss | {before:.4f} | {after:.4f} |" in (out / "README.md").read_text()
    assert result["config"]["peft"] == LORA
    assert not torch.allclose(logits(out), logits(SEED_MODEL), atol=1e-3)
    base = AutoModelForCausalLM.from_pretrained(SEED_MODEL)
    with torch.no_grad():
        adapted = PeftModel.from_pretrained(base, out / "adapter").eval()(torch.tensor([[5, 6, 7]])).logits
    assert torch.allclose(logits(out), adapted, atol=1e-4)


def test_an_adapter_that_stays_one_is_merged_when_it_is_used(tmp_path):
    _, _, out = train_here(tmp_path / "job", "sft", SEED_MODEL, ROWS, ARGS | {"max_steps": 2}, peft=LORA, merge=False)
    assert not (out / "config.json").exists()
    named = json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert named == SEED_MODEL.name
    project = Project(tmp_path / "project")
    project.root.mkdir()
    project.make_folders()
    merged = merged_folder(project, "ckpt_x", out, SEED_MODEL, "sft")
    assert logits(merged).shape == logits(SEED_MODEL).shape
    assert (merged / "tokenizer.json").is_file()
    changed = (merged / "model.safetensors").stat().st_mtime_ns
    assert merged_folder(project, "ckpt_x", out, SEED_MODEL, "sft") == merged
    assert (merged / "model.safetensors").stat().st_mtime_ns == changed, "merged once"
    export_checkpoint(project, "ckpt_x", out, SEED_MODEL, "sft", tmp_path / "whole")
    export_checkpoint(project, "ckpt_x", out, SEED_MODEL, "sft", tmp_path / "small", as_adapter=True)
    assert (tmp_path / "whole" / "config.json").is_file()
    assert {"adapter_config.json", "README.md"} <= {p.name for p in (tmp_path / "small").iterdir()}


def test_dpo_with_an_adapter_has_the_weights_below_it_as_reference(tmp_path):
    rows = [
        {"prompt": r["prompt"], "chosen": r["completion"], "rejected": [{"role": "assistant", "content": "No."}]}
        for r in ROWS
    ]
    args = ARGS | {"num_train_epochs": 2, "learning_rate": 1e-3}
    result, _, out = train_here(tmp_path, "dpo", SEED_MODEL, rows[:8], args, peft=LORA)
    assert losses(result)[-1] < losses(result)[0] == pytest.approx(0.6931, abs=1e-3)
    assert sorted(p.name for p in (out / "adapter").iterdir() if p.is_dir()) == []


def test_an_encoder_decoder_and_a_classifier_with_adapters(tmp_path):
    from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

    pairs = [{"prompt": f"say {i}", "completion": f"said {i}"} for i in range(8)]
    model = make_model("t5", tmp_path / "t5")
    _, _, out = train_here(tmp_path / "a", "seq2seq", model, pairs, ARGS, peft={"r": 4})
    assert AutoModelForSeq2SeqLM.from_pretrained(out)
    labelled = [{"text": f"text {i}", "label": "odd" if i % 2 else "even"} for i in range(8)]
    _, _, out = train_here(
        tmp_path / "b", "classify", make_model("bert", tmp_path / "bert"), labelled, ARGS, peft={"r": 4}
    )
    assert AutoModelForSequenceClassification.from_pretrained(out).config.id2label == {0: "even", 1: "odd"}


def test_the_stages_of_a_curriculum_go_on_with_one_adapter(tmp_path):
    stages = ({"rows": [0, 0.5], "args": {}}, {"rows": [0.5, 1.0], "args": {}})
    result, _, out = train_here(tmp_path, "sft", SEED_MODEL, ROWS, ARGS, peft=LORA, curriculum=stages)
    assert losses(result)[-1] < losses(result)[0]
    assert (out / "adapter" / "adapter_config.json").is_file() and (out / "config.json").is_file()


@pytest.mark.parametrize(
    ("train", "place", "cure"),
    [
        ({"peft": {"r": 16, "alpha": 32}}, "train.peft.alpha", "did you mean 'lora_alpha'?"),
        ({"peft": {"dropout": 0.1}}, "train.peft.dropout", "did you mean 'lora_dropout'?"),
        ({"peft": {"target_module": []}}, "train.peft.target_module", "did you mean 'target_modules'?"),
        ({"peft": {"r": 0}}, "train.peft.r", "above 0"),
        ({"peft": {"task_type": "CAUSAL_LM"}}, "train.peft.task_type", "flywheel sets it"),
        ({"quantization": {"load_in_4bit": True}}, "train.quantization", "add train.peft"),
        ({"peft": {}, "quantization": {"load_in_4bits": True}}, "train.quantization.load_in_4bits", "'load_in_4bit'"),
        ({"peft": {}, "quantization": {"load_in_4bit": 4}}, "train.quantization.load_in_4bit", "true or false"),
        ({"kto": {"desireable_weight": 1}}, "train.kto.desireable_weight", "'desirable_weight'"),
        ({"grpo": {"num_generation": 4}}, "train.grpo.num_generation", "'num_generations'"),
        ({"grpo": {"loss_type": "dapoo"}}, "train.grpo.loss_type", "'dapo'"),
        ({"seq2seq": {"beam_search": 4}}, "train.seq2seq.beam_search", ""),
        ({"curriculum": [{"args": {"beta": 1}}]}, "train.curriculum.0.args.beta", ""),
    ],
)
def test_names_are_those_of_the_installed_packages(tmp_path, train, place, cure):
    from flywheel.config import TrainConfig

    with pytest.raises(RecipeError) as caught:
        check_train(TrainConfig(**train), tmp_path)
    assert caught.value.place == f"recipe key {place}"
    assert cure in caught.value.cure


def test_a_tracker_that_is_not_installed_is_told_before_anything_is_loaded(tmp_path):
    from flywheel.config import TrainConfig

    with pytest.raises(MissingExtraError, match="clearml"):
        check_train(TrainConfig(sft={"report_to": ["none", "clearml"]}), tmp_path)
    check_train(TrainConfig(sft={"report_to": "none"}), tmp_path)


def test_a_tracker_gets_every_line(tmp_path):
    """What TensorBoard is told, in files that outlast the training, is what train_log holds."""
    import struct

    from tensorboardX.proto.event_pb2 import Event

    folder = tmp_path / "p"
    folder.mkdir()
    write_rows(folder / "rows.jsonl", [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in range(16)])
    keys = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "report_to": "tensorboard", "logging_steps": 1}
    recipe = {"name": "told", "model": "seed", "train": {"rows": "rows.jsonl", "min_rows": 2, "sft": keys}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run_cli(folder, "train", "--method", "sft", check=0)
    (made,) = sql(folder, "select checkpoint_id from checkpoints where stage = 'sft'")
    (file,) = (folder / ".flywheel" / "tensorboard" / made["checkpoint_id"]).glob("*tfevents*")
    data, place, told = file.read_bytes(), 0, {}
    while place < len(data):  # a record: its length, 4 bytes of check sum, the event, 4 more
        (size,) = struct.unpack_from("<Q", data, place)
        event = Event.FromString(data[place + 12 : place + 12 + size])
        place += 16 + size
        told |= {(event.step, v.tag): v.simple_value for v in event.summary.value}
    logged = sql(folder, "select step, loss, learning_rate from train_log where loss is not null order by step")
    assert len(logged) == 8
    for row in logged:
        assert told[row["step"], "train/loss"] == pytest.approx(row["loss"], rel=1e-6)
        assert told[row["step"], "train/learning_rate"] == pytest.approx(row["learning_rate"], rel=1e-6)


@pytest.mark.parametrize(("given", "cure"), [("wandbb", "did you mean 'wandb'?"), (["none", "?"], "name one of these")])
def test_a_tracker_that_is_none_is_refused_with_the_nearest(tmp_path, given, cure):
    from flywheel.config import TrainConfig

    with pytest.raises(RecipeError) as caught:
        check_train(TrainConfig(dpo={"report_to": given}), tmp_path)
    assert caught.value.place == "recipe key train.dpo.report_to" and cure in caught.value.cure
    assert "wandb" in caught.value.expected and "tensorboard" in caught.value.expected


@pytest.mark.parametrize(
    ("peft", "place", "told"),
    [
        ({"target_modules": ["q_projj"]}, "train.peft.target_modules", "did you mean 'q_proj'?"),
        ({"target_modules": ["q_proj", "vproj"]}, "train.peft.target_modules", "did you mean 'v_proj'?"),
        ({"target_modules": 5}, "train.peft.target_modules", "all-linear"),
        ({"target_modules": "all_linear"}, "train.peft.target_modules", "all-linear"),
        ({"target_modules": ["q_proj"], "exclude_modules": ["q_proj"]}, "train.peft", "under train.peft"),
    ],
)
def test_modules_that_the_model_lacks_are_told_by_their_key(tmp_path, peft, place, told):
    """PEFT itself passes over a name that fits nothing beside one that fits."""
    with pytest.raises(RecipeError) as caught:
        train_here(tmp_path, "sft", SEED_MODEL, ROWS, ARGS, peft={"r": 4, **peft})
    assert caught.value.place == f"recipe key {place}" and told in caught.value.cure


def test_modules_may_be_a_pattern_or_whole_names(tmp_path):
    for i, wanted in enumerate((r".*\.(q|v)_proj", ["layers.0.self_attn.q_proj", "v_proj"])):
        args = {**ARGS, "max_steps": 1}
        _, _, out = train_here(
            tmp_path / str(i), "sft", SEED_MODEL, ROWS[:4], args, peft={"r": 4, "target_modules": wanted}
        )
        assert (out / "adapter" / "adapter_config.json").is_file()


NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_an_adapter_on_quantized_weights_is_merged_into_the_whole_ones(tmp_path):
    import torch

    result, _, out = train_here(tmp_path, "sft", SEED_MODEL, ROWS[:12], ARGS, peft=LORA, quantization=NF4)
    assert losses(result)[-1] < losses(result)[0]
    assert "quantization_config" not in json.loads((out / "config.json").read_text())
    assert not torch.allclose(logits(out), logits(SEED_MODEL), atol=1e-3)


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_quantization_is_refused_where_nothing_quantizes(tmp_path):
    from flywheel.config import TrainConfig

    config = TrainConfig(peft={"r": 4}, quantization=NF4)
    with pytest.raises(MissingExtraError, match="bitsandbytes"):
        check_train(config, tmp_path)
    with pytest.raises(
        RecipeError, match="bitsandbytes"
    ):  # said by the training process: of another interpreter, it alone knows
        train_here(tmp_path, "sft", SEED_MODEL, ROWS, peft=config.peft, quantization=config.quantization)
