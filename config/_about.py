"""What a recipe trains and what it needs, as far as its text says: nothing is opened, fetched or asked."""

from collections.abc import Iterator
from pathlib import Path

from ._recipe import Recipe
from ._source import Source

SEED = "seed"
DOCUMENTS = "documents"
"""Folder of the documents that come with a recipe."""
TASK_DATA = "task:"
"""Begins the source of a suite that is scored on its task's own data."""
_METHODS = ("sft", "dpo", "kto", "grpo", "reward", "seq2seq", "classify")
_TITLES = {"seq2seq": "seq2seq SFT", "classify": "classifier", "reward": "reward model"}


def is_wheel(recipe: Recipe) -> bool:
    """Say whether there is a whole turn of the wheel in a recipe: problems to solve or steps to train on, and suites to score."""
    return (recipe.problems is not None or bool(recipe.select.steps)) and bool(recipe.suites)


def list_methods(recipe: Recipe) -> list[str]:
    """Return the methods that a recipe trains by, in their order; of rows of one's own those that have keys of their own, else SFT."""
    train = recipe.train
    if is_wheel(recipe):
        return ["sft", *(m for m in ("dpo", "kto", "grpo") if getattr(train, m) is not None)]
    if train.rows is None:
        return []
    return [m for m in _METHODS if m in train.model_fields_set and getattr(train, m) is not None] or ["sft"]


def describe_training(recipe: Recipe) -> str:
    """Return what is trained and how: ``seed: SFT, DPO``."""
    if not (methods := list_methods(recipe)):
        return ""
    adapter = " with LoRA" if recipe.train.peft is not None else ""
    if recipe.train.quantization is not None:
        adapter += " on a quantised model"
    return f"{recipe.model}: {', '.join(_TITLES.get(m, m.upper()) for m in methods)}{adapter}"


def list_sources(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield where a recipe's rows come from: what they are, and the source as it was written."""
    if recipe.problems is not None:
        yield from (("problems", spec) for one in recipe.problems.sets for spec in one.sources)
    for key in ("rows", "heldout"):
        if (spec := getattr(recipe.train, key)) is not None:
            yield f"train.{key}", spec
    for suite in recipe.suites:
        for split in ("gate", "report", "fewshot"):
            if (spec := getattr(suite, split)) is not None:
                yield f"suite {suite.name}, {split}", spec


def is_remote(spec: str) -> bool:
    """Say whether rows come from the Hugging Face hub: by their id, or as a task's own data."""
    return spec.startswith(TASK_DATA) or Source.parse(spec).is_hub


def names_hub_model(recipe: Recipe, base: Path) -> bool:
    """Say whether the first champion is one of the hub's: ``owner/name``, and no folder here."""
    name = recipe.model
    is_path = name.count("/") != 1 or name.startswith((".", "/", "~"))
    return name != SEED and not is_path and not (base / name).exists()


def list_needs(recipe: Recipe, base: Path) -> list[str]:
    """Return what a recipe needs beside flywheel and the files of its folder.

    Args:
        recipe: the recipe.
        base: its folder.
    """
    engines = [recipe.engine, *(j.engine for j in recipe.judges if j.engine is not None)]
    found = [
        f"an endpoint ({engine.model})" if engine.model else "an endpoint"
        for engine in engines
        if engine.kind == "openai"
    ]
    found += ["vLLM" for engine in engines if engine.kind == "vllm"]
    found += recipe.programs
    if recipe.train.quantization is not None:
        found.append("bitsandbytes")
    if names_hub_model(recipe, base):
        found.append(f"model {recipe.model}")
    for what, spec in list_sources(recipe):
        if spec.startswith(TASK_DATA):
            task = next(s.task for s in recipe.suites if what.startswith(f"suite {s.name},"))
            found.append(f"data of the task {task}")
        elif is_remote(spec):
            found.append(f"data set {Source.parse(spec).where}")
    sources = {step.source for step in recipe.generate}
    found += ["documents"] if "chunks" in sources and not (base / DOCUMENTS).is_dir() else []
    found += ["imported rows"] if "imported" in sources else []
    return list(dict.fromkeys(found))
