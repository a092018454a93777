"""A judge over stored samples, as a step of the flow: every request is on record before its answer is used, nothing answered
is asked again, budgets, signals and retries are the driver's.

Of each judged sample the step has a sample of its own, what the judge said, and in the same group the verdict, whose
evidence names all requests. A sample that brought no completion at all, or lacks a column, is a drop with its reason.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..config import StepConfig
from ..errors import RecipeError
from ..gen import Ask, AskError, Completion, Fault, Generate, Generator, Item, Made, Progress, Stage, Step
from ..judge import verdict_row
from ..judge.judges import Failed, Judge, Panel, Prompt, judge_id
from ..llm import Sampling
from ..prompts import load_template
from ._wheel import Wheel

PREFIX = "judge."
"""What the steps of judges begin with."""


def run_judge(wheel: Wheel, judge: Judge, source: str, iteration: int) -> tuple[str, Progress]:
    """Judge the samples of step ``source`` that have no outcome of this judge yet; ``imported`` = those of imported sets.

    Returns:
        What the verdicts are filed under, and how far it came.

    Raises:
        RecipeError: there are no such samples, the endpoint's model is not named, or the judge is a panel.
    """
    if isinstance(judge, Panel):
        raise RecipeError(
            f"judge {judge.name}", expected="one model", received=f"a panel of {len(judge.models)}",
            cure="run each member under a recipe with its engine.model; Panel.combine puts their verdicts together",
        )  # fmt: skip
    teacher = wheel._teacher(iteration)
    identity = wheel._engines.identity(teacher)
    if not identity.model:
        raise RecipeError(
            f"judge {judge.name}, engine.model", expected="the name of the model that judges: verdicts are filed under it",
            received="none", cure="set engine.model in the recipe",
        )  # fmt: skip
    root = wheel.store.project.root
    ids = [load_template(name, root).template_id for name in judge.templates]
    filed = judge_id(judge, f"{identity.model}{identity.revision}", ids)
    stage = make_judge_stage(judge, filed, source, root)
    if not stage.is_root:
        _plan(wheel, Step(wheel.run_id, iteration, stage.name), source)
    wheel.reporter.begin(f"[{iteration}] {stage.name}", unit="samples")
    with wheel._engines.one_server(teacher):
        progress = wheel._generation(iteration, [stage], teacher).run()
    wheel.reporter.end(f"{progress.samples} verdicts, {progress.drops} drops")
    return filed, progress


def make_judge_stage(judge: Judge, filed: str, source: str, project_root: Path) -> Stage:
    """Return the step of a judge.

    Args:
        judge: what asks and reads.
        filed: what its verdicts are filed under, from :func:`~flywheel.judge.judges.judge_id`.
        source: the step whose samples are judged, or ``imported``.
        project_root: where templates of the project are.
    """
    config = StepConfig(step=PREFIX + filed.replace("@", "."), generator="judge", source=source)
    generator = Generator(
        f"judge-{judge.kind}", filed.rpartition("@")[2], _judging(judge, filed), templates=judge.templates
    )
    return Stage(config, generator, {}, Sampling(), 0, project_root)


def _judging(judge: Judge, filed: str) -> Generate:
    async def run(item: Item, ask: Ask) -> AsyncIterator[Made | Fault]:
        """Judge one item."""
        replies = await asyncio.gather(*[_put(ask, prompt) for prompt in judge.requests(item.values)])
        judgement = judge.read(item.values, replies)
        completion = next((c for r in replies if not isinstance(r, Failed) for c in r), None)
        if completion is None:
            gone = next((r for r in replies if isinstance(r, Failed)), Failed(judgement.verdict.reason))
            yield Fault(gone.reason, None, gone.request_id)
            return
        row = verdict_row(item.input_id, judgement.verdict, filed)
        yield replace(completion.made(judge=filed, judged=item.input_id), verdicts=(row,))

    return run


async def _put(ask: Ask, prompt: Prompt) -> Sequence[Completion] | Failed:
    try:
        return await ask(
            prompt.template, n=prompt.n, temperature=prompt.temperature, max_tokens=prompt.max_tokens,
            top_logprobs=prompt.top_logprobs, **prompt.values,
        )  # fmt: skip
    except AskError as error:
        return Failed(error.reason, error.request_id)


def _plan(wheel: Wheel, step: Step, source: str) -> None:
    """Write down which samples are to be judged; those that came since are added.

    Raises:
        RecipeError: there are none.
    """
    found = wheel.store.query(
        "SELECT sample_id FROM samples WHERE run_id = ? AND iteration = ? AND step = ? ORDER BY sample_id",
        [step.run_id, step.iteration, source],
    )
    if not found:
        raise RecipeError(
            f"flywheel judge run --step {source}", expected=f"samples of that step in iteration {step.iteration}",
            received="none", cure='see what there is: flywheel sql "select step, count(*) from samples group by step"',
        )  # fmt: skip
    worse = {i for (i,) in wheel.store.query("SELECT sample_id FROM worse_samples")}
    inputs = [(str(i), 1) for (i,) in found if i not in worse]
    wheel.store.fix_plan(step.run_id, step.iteration, step.name, inputs, grow=True)
