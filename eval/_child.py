"""The evaluation process: lm-eval as a library. Runs as ``python -m flywheel.eval._child FOLDER``."""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from ..errors import FlywheelError, RecipeError
from ..llm import LocalEngine, ResolvedModel
from ..schema import content_id
from ..stage import Emit, child_main

ANSWERS = "answers.jsonl"
NO_VALUE = "[invalid]"


def evaluate(job: dict[str, Any], folder: Path, emit: Emit) -> dict[str, Any]:
    """Score one checkpoint on the splits of ``job`` and return scores and items."""
    emit({"event": "loading"})
    import datasets
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    from ._lm import RecordingLM

    logging.getLogger("lm_eval").setLevel(logging.WARNING)
    datasets.disable_progress_bars()
    made = [0]

    def count(n: int) -> None:
        made[0] += n

    model = ResolvedModel(**job["model"])
    engine = LocalEngine(model, batch_size=job["batch_size"], on_tokens=count, cut_prompts=True)
    manager = TaskManager(include_defaults=False)
    results: list[dict[str, Any]] = []
    for split in job["splits"]:
        label = f"{split['suite']}/{split['split']}"

        def show(done: int, total: int, label: str = label) -> None:
            emit({"event": "progress", "what": label, "done": done, "total": total, "tokens": made[0]})

        lm = RecordingLM(engine, folder / ANSWERS, f"eval/{split['suite_hash']}", show)
        with _blame_the_task(split, lm):
            task = make_task_config(split)
            out = simple_evaluate(
                model=lm, tasks=[task], task_manager=manager, num_fewshot=split["num_fewshot"], bootstrap_iters=1000,
                apply_chat_template=split["apply_chat_template"], log_samples=True, random_seed=0, numpy_random_seed=0,
                torch_random_seed=0, fewshot_random_seed=0,
            )  # fmt: skip
        assert out is not None
        results.append(_collect(split, task["task"], dict(out), lm))
    return {"results": results}


@contextlib.contextmanager
def _blame_the_task(split: dict[str, Any], lm: Any) -> Iterator[None]:
    """Say that the task is at fault for whatever lm-eval raises before it has asked the model anything."""
    try:
        yield
    except FlywheelError:
        raise
    except Exception as error:  # lm-eval raises what its YAML, Jinja and the task's own functions raise
        if lm.was_asked or isinstance(error, OSError | MemoryError):
            raise
        raise RecipeError(
            f"suite {split['suite']}: task file {split['task_file']}", expected="a task that lm-eval loads",
            received=f"{type(error).__name__}: {error}".split("\n")[0], cure="mend the task file, or name another task",
        ) from error  # fmt: skip


def make_task_config(split: dict[str, Any]) -> dict[str, Any]:
    """Return the lm-eval task of a split: the task's own definition on the split's rows."""
    import datasets
    from lm_eval.tasks._yaml_loader import load_yaml

    task: dict[str, Any] = dict(load_yaml(Path(split["task_file"])))
    rows = json.loads(Path(split["rows"]).read_text(encoding="utf-8"))
    fewshot = json.loads(Path(split["fewshot"]).read_text(encoding="utf-8")) if split["fewshot"] else None

    def load(**kwargs: Any) -> dict[str, Any]:
        data = {"test": datasets.Dataset.from_list(rows)}
        if fewshot:
            data["train"] = datasets.Dataset.from_list(fewshot)
        return data

    for key in ("dataset_path", "dataset_name", "dataset_kwargs", "validation_split", "tag", "group"):
        task.pop(key, None)
    has_shots = fewshot is not None
    task.update(
        task=f"{split['suite']}/{split['split']}", custom_dataset=load, test_split="test",
        training_split="train" if has_shots else None, fewshot_split="train" if has_shots else None,
    )  # fmt: skip
    if split["num_fewshot"] is not None:
        task["num_fewshot"] = split["num_fewshot"]
    if split["doc_to_text"] is not None:
        task["doc_to_text"] = split["doc_to_text"]
    task["generation_kwargs"] = {**(task.get("generation_kwargs") or {}), "max_gen_toks": split["max_gen_toks"]}
    return task


def _collect(split: dict[str, Any], task: str, out: dict[str, Any], lm: Any) -> dict[str, Any]:
    scores = []
    samples = sorted(out["samples"][task], key=lambda s: s["doc_id"])
    for key, value in out["results"][task].items():
        metric, _, kind = key.partition(",")
        if not kind or metric.endswith("_stderr") or not isinstance(value, int | float):
            continue
        stderr = out["results"][task].get(f"{metric}_stderr,{kind}")
        items = [_item(s, metric, lm) for s in samples if s["filter"] == kind]
        scores.append(
            {"metric": key, "score": value, "stderr": stderr if isinstance(stderr, float) else None, "items": items}
        )
    used = {item["request_id"] for score in scores for item in score["items"]}
    return {
        "suite": split["suite"], "split": split["split"], "suite_hash": split["suite_hash"],
        "num_fewshot": out["n-shot"][task], "version": str(out["versions"].get(task)), "scores": scores,
        "answers": [a for a in lm.answers.values() if a["request_id"] in used],
    }  # fmt: skip


def _item(sample: dict[str, Any], metric: str, lm: Any) -> dict[str, Any]:
    arguments = sample["arguments"]
    context, kwargs = arguments["gen_args_0"].values() if isinstance(arguments, dict) else arguments[0]
    filtered = sample["filtered_resps"][0] if sample["filtered_resps"] else None
    return {
        "ordinal": sample["doc_id"], "item_id": content_id("item", sample["doc"]),
        "request_id": lm.to_request(context, kwargs).request_id, "target": str(sample["target"]),
        "filtered": None if filtered in (None, NO_VALUE) else str(filtered), "value": float(sample[metric]),
    }  # fmt: skip


if __name__ == "__main__":
    child_main(evaluate)
