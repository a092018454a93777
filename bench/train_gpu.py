"""``flywheel train`` on a GPU beside plain TRL: bf16, gradient checkpointing, QLoRA; tokens/s, peak memory, losses.

``python bench/train_gpu.py [--minutes 6] [--tiny]`` makes a Llama of 0.8 billion random weights (``--tiny``: 2 million, to
try the script itself), then trains it in each setting by both, in turn, round after round until the minutes are over, and
prints the medians. Same rows, arguments, precision; tokens/s are the trainer's own count over its own running time; wall is
the whole command's. Memory is what the device says is in use, at its highest, sampled twice a second.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import yaml
from flywheel.llm import seed_model_path
from flywheel.seed import generate_distinct

ARGS = {
    "learning_rate": 1e-4, "per_device_train_batch_size": 16, "max_length": 1024, "num_train_epochs": 1, "logging_steps": 5,
    "lr_scheduler_type": "cosine",
}  # fmt: skip
NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "bfloat16"}
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.1, "target_modules": "all-linear"}
SETTINGS = {
    "bf16": ({"gradient_checkpointing": False}, {}),
    "bf16, gradient checkpointing": ({"gradient_checkpointing": True}, {}),
    "QLoRA nf4, r=16, gradient checkpointing": (
        {"gradient_checkpointing": True}, {"peft": LORA, "quantization": NF4, "merge": False},
    ),
}  # fmt: skip

BY_HAND = """
import json, sys, torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

folder, model_path, args, more = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
rows = Dataset.from_list([json.loads(line) for line in open(folder + "/rows.jsonl")])
kwargs, peft = {}, None
if more:
    from peft import LoraConfig
    peft = LoraConfig(task_type="CAUSAL_LM", **more["peft"])
    kwargs = {"quantization_config": BitsAndBytesConfig(**more["quantization"]), "device_map": {"": 0}}
model = AutoModelForCausalLM.from_pretrained(model_path, dtype="float32", **kwargs)
tokenizer = AutoTokenizer.from_pretrained(model_path)
config = SFTConfig(output_dir=folder + "/by-hand", report_to="none", save_strategy="no", bf16=torch.cuda.is_available(),
                   disable_tqdm=True, logging_first_step=True, seed=1, **args)
trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer, peft_config=peft)
trainer.train()
trainer.save_model(folder + "/by-hand/model")
json.dump(trainer.state.log_history, open(folder + "/by-hand.json", "w"))
"""


def make_model(folder, tiny):
    """Write a Llama with random weights and the seed model's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(seed_model_path())
    width, layers = (128, 4) if tiny else (2048, 16)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=width * 11 // 4, num_hidden_layers=layers,
        num_attention_heads=width // 64 or 1, num_key_value_heads=width // 64 or 1, max_position_embeddings=2048,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(p.numel() for p in model.parameters())


def make_rows(n):
    """Return rows of several hundred tokens: questions and answers of the seed model's world, ten in a row."""
    problems = generate_distinct("loop", 1, {2: 0.5, 3: 0.5}, 10 * n)
    rows = []
    for i in range(0, len(problems), 10):
        *before, last = problems[i : i + 10]
        asked = "\n".join(f"{p.question} {p.answer}" for p in before)
        rows.append(
            {
                "prompt": [{"role": "user", "content": f"{asked}\n{last.question}"}],
                "completion": [{"role": "assistant", "content": last.answer}],
            }
        )
    return rows


class MemoryWatch(threading.Thread):
    """The highest use of the first GPU's memory in MB, while it runs; 0 without one."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()

    def run(self):
        """Sample until ``over``."""
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"]
        while shutil.which(query[0]) and not self.over.wait(0.5):
            said = subprocess.run(query, capture_output=True, text=True).stdout.strip()
            self.peak = max(self.peak, int(said) if said.isdigit() else 0)


def run(command):
    """Return (wall seconds, peak MB); what a command that fails said is printed."""
    watch, started = MemoryWatch(), time.perf_counter()
    watch.start()
    done = subprocess.run(command, capture_output=True, text=True)
    watch.over.set()
    if done.returncode:
        print("failed:", " ".join(command[:6])[:200], (done.stdout + done.stderr)[-2500:], flush=True)
        return None
    return time.perf_counter() - started, watch.peak


def read_log(folder, name):
    """Return the lines that the trainer logged."""
    if name == "by hand":
        return json.loads((folder / "by-hand.json").read_text())
    from flywheel.store import Project, run_query

    return [json.loads(e) for (e,) in run_query(Project(folder), "select entry from train_log order by rowid").rows]


def train(name, folder, model, args, more, rows):
    """Train once; return {wall, peak_mb, tokens_per_s, first, last}, None when it failed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {"name": "bench", "model": str(model), "train": {"rows": "rows.jsonl", "sft": args, **more}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "flywheel", "-C", str(folder), "train"]
    if name == "by hand":
        command = [sys.executable, "-c", BY_HAND, str(folder), str(model), json.dumps(args), json.dumps(more)]
    if (done := run(command)) is None:
        return None
    log = read_log(folder, name)
    losses = [line["loss"] for line in log if "loss" in line]
    tokens = max(line.get("num_tokens", 0) for line in log)
    seconds = next(line["train_runtime"] for line in log if "train_runtime" in line)
    return {
        "wall": done[0],
        "peak_mb": done[1],
        "tokens_per_s": tokens / seconds,
        "first": losses[0],
        "last": losses[-1],
    }


def main():
    """Measure, round after round."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--rows", type=int, default=960)
    parser.add_argument("--tiny", action="store_true")
    a = parser.parse_args()
    began = time.perf_counter()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    seen = {}
    with tempfile.TemporaryDirectory() as root:
        n_params = make_model(Path(root) / "model", a.tiny)
        rows = make_rows(a.rows)
        print(f"{n_params:,} weights, {len(rows)} rows; made in {time.perf_counter() - began:.0f} s", flush=True)
        number = 0
        while not number or time.perf_counter() - began < a.minutes * 60 * number / (number + 1):
            for setting, (args, more) in SETTINGS.items():
                for name in sorted(("flywheel", "by hand"), reverse=bool(number % 2)):
                    found = train(name, Path(root) / "p", Path(root) / "model", {**ARGS, **args}, more, rows)
                    seen.setdefault((setting, name), []).append(found)
                    print(setting, "|", name, "|", found, flush=True)
            number += 1
    for setting in SETTINGS:
        ours, theirs = ([r for r in seen[setting, name] if r] for name in ("flywheel", "by hand"))
        if ours and theirs:
            show(setting, ours, theirs)


def show(setting, ours, theirs):
    """Print a setting's medians."""

    def median(results, key):
        return statistics.median(r[key] for r in results)

    speed = median(ours, "tokens_per_s") / median(theirs, "tokens_per_s")
    print(
        f"{setting}: {median(ours, 'tokens_per_s'):.0f} against {median(theirs, 'tokens_per_s'):.0f} tokens/s = {speed:.3f}; "
        f"wall {median(ours, 'wall'):.1f} against {median(theirs, 'wall'):.1f} s; peak {median(ours, 'peak_mb'):.0f} against "
        f"{median(theirs, 'peak_mb'):.0f} MB; loss {ours[0]['first']:.3f} → {ours[0]['last']:.3f} against "
        f"{theirs[0]['first']:.3f} → {theirs[0]['last']:.3f} (medians of {len(ours)})"
    )


if __name__ == "__main__":
    main()
