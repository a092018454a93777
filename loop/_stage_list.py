"""The stages that a recipe makes, named in the order in which they come."""

from collections.abc import Iterator

from ..config import CODE, EngineConfig, JudgeConfig, Recipe, SolveConfig, SuiteConfig, is_wheel, list_methods
from ..gen import ON_POLICY, SOLVE
from ._pair import steps_to_pair
from ._words import count

StageLine = tuple[str, str]
"""A stage's name, and what it does."""


def list_stages(recipe: Recipe) -> Iterator[StageLine]:
    """Yield the stages of an iteration; before them what comes once.

    Of a recipe with no whole turn of the wheel these are the stages of its commands: ``generate``, ``train``, ``eval``.
    """
    if is_wheel(recipe):
        yield "baseline", f"score {recipe.model} on {_splits(recipe)}"
    yield from _making(recipe)
    if is_wheel(recipe):
        yield from _training(recipe)
        return
    for method in list_methods(recipe):
        yield f"train {method}", f"curate, decontaminate and train {recipe.model} on {recipe.train.rows}"
    if recipe.suites:
        yield "eval", f"score the champion on {_splits(recipe)}"


def _making(recipe: Recipe) -> Iterator[StageLine]:
    """Yield what ``generate`` does."""
    for step in recipe.generate:
        yield f"generate {step.step}", f"{step.generator} over {step.source}, by {_who(recipe.engine)}"
        yield from _judging(recipe, step.step)
    if recipe.draws:
        yield SOLVE, _drawing(recipe, recipe.solve, _who(recipe.engine))
        yield from _judging(recipe, SOLVE)


def _training(recipe: Recipe) -> Iterator[StageLine]:
    start = "the champion" if recipe.train.sft_from == "champion" else recipe.model
    yield "train sft", f"curate, decontaminate and train {start} on accepted completions"
    yield _gate(recipe, "sft")
    methods = list_methods(recipe)
    if "dpo" in methods:
        if ON_POLICY in steps_to_pair(recipe):
            yield ON_POLICY, _drawing(recipe, recipe.on_policy or recipe.solve, "the SFT checkpoint")
            yield from _judging(recipe, ON_POLICY)
        yield "pair", f"{', '.join(k.kind for k in recipe.pairs.kinds)} of {', '.join(steps_to_pair(recipe))}"
        yield "train dpo", "curate, decontaminate and train the SFT checkpoint on the pairs"
        yield _gate(recipe, "dpo")
    for method in methods:
        if method not in ("sft", "dpo"):
            yield (
                f"train {method}",
                "train the SFT checkpoint on the problems"
                + ("" if method == "grpo" else " and their judged completions"),
            )
            yield _gate(recipe, method)


def count_challengers(recipe: Recipe) -> int:
    """Return how many models an iteration trains and scores; none for a recipe with no whole turn of the wheel."""
    return sum(name.startswith("gate ") for name, _ in list_stages(recipe))


def _judging(recipe: Recipe, step: str) -> Iterator[StageLine]:
    if told := [_describe_judge(recipe, judge) for judge in recipe.judges if step in judge.of]:
        yield f"judge {step}", "; ".join(told)


def _describe_judge(recipe: Recipe, judge: JudgeConfig) -> str:
    """Return what a judge judges, and who is asked for it."""
    if judge.kind == CODE:
        return f"{judge.name} ({judge.kind}): each sample, by {judge.verifier}, which asks nothing"
    what = "completions of one prompt, two by two" if judge.kind == "pairwise" else "each sample"
    models = judge.settings.get("models")
    who = ", ".join(map(str, models)) if isinstance(models, list) else _who(judge.engine or recipe.engine)
    return f"{judge.name} ({judge.kind}): {what}, by {who}"


def _drawing(recipe: Recipe, config: SolveConfig, who: str) -> str:
    draws = f"{count(config.draws, 'completion')} of each of up to {count(config.problems, 'problem')}"
    return f"{draws}, by {who}; verified by {recipe.verifier.name}"


def _gate(recipe: Recipe, method: str) -> StageLine:
    guards = "".join(f", {g.suite} must not fall" for g in recipe.gate.guards)
    return f"gate {method}", f"against the champion on {recipe.gate_suite}/gate{guards}"


def _who(engine: EngineConfig) -> str:
    if engine.kind == "openai":
        return engine.model or "the endpoint's model"
    return f"the champion ({engine.kind})"


def _splits(recipe: Recipe) -> str:
    return ", ".join(f"{suite.name}/{split}" for suite in recipe.suites for split in _names(suite))


def _names(suite: SuiteConfig) -> list[str]:
    return ["gate"] if suite.report is None else ["gate", "report"]
