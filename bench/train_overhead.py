"""Wall time of ``flywheel train`` beside the same TRL script written by hand, in turn, on the seed model.

``python bench/train_overhead.py [rounds] [rows] [epochs]`` prints a line a round: seconds of wall time and of CPU, of both,
whole commands from start to end, and at the end the ratios of the medians. Each round measures both, the order alternating,
so that a noisy machine hits both alike. Same rows, arguments, threads and precision; both save model and tokenizer. What
flywheel adds is a start of its own, the store, the look at the rows, and the model card: seconds, whatever the training takes.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from flywheel.llm import seed_model_path
from flywheel.seed import generate_distinct

ARGS = {
    "learning_rate": 2e-4, "per_device_train_batch_size": 16, "max_length": 256, "lr_scheduler_type": "cosine",
    "logging_steps": 5,
}  # fmt: skip

BY_HAND = """
import json, sys
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

folder, model_path, args = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
rows = Dataset.from_list([json.loads(line) for line in open(folder + "/rows.jsonl")])
model = AutoModelForCausalLM.from_pretrained(model_path, dtype="float32")
tokenizer = AutoTokenizer.from_pretrained(model_path)
config = SFTConfig(output_dir=folder + "/by-hand", report_to="none", save_strategy="no", bf16=False, disable_tqdm=True,
                   gradient_checkpointing=False, dataloader_pin_memory=False, seed=1, **args)
trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
trainer.train()
trainer.save_model(folder + "/by-hand/model")
"""


def run(command):
    """Return (wall seconds, CPU seconds of the process and its children)."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_project(folder, rows, args):
    """Write rows and a recipe that trains on them."""
    folder.mkdir()
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {"name": "bench", "train": {"rows": "rows.jsonl", "sft": args}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))


def main(rounds=3, n_rows=2000, epochs=2):
    """Measure both, ``rounds`` times."""
    problems = generate_distinct("loop", 1, {2: 0.5, 3: 0.5}, n_rows)
    rows = [
        {
            "prompt": [{"role": "user", "content": p.question}],
            "completion": [{"role": "assistant", "content": p.answer}],
        }
        for p in problems
    ]
    args = {**ARGS, "num_train_epochs": epochs}
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # or transformers waits for a network, in both
    seen = {"flywheel": [], "by hand": []}
    with tempfile.TemporaryDirectory() as root:
        for number in range(rounds):
            folder = Path(root) / str(number)
            write_project(folder, rows, args)
            commands = {
                "flywheel": [sys.executable, "-m", "flywheel", "-C", str(folder), "train"],
                "by hand": [sys.executable, "-c", BY_HAND, str(folder), str(seed_model_path()), json.dumps(args)],
            }
            for name in sorted(commands, reverse=bool(number % 2)):
                seen[name].append(run(commands[name]))
            print(number, {name: tuple(round(s, 1) for s in times[-1]) for name, times in seen.items()}, flush=True)
    for what, at in (("wall", 0), ("CPU", 1)):
        ours, theirs = (statistics.median(times[at] for times in seen[name]) for name in ("flywheel", "by hand"))
        print(
            f"{what}: {ours:.1f} s / {theirs:.1f} s = {ours / theirs:.3f} (medians of {rounds}, {n_rows} rows, {epochs} epochs)"
        )


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:]))
