"""Tiny models of each kind, made from their configs, and jobs on them."""

import json
import os
from pathlib import Path

from flywheel.train import Shape

SEED_MODEL = Path(__file__).resolve().parent.parent / "seed" / "model"
CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for p in m['content'] or [] %}{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer(texts, **tokens):
    """Return a byte-level tokenizer of 400 tokens, trained on ``texts``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<pad>", "<eos>", "<image>", "<cls>", "<sep>", "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>"]
    raw.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False,
                                   initial_alphabet=pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        eos_token="<eos>",
        chat_template=CHAT,
        model_max_length=100_000,
        **tokens,
    )


def make_model(kind, folder, texts=("a small text",)):
    """Write a tiny model of ``kind`` with its tokenizer; return the folder."""
    import torch
    import transformers as t

    torch.manual_seed(0)
    tokenizer = make_tokenizer(texts)
    n = len(tokenizer)
    small = {"vocab_size": n, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1}
    if kind == "gpt2":
        model = t.GPT2LMHeadModel(t.GPT2Config(n_embd=64, n_layer=2, n_head=2, n_positions=512, **small))
    elif kind == "llama":
        model = t.LlamaForCausalLM(_llama(n))
    elif kind == "t5":
        model = t.T5ForConditionalGeneration(
            t.T5Config(vocab_size=n, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, pad_token_id=0,
                       eos_token_id=1, decoder_start_token_id=0, dropout_rate=0.0)
        )  # fmt: skip
    elif kind == "bert":
        model = t.BertForMaskedLM(
            t.BertConfig(vocab_size=n, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
                         max_position_embeddings=512, pad_token_id=0)
        )  # fmt: skip
    else:
        return _make_llava(folder, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _llama(n):
    import transformers as t

    return t.LlamaConfig(
        vocab_size=n, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=1024, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip


def _make_llava(folder, tokenizer):
    import transformers as t

    vision = t.CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        projection_dim=32,
    )  # fmt: skip
    config = t.LlavaConfig(
        vision_config=vision, text_config=_llama(len(tokenizer)), image_token_index=2, vision_feature_layer=-1
    )
    t.LlavaForConditionalGeneration(config).save_pretrained(folder)
    images = t.CLIPImageProcessor(size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32})
    tokenizer.image_token = "<image>"
    t.LlavaProcessor(
        image_processor=images, tokenizer=tokenizer, patch_size=8, vision_feature_select_strategy="default",
        chat_template=CHAT, image_token="<image>", num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


ORIGIN = {
    "checkpoint_id": "ckpt_test", "run_id": "run_test", "recipe": "test", "iteration": 1, "method": "sft", "title": "a test",
    "parents": ["`ckpt_base` (seed)"], "snapshot_id": "snap_test", "n_rows": 0, "base_model": "tiny", "versions": {},
}  # fmt: skip


def train_here(
    folder, method, model, rows, args=None, *, heldout=None, root=None, seed=1, save_every_s=0.0, on_event=None, **shape
):
    """Train in this process, by the very function that the training process runs; return (result, events, checkpoint).

    ``rows=None``: those of an earlier call.
    """
    from flywheel.train.child import train

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    folder.mkdir(parents=True, exist_ok=True)
    events = []
    held = heldout and str(write_rows(folder / "heldout.jsonl", heldout))
    job = {
        "method": method, "model": str(model), "data": str(folder / "rows.jsonl" if rows is None else write_rows(folder / "rows.jsonl", rows)),
        "out": str(folder / "out"), "args": {"report_to": "none", **(args or {})}, "seed": seed, **Shape(**shape).contract(),
        "save_every_s": save_every_s, "heldout": held, "unseen": held, "root": str(root or folder), "card": ORIGIN | {"method": method},
        "base_name": Path(model).name,
    }  # fmt: skip

    def take(event):
        events.append(event)
        if on_event is not None:
            on_event(event)

    return train(job, folder, take), events, folder / "out"


def skip_the_process(monkeypatch):
    """Let trainings run in this process, by the very function that the training process runs; return the list of their jobs.

    Loading torch and TRL costs a process seconds. That the process itself works is seen by test_resume and test_where.
    """
    from flywheel.train import _adapter, _stage
    from flywheel.train._merge import merge
    from flywheel.train.child import train

    jobs = []

    def run_here(module, job, folder, **kwargs):
        folder.mkdir(parents=True, exist_ok=True)
        jobs.append(json.loads(json.dumps(job)))
        return json.loads(json.dumps(train(job, folder, kwargs["on_event"])))

    monkeypatch.setattr(_stage, "run_stage", run_here)
    monkeypatch.setattr(_adapter, "run_stage", lambda module, job, folder: merge(job, folder, lambda event: None))
    return jobs


def losses(result):
    return [entry["loss"] for entry in result["log"] if "loss" in entry]
