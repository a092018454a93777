"""A judge over stored samples, as a step of the flow: every request is on record before its answer is used, nothing answered
is asked again, budgets, signals and retries are the driver's.

Of each judged sample the step has a sample of its own, what the judge said, and in the same group the verdict, whose
evidence names all requests. A sample that brought no completion at all, or lacks a column, is a drop with its reason.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..config import Recipe, StepConfig
from ..errors import RecipeError
from ..gen import Ask, AskError, Completion, Fault, Generate, Generator, Item, Made, Progress, Stage, Step, Stop
from ..judge import verdict_row
from ..judge.judges import Failed, Judge, Judgement, Pairwise, Panel, Prompt, judge_id
from ..llm import Sampling
from ..prompts import load_template
from ..store import Store
from ..train import Checkpoint
from ._calibrate import PREFIX as LABELLED
from ._calibrate import is_settled, load_labelled, measure, settle
from ._comparisons import compare_samples
from ._engines import Engines
from ._generate import Generation
from ._judges import ReadyJudge, judge_by_code
from ._panel import judge_by_members, step_of
from ._report_to import Reporter

IMPORTED = "imported"


@dataclass(frozen=True)
class Bench:
    """Lets judges judge the samples of a run.

    Attributes:
        engines: the recipe's.
        teacher: the checkpoint that judges where the engine is one of flywheel's own; None: the endpoint.
        iteration: whose samples are judged.
    """

    store: Store
    recipe: Recipe
    reporter: Reporter
    engines: Engines
    teacher: Checkpoint | None
    run_id: str
    iteration: int

    def run_all(self, judges: Sequence[ReadyJudge], steps: Sequence[str]) -> Stop | None:
        """Let each judge of any of ``steps`` judge their samples; return why it ended early, if it did. A step without a sample is told,
        and passed over.

        Raises:
            RecipeError: a judge does not agree enough with people.
        """
        for ready in judges:
            for source in [s for s in steps if s in ready.config.of]:
                if not self._has_samples(source):
                    self.reporter.say(
                        f"[{self.iteration}] judge {ready.config.name}: nothing to judge, since step {source} made no sample; "
                        "flywheel status shows why"
                    )
                    continue
                stopped = self._run_code(ready, source) if ready.grader else self._run_model(ready, source)
                if stopped:
                    return stopped
        return None

    def _has_samples(self, source: str) -> bool:
        where = "run_id = ? AND iteration = ? AND step = ?"
        return bool(
            self.store.query(f"SELECT 1 FROM samples WHERE {where} LIMIT 1", [self.run_id, self.iteration, source])
        )

    def _run_code(self, ready: ReadyJudge, source: str) -> Stop | None:
        if ready.grader is None:
            return None
        step = Step(self.run_id, self.iteration, step_of(ready.filed))
        self.reporter.begin(f"[{self.iteration}] {step.name}", unit="samples")
        n = judge_by_code(self.store, ready, ready.grader, plan_samples(self.store, step, source))
        self.reporter.end(f"{n} verdicts")
        return None

    def _run_model(self, ready: ReadyJudge, source: str) -> Stop | None:
        if ready.judge is None:
            return None
        own = self.at(ready)
        if ready.labels is not None and (stopped := own.calibrate(ready, ready.labels)):
            return stopped
        return own.run(ready.judge, source)[1].stopped

    def at(self, ready: ReadyJudge) -> "Bench":
        """Return the bench with a judge's own engine, if it has one."""
        engine = ready.config.engine
        if engine is None:
            return self
        recipe = self.recipe.model_copy(update={"engine": engine})
        teacher = None if engine.kind == "openai" else self.teacher
        return replace(self, recipe=recipe, engines=self.engines.with_config(engine), teacher=teacher)

    def calibrate(self, ready: ReadyJudge, labels: Path) -> Stop | None:
        """Let a judge judge labelled rows, and compare; once for each judge and set of labels.

        Raises:
            RecipeError: it does not agree enough with people.
        """
        if ready.judge is None or is_settled(self.store, ready.config, self.filed(ready.judge), labels, self.run_id):
            return None
        first = replace(self, iteration=0)
        step = Step(self.run_id, 0, LABELLED + ready.config.name)
        rows = load_labelled(self.store, ready.config, labels, step)
        filed, progress = first.run(ready.judge, step.name)
        if progress.stopped is None:
            found = measure(self.store, ready.config, filed, rows, str(labels))
            told = settle(self.store, ready.config, filed, labels, found, self.run_id)
            self.reporter.say(f"[{self.iteration}] judge {ready.config.name} against people: {told}")
        return progress.stopped

    def filed(self, judge: Judge) -> str:
        """Return what the verdicts of a judge are filed under.

        Raises:
            RecipeError: the endpoint's model is not named, or a panel's models have no endpoint.
        """
        ids = [load_template(name, self.store.project.root).template_id for name in judge.templates]
        if isinstance(judge, Panel):
            return judge_id(judge, " ".join(self._seat(judge, model)._model(judge.name) for model in judge.models), ids)
        return judge_id(judge, self._model(judge.name), ids)

    def _model(self, judge: str) -> str:
        """Return who judges, with its revision."""
        identity = self.engines.identity(self.teacher)
        if not identity.model:
            raise RecipeError(
                f"judge {judge}, engine.model", expected="the name of the model that judges: verdicts are filed under it",
                received="none", cure="set engine.model in the recipe",
            )  # fmt: skip
        return f"{identity.model}{identity.revision}"

    def _seat(self, panel: Panel, model: str) -> "Bench":
        """Return the bench at which a member of a panel judges: that of the endpoint, with its model.

        Raises:
            RecipeError: the engine is one of flywheel's own, which has one model.
        """
        if self.recipe.engine.kind != "openai":
            raise RecipeError(
                f"judge {panel.name}, models", expected="engine.kind: openai, at whose endpoint the models are asked",
                received=f"engine.kind: {self.recipe.engine.kind}, which has the champion alone",
                cure="give the judge an engine of its own: engine: {kind: openai, base_url: …}",
            )  # fmt: skip
        engine = self.recipe.engine.model_copy(update={"model": model})
        recipe = self.recipe.model_copy(update={"engine": engine})
        return replace(self, recipe=recipe, engines=self.engines.with_config(engine), teacher=None)

    def members(self, panel: Panel) -> dict[str, str]:
        """Return what the verdicts of a panel's members are filed under, by model."""
        return {model: self._seat(panel, model).filed(panel.member(model)) for model in panel.models}

    def _run_panel(self, panel: Panel, source: str) -> tuple[str, Progress]:
        """Let the members judge, one after the other, then put their verdicts together; not before all are through."""
        filed = self.filed(panel)
        for model in panel.models:
            _, progress = self._seat(panel, model).run(panel.member(model), source)
            if progress.stopped:
                return filed, progress
        step = Step(self.run_id, self.iteration, step_of(filed))
        self.reporter.begin(f"[{self.iteration}] {step.name}", unit="samples")
        n = judge_by_members(self.store, panel, filed, self.members(panel), step)
        self.reporter.end(f"{n} verdicts of {len(panel.models)} members")
        return filed, progress

    def run(self, judge: Judge, source: str) -> tuple[str, Progress]:
        """Judge the samples of step ``source`` that have no outcome of this judge yet; ``imported`` = those of imported sets. A
        judge of pairs is shown two completions of each prompt.

        Returns:
            What the verdicts are filed under, and how far it came.

        Raises:
            RecipeError: there are no such samples, the endpoint's model is not named, or a panel's models have no endpoint.
        """
        asked = judge.judge if isinstance(judge, Panel) else judge
        if isinstance(asked, Pairwise):
            compared = compare_samples(self.store, Step(self.run_id, self.iteration, source), asked.compare)
            if compared is None:
                self.reporter.say(
                    f"[{self.iteration}] judge {judge.name}: no prompt of {source} has two different completions"
                )
                return self.filed(judge), Progress()
            source = compared
        if isinstance(judge, Panel):
            return self._run_panel(judge, source)
        filed = self.filed(judge)
        stage = make_judge_stage(judge, filed, source, self.store.project.root)
        if not stage.is_root:
            plan_samples(self.store, Step(self.run_id, self.iteration, stage.name), source)
        self.reporter.begin(f"[{self.iteration}] {stage.name}", unit="samples")
        generation = Generation(
            self.store, self.recipe, [stage], self.reporter, lambda told: self.engines.connect(self.teacher, told),
            run_id=self.run_id, iteration=self.iteration,
        )  # fmt: skip
        with self.engines.one_server(self.teacher):
            progress = generation.run()
        self.reporter.end(f"{progress.samples} verdicts, {progress.drops} drops")
        return filed, progress


def make_judge_stage(judge: Judge, filed: str, source: str, project_root: Path) -> Stage:
    """Return the step of a judge.

    Args:
        judge: what asks and reads.
        filed: what its verdicts are filed under, from :func:`~flywheel.judge.judges.judge_id`.
        source: the step whose samples are judged, or ``imported``.
        project_root: where templates of the project are.
    """
    config = StepConfig(step=step_of(filed), generator="judge", source=source)
    generator = Generator(
        f"judge-{judge.kind}", filed.rpartition("@")[2], _judging(judge, filed), templates=judge.templates
    )
    return Stage(config, generator, {}, Sampling(), 0, project_root)


def _judging(judge: Judge, filed: str) -> Generate:
    async def run(item: Item, ask: Ask) -> AsyncIterator[Made | Fault]:
        """Judge one item."""
        replies = await asyncio.gather(*[_put(ask, prompt) for prompt in judge.requests(item.values)])
        judgement = await _read(judge, item, replies)
        completion = next((c for r in replies if not isinstance(r, Failed) for c in r), None)
        if completion is None:
            gone = next((r for r in replies if isinstance(r, Failed)), Failed(judgement.verdict.reason))
            yield Fault(gone.reason, None, gone.request_id)
            return
        row = verdict_row(item.input_id, judgement.verdict, filed)
        yield replace(completion.made(judge=filed, judged=item.input_id), verdicts=(row,))

    return run


async def _read(judge: Judge, item: Item, replies: Sequence[Sequence[Completion] | Failed]) -> Judgement:
    """Read the replies; a grader's programs hold up nothing else."""
    if judge.kind == "grader":
        return await asyncio.to_thread(judge.read, item.values, replies)
    return judge.read(item.values, replies)


async def _put(ask: Ask, prompt: Prompt) -> Sequence[Completion] | Failed:
    try:
        return await ask(
            prompt.template, n=prompt.n, temperature=prompt.temperature, max_tokens=prompt.max_tokens,
            top_logprobs=prompt.top_logprobs, messages=prompt.messages, **prompt.values,
        )  # fmt: skip
    except AskError as error:
        return Failed(error.reason, error.request_id)


def plan_samples(store: Store, step: Step, source: str) -> list[str]:
    """Write down which samples of ``source`` are to be judged, those that came since too; return their ids.

    Raises:
        RecipeError: there are none.
    """
    found = store.query(
        "SELECT sample_id FROM samples WHERE run_id = ? AND iteration = ? AND step = ? ORDER BY sample_id",
        [step.run_id, step.iteration, source],
    )
    if not found:
        raise RecipeError(
            f"flywheel judge run --step {source}", expected=f"samples of that step in iteration {step.iteration}",
            received="none", cure='see what there is: flywheel sql "select step, count(*) from samples group by step"',
        )  # fmt: skip
    worse = {i for (i,) in store.query("SELECT sample_id FROM worse_samples")}
    ids = [str(i) for (i,) in found if i not in worse]
    store.fix_plan(step.run_id, step.iteration, step.name, [(i, 1) for i in ids], grow=True)
    return ids
