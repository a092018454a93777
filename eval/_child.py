"""The evaluation process: lm-eval as a library. Runs as ``python -m flywheel.eval._child FOLDER``."""

import contextlib
import functools
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from .._loading import without_collection
from ..errors import FlywheelError, RecipeError
from ..stage import Emit, child_main
from ._grade import Grader, load_grader
from ._shares import ANSWERS

BOOTSTRAPS = 1000
"""Resamples for the error bars of metrics of the whole set (lm-eval's default, 100,000, takes minutes)."""


def evaluate(job: dict[str, Any], folder: Path, emit: Emit) -> dict[str, Any]:
    """Score one model on the splits of ``job`` and return scores and items."""
    emit({"event": "loading"})
    with without_collection():
        import datasets
        import lm_eval.evaluator  # noqa: F401

    from ._lm import RecordingLM, ShareDone, make_answerer

    logging.getLogger("lm_eval").setLevel(logging.WARNING)
    datasets.disable_progress_bars()
    made = [0]

    def count(n: int) -> None:
        made[0] += n

    answerer = make_answerer(job, on_tokens=count, on_note=lambda note: emit({"event": "note", "note": note}))
    grader = load_grader(job["grader"], Path(job["project"])) if job["grader"] else None
    results: list[dict[str, Any]] = []
    try:
        for split in job["splits"]:
            label = f"{split['suite']}/{split['split']}"

            def show(done: int, total: int, label: str = label) -> None:
                emit({"event": "progress", "what": label, "done": done, "total": total, "tokens": made[0]})

            share = job.get("share")
            lm = RecordingLM(answerer, folder / ANSWERS, f"eval/{split['suite_hash']}", show, split["recorded"], share)
            with contextlib.suppress(ShareDone):
                results.append(_evaluate_split(split, lm, grader, job["judge"]))
    finally:
        answerer.close()
    return {"results": results}


def _evaluate_split(
    split: dict[str, Any], lm: Any, grader: Grader | None, judge: Mapping[str, Any] | None
) -> dict[str, Any]:
    from ._collect import collect_scores
    from ._rubrics import judge_answers

    with _blame_the_task(split, lm):
        tasks = [make_task(split, part, i, grader) for i, part in enumerate(split["parts"])]
        if grader is not None and judge is not None and len(tasks) == 1:
            (task,) = tasks
            lm.on_answered = lambda instances, texts: judge_answers(task, grader, judge, lm, instances, texts)
        _require_room(split, tasks, lm.context)
        out = run_tasks(tasks, lm, apply_chat_template=split["apply_chat_template"])
    found = [collect_scores(task, out, lm) for task in tasks]
    scores = found[0] if len(found) == 1 else _join(split, tasks, found)
    for score in scores:
        cut = sum(item["request_id"] in lm.cut for item in score["items"])
        score["cut"] = cut if split["recorded"] is None else None  # how a recorded answer ended is not known
    used = {item["request_id"] for score in scores for item in score["items"]} | lm.also_used
    return {
        "suite": split["suite"], "split": split["split"], "suite_hash": split["suite_hash"],
        "num_fewshot": out["n-shot"][tasks[0].task_name], "scores": scores,
        "answers": [a for a in lm.answers.values() if a["request_id"] in used],
    }  # fmt: skip


def _require_room(split: Mapping[str, Any], tasks: list[Any], context: int | None) -> None:
    """Refuse answers so long that the model has no room for a prompt: lm-eval does, too."""
    for task, part in zip(tasks, split["parts"], strict=True):
        if context is not None and task.OUTPUT_TYPE == "generate_until" and part["max_gen_toks"] >= context:
            raise RecipeError(
                f"suite {split['suite']}: max_gen_toks", expected=f"fewer than the {context} tokens of the model's context",
                received=str(part["max_gen_toks"]), cure="set max_gen_toks of the suite in the recipe; prompts need room too",
            )  # fmt: skip


def run_tasks(tasks: list[Any], lm: Any, *, apply_chat_template: bool) -> Mapping[str, Any]:
    """Return what ``lm_eval.simple_evaluate`` returns for these tasks, with its default seeds.

    It is not called itself: for each call it asks the system for all that pip, git and the graphics driver know.
    """
    import random

    import numpy as np
    from lm_eval.defaults import DEFAULT_OTHER_SEED, DEFAULT_RANDOM_SEED
    from lm_eval.evaluator import evaluate as evaluate_tasks

    _keep_templates()
    random.seed(DEFAULT_RANDOM_SEED)
    np.random.seed(DEFAULT_OTHER_SEED)
    for task in tasks:
        if task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=DEFAULT_OTHER_SEED)
    named = {task.task_name: task for task in tasks}
    out: Any = evaluate_tasks(
        lm=lm, task_dict={"tasks": named}, bootstrap_iters=BOOTSTRAPS, log_samples=True, fewshot_as_multiturn=True,
        apply_chat_template=apply_chat_template,
    )  # fmt: skip
    found: Mapping[str, Any] = out
    return found


def _keep_templates() -> None:
    """Let lm-eval compile each Jinja template once, not for each row: 10,000 rows of FEVER took 17 of 25 seconds for it."""
    from lm_eval.utils import env

    if not hasattr(env.from_string, "cache_info"):
        env.from_string = functools.lru_cache(maxsize=512)(env.from_string)


def _join(split: dict[str, Any], tasks: list[Any], found: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return a group's scores: over all its items, each weighing the same (lm-eval's default), then of each task alone.

    Only means have a score over the group; the tasks' own are called ``metric@task``.
    """
    from math import sqrt
    from statistics import fmean, variance

    joined: dict[str, list[dict[str, Any]]] = {}
    start = 0
    alone: list[dict[str, Any]] = []
    for part, scores in zip(split["parts"], found, strict=True):
        for score in scores:
            items = [{**i, "ordinal": i["ordinal"] + start} for i in score["items"]]
            alone.append({**score, "metric": f"{score['metric']}@{part['task']}", "items": items})
            joined.setdefault(score["metric"], []).append({**score, "items": items})
        start += part["n"]
    whole = []
    for scores in joined.values():
        items = [i for s in scores for i in s["items"]]
        values = [i["value"] for i in items]
        is_mean = all(abs(fmean(i["value"] for i in s["items"]) - s["score"]) < 1e-9 for s in scores)
        if is_mean and len(scores) == len(tasks):
            stderr = sqrt(variance(values) / len(values)) if len(values) > 1 else None
            whole.append({**scores[0], "score": fmean(values), "stderr": stderr, "items": items})
    return whole + alone


@contextlib.contextmanager
def _blame_the_task(split: dict[str, Any], lm: Any) -> Iterator[None]:
    """Say that the task is at fault for whatever lm-eval raises before it has asked the model anything."""
    from ._lm import ShareDone

    try:
        yield
    except (FlywheelError, ShareDone):
        raise
    except Exception as error:  # lm-eval raises what its YAML, Jinja and the task's own functions raise
        if lm.was_asked or isinstance(error, OSError | MemoryError):
            raise
        raise RecipeError(
            f"suite {split['suite']}: task file {split['parts'][0]['task_file']}", expected="a task that lm-eval loads",
            received=f"{type(error).__name__}: {error}".split("\n")[0], cure="mend the task file, or name another task",
        ) from error  # fmt: skip


def make_task(split: Mapping[str, Any], part: Mapping[str, Any], number: int, grader: Grader | None) -> Any:
    """Return the lm-eval task of one part of a split: the task's own definition on the split's rows."""
    from lm_eval.api.task import ConfigurableTask

    config = make_task_config(split, part, number)
    if grader is None or (config.get("metadata") or {}).get("rows") is None:
        return ConfigurableTask(config=config)
    from ._checked import CLASSES

    for key in ("metric_list", "filter_list"):
        config.pop(key, None)
    return CLASSES[config["metadata"]["rows"]](config, grader)


def make_task_config(split: Mapping[str, Any], part: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the keys of the lm-eval task of one part of a split."""
    import datasets
    from lm_eval.tasks._yaml_loader import load_yaml

    task: dict[str, Any] = {**load_yaml(Path(part["task_file"])), **part["overrides"]}
    rows = json.loads(Path(part["rows"]).read_text(encoding="utf-8"))
    fewshot = json.loads(Path(part["fewshot"]).read_text(encoding="utf-8")) if part["fewshot"] else None

    def load(**kwargs: Any) -> dict[str, Any]:
        data = {"test": datasets.Dataset.from_list(_with_equal_keys(rows))}
        if fewshot:
            data["train"] = datasets.Dataset.from_list(_with_equal_keys(fewshot))
        return data

    for key in ("dataset_path", "dataset_name", "dataset_kwargs", "validation_split", "tag", "group", "task_alias"):
        task.pop(key, None)
    has_shots = fewshot is not None
    if isinstance(task.get("fewshot_config"), dict) and "split" in task["fewshot_config"]:
        task["fewshot_config"] = {**task["fewshot_config"], "split": "train" if has_shots else None}
    task.update(
        task=f"{split['suite']}/{split['split']}" + (f"/{number}" if number else ""), custom_dataset=load, test_split="test",
        training_split="train" if has_shots else None, fewshot_split="train" if has_shots else None,
    )  # fmt: skip
    if split["num_fewshot"] is not None:
        task["num_fewshot"] = split["num_fewshot"]
    if split["doc_to_text"] is not None:
        task["doc_to_text"] = split["doc_to_text"]
    if task.get("output_type", "generate_until") == "generate_until":
        task["generation_kwargs"] = {**(task.get("generation_kwargs") or {}), "max_gen_toks": part["max_gen_toks"]}
    return task


def _with_equal_keys(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows that all have the keys of any: ``from_list`` knows only those of the first."""
    keys = list(dict.fromkeys(k for row in rows for k in row))
    return [{k: row.get(k) for k in keys} for row in rows]


if __name__ == "__main__":
    child_main(evaluate)
