"""``flywheel eval`` beside plain lm-eval: the same model, the same rows, the same task, whole commands, interleaved.

What is timed is what a user types and waits for: process start, imports, model, items, results on disk (flywheel: rows in a store; lm-eval:
``--log_samples``). ``completions``: word problems of the seed model's world, greedy. ``ranked``: given answers by log-likelihood, where both run
the same code of lm-eval's on the model. Every repetition scores another model (the seed with another note beside it), so that nothing comes from
the store. Both have to give every item of every repetition the same value, or the benchmark ends with 1: it would time two different things.

    python bench/eval_overhead.py [--items 400] [--reps 5] [--batch-size 64] [--model FOLDER]
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from flywheel.llm import seed_model_path
from flywheel.seed import generate_distinct

TARGET = 1.05
RANKED = {
    "task": "ranked", "output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_choice": "{{choices}}",
    "doc_to_target": "{{gold}}", "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}  # fmt: skip
METRICS = {"completions": "exact_match,strict-match", "ranked": "acc,none"}
TASKS = Path(__file__).parent.parent / "eval" / "tasks"


def make_rows(n):
    """Return word problems with three given answers each."""
    rows = []
    for i, p in enumerate(generate_distinct("gate", 11, {1: 0.4, 2: 0.6}, n)):
        right = int(p.answer.rsplit("#### ", 1)[1])
        choices = [str(right + d) for d in (0, 1, 10)]
        rows.append(
            {"question": p.question, "answer": p.answer, "choices": choices[i % 3 :] + choices[: i % 3], "gold": -i % 3}
        )
    return rows


def make_project(folder, rows, max_gen_toks, batch_size):
    """Write a project with both suites, and the same tasks for lm-eval."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (folder / "ranked.yaml").write_text(yaml.safe_dump({**RANKED, "test_split": "test"}))
    common = {"gate": "rows.jsonl", "num_fewshot": 0}
    suites = [
        {**common, "name": "completions", "task": "word-problems", "max_gen_toks": max_gen_toks},
        {**common, "name": "ranked", "task": "ranked.yaml", "metric": "acc,none"},
    ]
    recipe = {
        "name": "bench",
        "problems": {"source": "rows.jsonl"},
        "engine": {"batch_size": batch_size},
        "suites": suites,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    plain = folder / "plain"
    plain.mkdir()
    data = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "rows.jsonl")}},
        "test_split": "test",
    }
    words = yaml.safe_load((TASKS / "word-problems.yaml").read_text())
    words["generation_kwargs"]["max_gen_toks"] = max_gen_toks
    (plain / "completions.yaml").write_text(yaml.safe_dump({**words, **data, "task": "completions"}))
    (plain / "ranked.yaml").write_text(yaml.safe_dump({**RANKED, **data}))


def make_model(source, folder, number):
    """Copy the model, with a note that makes it another one."""
    target = folder / f"model{number}"
    shutil.copytree(source, target)
    (target / "note.txt").write_text(str(number))
    return target


def run(command, cwd):
    """Return seconds of a command."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return time.perf_counter() - started


def flywheel_command(folder, suite, model, batch_size):
    """Return the command of flywheel."""
    return [sys.executable, "-m", "flywheel", "-C", folder, "eval", "--checkpoint", model, "--suite", suite]


def plain_command(folder, suite, model, batch_size):
    """Return the command of lm-eval."""
    args = [
        "--model", "hf", "--model_args", f"pretrained={model}", "--tasks", suite, "--batch_size", str(batch_size), "--apply_chat_template",
        "--include_path", folder / "plain", "--log_samples", "--output_path", folder / "out" / Path(model).name,
    ]  # fmt: skip
    device = [] if _has_gpu() else ["--device", "cpu"]
    return [sys.executable, "-m", "lm_eval", "run", *args, *device]


def _has_gpu():
    import torch

    return torch.cuda.is_available()


def read_ours(folder, suite, metric, model):
    """Return what flywheel gave each item, by its place."""
    from flywheel.store import Project, run_query

    name, _, kind = metric.partition(",")
    rows = run_query(
        Project(folder),
        f"SELECT i.ordinal, i.value FROM score_items i JOIN scores s USING (score_id) JOIN checkpoints k USING (checkpoint_id) "
        f"WHERE s.suite = '{suite}' AND s.metric = '{name},{kind}' AND k.path = '{model}'",
    ).rows
    return {int(place): float(value) for place, value in rows}


def read_theirs(folder, suite, metric, model):
    """Return what lm-eval gave each item, by its place: its logged samples."""
    name, _, kind = metric.partition(",")
    (found,) = sorted((folder / "out" / model.name).rglob(f"samples_{suite}_*.jsonl"))[-1:]
    samples = [json.loads(line) for line in found.read_text().splitlines()]
    return {int(s["doc_id"]): float(s[name]) for s in samples if s["filter"] == kind}


def require_same_scores(folder, suite, model, n):
    """Return the score that both give a model, item by item; end the benchmark where they differ: then it times two different things."""
    metric = METRICS[suite]
    ours, theirs = read_ours(folder, suite, metric, model), read_theirs(folder, suite, metric, model)
    differ = sorted(i for i in ours.keys() | theirs.keys() if ours.get(i) != theirs.get(i))
    if differ or len(ours) != n:
        first = "".join(f"; item {i}: flywheel {ours.get(i)}, lm-eval {theirs.get(i)}" for i in differ[:3])
        raise SystemExit(
            f"{suite}, {metric}, {model.name}: {len(differ)} items differ; {len(ours)} and {len(theirs)} of {n} items{first}"
        )
    return sum(ours.values()) / n


def describe(suite, times, scores, n):
    """Return a line: seconds of both, how they compare, and that the scores are the same."""
    ours, theirs = times["flywheel"], times["lm-eval"]
    ratios = [x / y for x, y in zip(ours, theirs, strict=True)]
    a, b = (f"{statistics.median(t):6.2f} ({min(t):.2f} to {max(t):.2f})" for t in (ours, theirs))
    score = ", ".join(f"{s:.4f}" for s in sorted(scores))
    return (
        f"{suite:12} flywheel eval {a}   lm-eval {b}   ratio of medians {statistics.median(ours) / statistics.median(theirs):.3f}, "
        f"median of ratios {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})   both {METRICS[suite]} {score}, equal on all {n} items"
    )


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--max-gen-toks", type=int, default=128)
    parser.add_argument("--model", type=Path, default=seed_model_path())
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-eval-") as name:
        folder = Path(name)
        make_project(folder, make_rows(given.items), given.max_gen_toks, given.batch_size)
        models = [make_model(given.model, folder, i) for i in range(given.reps)]
        print(f"Command: {shlex.join([Path(sys.executable).name, *sys.argv])}")
        print(
            f"n = {given.items} items, batch {given.batch_size}, at most {given.max_gen_toks} tokens an answer, {given.reps} repetitions "
            f"interleaved, {os.cpu_count()} cores. Wall seconds of the whole command, median (least to most); target: ratio at most {TARGET}",
            flush=True,
        )
        for suite in METRICS:
            times = {"flywheel": [], "lm-eval": []}
            for i, model in enumerate(models):
                pair = [("flywheel", flywheel_command), ("lm-eval", plain_command)]
                for tool, make in pair if i % 2 else pair[::-1]:
                    times[tool].append(run(make(folder, suite, model, given.batch_size), folder))
            scores = {require_same_scores(folder, suite, model, given.items) for model in models}
            print(describe(suite, times, scores, given.items), flush=True)


if __name__ == "__main__":
    main()
