"""The wheel: the stages of an iteration and their order. It reads top to bottom, like the script it is.

Every stage is known by what it is made of, and does nothing when its outcome is in the store already. A run that is
killed and started again therefore walks the same path, finds what is done, and goes on from there.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import PairConfig, Recipe
from ..errors import FlywheelError, interrupts_of_queries
from ..eval import Split, Subject, load_grader, prepare_extra_suite, prepare_suites, unscored
from ..gen import (
    ON_POLICY,
    SOLVE,
    Estimate,
    Pool,
    Stage,
    Step,
    Stop,
    count_planned,
    load_problems,
    make_draw_stage,
    make_stages,
    read_problems,
)
from ..judge import Decontaminator, Freezer, Grader, Mapper, Scope, Snapshot, verify_samples
from ..llm import find_vllm_python
from ..schema import content_id, seed_from
from ..store import Project, Store
from ..train import Checkpoint, check_python, check_train
from ._before_after import write_before_after
from ._checkpoints import Checkpoints
from ._compare import Comparison, compare_subjects, require_two
from ._content import describe_content, load_templates
from ._decide import check_metrics, decide, record_baseline
from ._describe import describe_draws, describe_progress
from ._draws import config_of, plan_problems, require_complete
from ._embed import Embed, describe_embed, load_embed
from ._engines import Engines
from ._evaluate import GRADER, evaluate, local_subject
from ._freeze import find_shown, make_decontaminator, make_freezer, make_mapper
from ._freeze_more import freeze_for, freeze_own
from ._gate import Ruling
from ._generate import Generation, end_early
from ._hooks import Hooks
from ._import import import_file
from ._iterations import Iterations
from ._judges import ReadyJudge, make_judges, make_verifier
from ._measured import read_layouts
from ._measures import measure_finished, measure_iteration
from ._metrics_file import name_end, read_ended, write_metrics
from ._own_rows import contents
from ._pair import pair, require_judged_imports, steps_to_pair
from ._programs import find_missing_programs
from ._prune import prune
from ._report_to import Reporter
from ._rewards import describe_rewards
from ._rollback import roll_back
from ._run import describe_change, record_run, require_wheel, resolve_first_model
from ._served import import_served
from ._shards import check_journals, check_shards
from ._stage_list import count_challengers
from ._stop import find_stop, require_endpoint_score, time_limit
from ._subjects import endpoint_subject, find_subject, recorded_subject
from ._train import SUPERVISED, find_python, train
from ._watch import look, refuse_collapse
from ._words import count

if TYPE_CHECKING:  # imported late: a quarter of what takes time before the first request
    from ._judge import Bench

log = logging.getLogger(__name__)

IMPORT = "import"
IMPORTED = "imported"
"""What steps call the rows that were imported, prompts that were served among them."""
MORE_METHODS = ("kto", "grpo")
"""Trained by every turn after SFT and DPO, where the recipe has keys for them."""


class Wheel:
    """One run of one recipe in one project.

    Args:
        project: where rows and checkpoints go.
        recipe: what to do.
        base: folder that the recipe's paths start from.
        reporter: who is told.

    Attributes:
        checkpoints: the run's; like ``iterations`` and ``splits`` there once it is prepared.
    """

    checkpoints: Checkpoints
    iterations: Iterations
    splits: list[Split]

    def __init__(self, project: Project, recipe: Recipe, base: Path, reporter: Reporter) -> None:
        self.recipe = recipe
        self.base = base
        self.store = Store(project)
        self.reporter = reporter
        self.run_id = ""
        self._ended = "complete"
        self._pools: tuple[Pool, ...] = ()
        self._stages: list[Stage] = []
        self._judges: list[ReadyJudge] = []
        self._decontaminator: Decontaminator | None = None
        self._parts: Mapper | None = None
        self._grader: Grader
        self._embed: Embed | None = None
        about = {"recipe": recipe.name, "project": str(project.root)}
        self._hooks = Hooks(recipe.hooks, self.store, reporter, base, about)

    # --- the run -----------------------------------------------------------------------------------------------

    def prepare(self, method: str = "sft") -> None:
        """Check the whole recipe before anything costs time, and open the store.

        Args:
            method: what will be trained: ``train.curriculum`` holds its keys.

        Raises:
            UserError: something that the recipe names is wrong or missing.
        """
        recipe, project = self.recipe, self.store.project
        for missing in find_missing_programs(recipe.programs):
            raise missing
        check_shards(recipe, project)
        check_train(recipe.train, self.base, method)
        check_python(find_python(recipe.train.python, self.base))
        describe_rewards(recipe.train.rewards, self.base)
        first = resolve_first_model(recipe, self.base)
        if recipe.engine.kind == "vllm":
            find_vllm_python(recipe.engine.python, self.base)
        arriving = [IMPORTED] if recipe.serve.ingest else []
        self._stages = make_stages(recipe.generate, project.root, self.base, arriving)
        templates = load_templates(recipe, project.root, self._stages)
        problems = read_problems(recipe.problems, self.base, project) if recipe.problems is not None else None
        problem_set_id = None if problems is None else problems.content_id
        self._grader = make_verifier(recipe, problems, self.base)
        self.splits = prepare_suites(project, recipe.suites, self.base, load_grader(GRADER, project.root))
        read_layouts(recipe, self.splits)
        self._judges = make_judges(recipe, project.root, self.base)
        self._embed = load_embed(recipe, self.base)
        known = (self._stages, self._grader, self._judges)
        content = describe_content(recipe, problem_set_id, self.splits, templates, *known)
        content |= contents(recipe.train, self.base)
        content |= describe_embed(recipe, self.base)
        self.run_id = content_id("run", [recipe.identity(), first.revision, content])
        self.store.open()
        self._hooks.run_id = self.run_id
        if change := describe_change(self.store, self.run_id, recipe, first, content):
            self.reporter.say(change)
        if problems is not None:
            self._pools = problems.pools
            load_problems(self.store, problems, self._step(0, "problems"), find_shown(recipe, project.root))
        record_run(self.store, self.run_id, recipe, first, problem_set_id, content)
        self.checkpoints = Checkpoints(self.store, self.run_id, first)
        self.iterations = Iterations(self.store, self.run_id)
        self._engines = Engines(recipe, self.base, project, self.checkpoints, self.reporter)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Let hooks and the metrics file know what becomes of the block: one that ends by an error has failed."""
        try:
            with self._hooks.telling_failures(), interrupts_of_queries():
                yield
        except BaseException as error:
            self._write_metrics(name_end(error))
            raise
        self._write_metrics(self._ended)

    def run(self, iterations: int) -> None:
        """Turn the wheel until ``iterations`` turns are complete, or one of the recipe's rules ends it.

        Raises:
            StoppedError: ``stop.hours`` are over, or a budget is spent.
            CollapseError: a measure of the last iteration is beyond its ``watch.….stop``.
        """
        with time_limit(self.recipe.stop.hours):
            self._run(iterations)

    def _run(self, iterations: int) -> None:
        require_wheel(self.recipe)
        if self.recipe.engine.kind == "openai":
            self._engines.identity(None)  # a wrong address is told before anything is scored
        self.recipe = self.recipe.model_copy(update={"iterations": iterations})  # the gate spreads its level over them
        require_endpoint_score(self.store, self.recipe, self.splits)
        require_judged_imports(self.store, self.recipe)
        self._write_metrics()
        self.evaluate_baseline()
        measure_finished(self.store, self.recipe, self.run_id, self._grader.judge)
        for iteration in range(1, iterations + 1):
            if self.iterations.is_finished(iteration):
                continue
            if not self.iterations.is_begun(iteration):
                refuse_collapse(self.store, self.recipe, self.run_id)
                if rule := find_stop(self.store, self.recipe, self.run_id, self.splits):
                    self._ended = rule.name
                    self.reporter.say(f"[{iteration}] not begun: {rule.said}")
                    return
            self.turn(iteration)
        refuse_collapse(self.store, self.recipe, self.run_id)

    def turn(self, iteration: int) -> None:
        """Make one whole iteration."""
        self.begin_iteration(iteration)
        self._write_metrics()
        if stopped := self.generate(iteration):
            end_early(iteration, "generate", stopped)
        self._write_metrics()
        sft = self.train_sft(iteration)
        self._write_metrics()
        if sft is not None:
            self.judge_challenger(iteration, sft)
            dpo = self.train_dpo(iteration, sft)
            if dpo is not None:
                self.judge_challenger(iteration, dpo)
            for method in MORE_METHODS:
                if getattr(self.recipe.train, method) is not None and (made := self.train_by(iteration, method)):
                    self.judge_challenger(iteration, made)
        self.finish_iteration(iteration)

    # --- stages, in their order --------------------------------------------------------------------------------

    def evaluate_baseline(self) -> None:
        """Score the first champion."""
        first = self.checkpoints.first()
        self.evaluate(first, 0)
        check_metrics(self.store, self.recipe, self.splits, first.checkpoint_id)
        record_baseline(self.store, self.splits, run_id=self.run_id, checkpoint_id=first.checkpoint_id)

    def begin_iteration(self, iteration: int) -> None:
        """Open an iteration: bring in what was served since, if the recipe wants it; fix its champion and its problems.

        An iteration that has begun takes in no more, unless its steps over imported rows are still without any.
        """
        waiting = [
            s.name for s in self._stages if s.may_wait and not count_planned(self.store, self._step(iteration, s.name))
        ]
        if self.recipe.serve.ingest and (waiting or not self.iterations.is_begun(iteration)):
            if n := import_served(self.store):
                self.reporter.say(f"[{iteration}] {count(n, 'served prompt')} brought in")
            elif waiting and not self.store.query("SELECT 1 FROM requests WHERE step = 'import' LIMIT 1"):
                self.reporter.say(
                    f"[{iteration}] {', '.join(waiting)}: no imported row yet; flywheel serve brings them (serve.log)"
                )
        with self.store.kept_open(will_write=True):
            self.iterations.begin(iteration, self.checkpoints.champion().checkpoint_id)
            if self.recipe.draws:
                plan_problems(self.store, self.recipe, self._pools, self._step(iteration, SOLVE), self._grader.judge)

    def generate(self, iteration: int) -> Stop | None:
        """Run the recipe's steps, then draw and verify completions of the iteration's problems; by the champion or the
        endpoint. Return why it ended early, if it did.
        """
        teacher = self._teacher(iteration)
        with self._engines.one_server(teacher):
            if self.recipe.generate and (stopped := self._run_steps(iteration, teacher)):
                return stopped
            if self.recipe.draws:
                return self._draw(self._step(iteration, SOLVE), teacher)
        return None

    def train_sft(self, iteration: int) -> Checkpoint | None:
        """Curate and freeze the accepted completions, and train on them; None when there are too few."""
        self._require_draws(iteration)
        step, seed = self._step(iteration, "sft"), self._seed(iteration, "sft")
        is_champion = self.recipe.train.sft_from == "champion"
        parent = self.checkpoints.champion_before(iteration) if is_champion else self.checkpoints.first()
        snapshot = self._freezer(iteration, seed).freeze_sft(parent.checkpoint_id)
        return self._train(step, parent, snapshot, seed)

    def train_dpo(self, iteration: int, sft: Checkpoint) -> Checkpoint | None:
        """Draw from the SFT checkpoint, pair, and train on the pairs; None when disabled or too few.

        Raises:
            StoppedError: the drawing was told to stop.
        """
        if self.recipe.train.dpo is None:
            return None
        if ON_POLICY in steps_to_pair(self.recipe):
            step = self._step(iteration, ON_POLICY)
            plan_problems(self.store, self.recipe, self._pools, step, self._grader.judge)
            if stopped := self._draw(step, sft):
                end_early(iteration, ON_POLICY, stopped)
        self.pair(iteration, steps_to_pair(self.recipe))
        return self.train_on_pairs(iteration, sft)

    def pair(self, iteration: int, steps: Sequence[str], config: PairConfig | None = None) -> int:
        """Make preference pairs of the judged samples of ``steps``, and say what they prefer; return how many."""
        self.store.fold_aside()  # what people said while no page was there to bring it in
        scope, seed = Scope(self.run_id, iteration, tuple(steps)), self._seed(iteration, "pair")
        return pair(self.store, self.reporter, scope, config or self.recipe.pairs, self._grader.judge, seed=seed)

    def train_on_pairs(self, iteration: int, parent: Checkpoint) -> Checkpoint | None:
        """Curate and freeze the iteration's pairs, and train DPO on them from ``parent``."""
        step, seed = self._step(iteration, "dpo"), self._seed(iteration, "dpo")
        snapshot = self._freezer(iteration, seed).freeze_dpo(parent.checkpoint_id)
        return self._train(step, parent, snapshot, seed)

    def train_by(self, iteration: int, method: str) -> Checkpoint | None:
        """Train by KTO or GRPO on the iteration's completions or problems, or a reward model on its pairs.

        They start from the iteration's SFT checkpoint, or from the champion where there is none.
        """
        parent = self.checkpoints.latest(iteration, "sft") or self.checkpoints.champion_before(iteration)
        step, seed = self._step(iteration, method), self._seed(iteration, method)
        if method in MORE_METHODS:
            self._require_draws(iteration)
        snapshot = freeze_for(self._freezer(iteration, seed), step, parent.checkpoint_id)
        return self._train(step, parent, snapshot, seed)

    def train_own(self, method: str) -> Checkpoint | None:
        """Train by any method on the rows that the recipe names.

        Supervised methods start from the champion, or from the first model if the recipe says so; the others from the
        iteration's SFT checkpoint where there is one.
        """
        step = self._step(self.iterations.current(), method)
        seed, model = self._seed(step.iteration, method), Path(self.checkpoints.resolve(self.checkpoints.first()).path)
        known = (self.store, self.recipe, step, self.base, self._decontaminate(), model)
        snapshot = freeze_own(*known, seed=seed, embed=self._embed, mapper=self._mapper())
        from_base = self.recipe.train.sft_from == "base"
        parent = self.checkpoints.first() if from_base else self.checkpoints.champion()
        if method not in SUPERVISED:
            parent = self.checkpoints.latest(step.iteration, "sft") or parent
        return self._train(step, parent, snapshot, seed)

    def judge_challenger(self, iteration: int, challenger: Checkpoint) -> Ruling:
        """Score a challenger and let the gate decide between it and the champion of the moment."""
        self.evaluate(challenger, iteration)
        champion = self.checkpoints.champion_for(iteration, challenger)
        for other in (champion, self.checkpoints.first()):
            self.evaluate(other, iteration)  # needed only when another lm-eval scores now
        ruling = decide(
            self.store, self.recipe, self.splits, run_id=self.run_id, iteration=iteration, stage=challenger.stage,
            challenger=challenger.checkpoint_id, champion=champion.checkpoint_id,
        )  # fmt: skip
        verdict = "promoted" if ruling.promoted else "kept the champion"
        self.reporter.say(f"[{iteration}] gate: {challenger.stage} {verdict}: {ruling.reason}")
        self._hooks.decided(iteration, challenger.stage)
        self._write_metrics()
        return ruling

    def finish_iteration(self, iteration: int) -> None:
        """Measure and close an iteration; weights that the recipe's rule gives up are removed."""
        measure_iteration(self.store, self.recipe, self.run_id, iteration, self._grader.judge)
        self.iterations.finish(iteration, self.checkpoints.champion().checkpoint_id)
        for finding in look(self.store, self.recipe, self.run_id, iteration):
            if finding["level"] == "warn":  # a stop is told as what ends the run
                self.reporter.say(f"[{iteration}] warning: {finding['message']}")
        if gone := prune(self.store, self.run_id, self.recipe.train.keep):
            self.reporter.say(
                f"[{iteration}] train.keep = {self.recipe.train.keep}: {count(len(gone), 'old checkpoint')} removed"
            )

    def _write_metrics(self, ended: str | None = None) -> None:
        """Write the metrics file, if the recipe names one; a file that cannot be written is told, and no reason to stop.

        Args:
            ended: how the command ended, one of :data:`ENDS`; None while it goes on.
        """
        if not self.recipe.metrics_file or not self.run_id:
            return
        path = self.base / self.recipe.metrics_file
        known = (self.store, self.run_id, self.recipe.name)
        try:
            write_metrics(path, *known, ended=ended)
        except FlywheelError as error:
            log.warning("%s", error)

    # --- stages that a person calls for ------------------------------------------------------------------------

    def roll_back(self, name: str | None, reason: str | None) -> tuple[str, str]:
        """Make an earlier champion the one in use; return (former, new). See :func:`~flywheel.loop._rollback.roll_back`."""
        known = (self.store, self.checkpoints, self.run_id, self.iterations.current())
        changed = roll_back(*known, name, reason)
        if self.recipe.metrics_file:
            self._write_metrics(read_ended(self.base / self.recipe.metrics_file) or "complete")
        return changed

    def retry(self, iteration: int, kinds: Sequence[str], max_tokens: int | None) -> Stop | None:
        """Do over what failed or was cut off in ``generate``, and only this. Return why it ended early, if it did.

        Raises:
            RecipeError: there is nothing to do over.
        """
        generation = self._generation(iteration, self._all_stages(iteration), self._teacher(iteration))
        only = generation.retire(kinds, max_tokens)
        self.reporter.begin(f"[{iteration}] generate", unit="inputs")
        progress = generation.run(only=only, max_tokens=max_tokens)
        verify_samples(self.store, self.run_id, iteration, SOLVE, self._grader)
        self.reporter.end(describe_progress(progress))
        return progress.stopped or self.judge(iteration, [s.name for s in self._all_stages(iteration)])

    def sample(self, iteration: int, n: int) -> Stop | None:
        """Do ``n`` inputs of each first step of ``generate``, and what follows from them; return why it ended early, if it did."""
        self.reporter.begin(f"[{iteration}] generate, a sample", unit="inputs")
        progress = self._generation(iteration, self._all_stages(iteration), self._teacher(iteration)).run(sample=n)
        verify_samples(self.store, self.run_id, iteration, SOLVE, self._grader)
        self.reporter.end(describe_progress(progress))
        return progress.stopped

    def estimate(self, iteration: int) -> list[Estimate]:
        """Return what ``generate`` and the recipe's judges of its samples would ask and cost, without asking."""
        check_journals(self.recipe)
        teacher, stages = self._teacher(iteration), self._all_stages(iteration)
        found = self._generation(iteration, stages, teacher).estimate(self._engines.identity(teacher))
        if all(ready.judge is None for ready in self._judges):
            return found
        from ._judge_costs import estimate_judges, expect_on_policy

        root = self.store.project.root
        drawn = expect_on_policy(self.recipe, sum(len(pool.ids) for pool in self._pools), root)
        return found + estimate_judges(self.recipe, self._judges, stages, [*found, *drawn], root, self.bench(iteration))

    def estimate_suites(self, iteration: int) -> list[Estimate]:
        """Return what the rubrics of the recipe's suites would ask in an iteration and cost, without asking."""
        from ._judge_costs import estimate_rubrics

        first = local_subject(self.checkpoints.resolve(self.checkpoints.first()), self.recipe.engine)
        n = count_challengers(self.recipe) + bool(unscored(self.store, first, self.splits))
        return estimate_rubrics(self.recipe, self.splits, load_grader(GRADER, self.store.project.root), n)

    def evaluate(self, checkpoint: Checkpoint, iteration: int) -> None:
        """Score a checkpoint on the suites, in process."""
        subject = local_subject(self.checkpoints.resolve(checkpoint), self.recipe.engine)
        self.score(subject, checkpoint.stage, self.splits, iteration)

    def score(self, subject: Subject, what: str, splits: Sequence[Split], iteration: int) -> None:
        """Score whoever is asked for on some splits.

        Args:
            subject: who is scored.
            what: how it is called in progress.
            splits: on what.
            iteration: the one that the requests are filed under.
        """
        evaluate(
            self.store, self.reporter, subject, what, splits, judge=self._engines.describe("openai"), run_id=self.run_id,
            iteration=iteration,
        )  # fmt: skip

    def import_solutions(self, path: Path) -> None:
        """Bring existing solutions in as iteration 0, verified and paired."""
        seed = self._seed(0, "pair")
        import_file(self.store, self.recipe, self.reporter, path, self._step(0, IMPORT), seed=seed)

    def train_imported(self) -> Checkpoint | None:
        """Train DPO on the imported pairs, from the first champion."""
        return self.train_on_pairs(0, self.checkpoints.first())

    def prepare_suite(self, name: str) -> list[Split]:
        """Return a suite that the recipe does not have, only to be reported: a file of prompts, or a task on its own data.

        Raises:
            NotFoundError: it is neither.
        """
        grader = load_grader(GRADER, self.store.project.root)
        return prepare_extra_suite(self.store.project, name, {s.suite.name for s in self.splits}, self.base, grader)

    def find_subject(self, name: str | None, kind: str) -> Subject:
        """Return a checkpoint as it is scored through an engine of ``kind``; of ``openai`` the endpoint's model."""
        if kind == "openai":
            return endpoint_subject(self.checkpoints, self._engines)
        if kind == "vllm":
            find_vllm_python(self.recipe.engine.python, self.base)  # told before anything is loaded
        return find_subject(self.checkpoints, self._engines, name, kind)

    def compare(self, before: Subject, after: Subject, splits: Sequence[Split]) -> tuple[list[Comparison], Path]:
        """Score two models, compare them item by item, and write ``before_after.md``; return it and the figures.

        Raises:
            RecipeError: they are one and the same; then nothing is scored.
        """
        require_two(before, after)
        for subject in (before, after):
            self.score(subject, subject.name, splits, self.iterations.current())
        found = compare_subjects(self.store, before, after, splits)
        return found, write_before_after(self.store, before, after, found, splits)

    def recorded_subject(self, file: Path, splits: Sequence[Split]) -> Subject:
        """Return recorded answers as who is scored on one split."""
        return recorded_subject(self.checkpoints, file, splits)

    # --- inside ------------------------------------------------------------------------------------------------

    def _require_draws(self, iteration: int) -> None:
        if self.recipe.draws:
            require_complete(self.store, self._step(iteration, SOLVE))

    def _train(self, step: Step, parent: Checkpoint, snapshot: Snapshot, seed: int) -> Checkpoint | None:
        """Train a method, named by the step; None when there are too few rows."""
        parent = self.checkpoints.make_whole(parent)
        return train(self.store, self.recipe, self.reporter, step, parent, snapshot, seed=seed, base=self.base)

    def _run_steps(self, iteration: int, teacher: Checkpoint | None) -> Stop | None:
        """Run the recipe's steps; return why they ended early, if they did."""
        self.reporter.begin(f"[{iteration}] generate", unit="inputs")
        progress = self._generation(iteration, self._stages, teacher).run()
        self.reporter.end(describe_progress(progress))
        return progress.stopped or self.judge(iteration, [s.name for s in self._stages])

    def judge(self, iteration: int, steps: Sequence[str]) -> Stop | None:
        """Let the recipe's judges judge the samples of ``steps``; return why it ended early, if it did."""
        return self.bench(iteration).run_all(self._judges, steps) if self._judges else None

    def _draw(self, step: Step, checkpoint: Checkpoint | None) -> Stop | None:
        """Draw and verify what is planned for a step, by a checkpoint or for None the endpoint; return why it ended early."""
        total = count_planned(self.store, step)
        self.reporter.begin(f"[{step.iteration}] {step.name}", unit="problems", total=total)
        progress = self._generation(step.iteration, [self._draw_stage(step)], checkpoint).run()
        verify_samples(self.store, self.run_id, step.iteration, step.name, self._grader)
        self.reporter.end(describe_draws(self.store, step, progress))
        return progress.stopped or self.judge(step.iteration, [step.name])

    def _all_stages(self, iteration: int) -> list[Stage]:
        """Return what ``generate`` does: the recipe's steps, then its problems."""
        draws = [self._draw_stage(self._step(iteration, SOLVE))] if self.recipe.draws else []
        return [*self._stages, *draws]

    def _draw_stage(self, step: Step) -> Stage:
        return make_draw_stage(step, config_of(self.recipe, step.name), self.store.project.root)

    def _generation(self, iteration: int, stages: Sequence[Stage], checkpoint: Checkpoint | None) -> Generation:
        return Generation(
            self.store, self.recipe, stages, self.reporter, lambda on_tokens: self._engines.connect(checkpoint, on_tokens),
            run_id=self.run_id, iteration=iteration,
        )  # fmt: skip

    def bench(self, iteration: int) -> "Bench":
        """Return what lets judges judge an iteration's samples."""
        from ._judge import Bench

        teacher = self._teacher(iteration)
        return Bench(self.store, self.recipe, self.reporter, self._engines, teacher, self.run_id, iteration)

    def _teacher(self, iteration: int) -> Checkpoint | None:
        """Return the checkpoint that generates; None for an endpoint."""
        return None if self.recipe.engine.kind == "openai" else self.checkpoints.champion_before(iteration)

    def _decontaminate(self) -> Decontaminator:
        if self._decontaminator is None:
            self._decontaminator = make_decontaminator(self.recipe, self.splits, self._embed, self._mapper())
        return self._decontaminator

    def _mapper(self) -> Mapper:
        if self._parts is None:
            self._parts = make_mapper(self.recipe, self.store.project)
        return self._parts

    def _freezer(self, iteration: int, seed: int) -> Freezer:
        self.store.fold_aside()
        model = Path(self.checkpoints.resolve(self.checkpoints.first()).path)
        scope = self._step(iteration, "curate")
        return make_freezer(
            self.store, self.recipe, self._grader, self._decontaminate(), model, scope, seed=seed, embed=self._embed,
            mapper=self._mapper(),
        )  # fmt: skip

    def _step(self, iteration: int, name: str) -> Step:
        return Step(self.run_id, iteration, name)

    def _seed(self, *parts: object) -> int:
        return seed_from(self.recipe.seed, *parts) % (1 << 31)
