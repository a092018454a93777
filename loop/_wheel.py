"""The wheel: the stages of an iteration and their order. It reads top to bottom, like the script it is.

Every stage is known by what it is made of, and does nothing when its outcome is in the store already. A run that is
killed and started again therefore walks the same path, finds what is done, and goes on from there.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from ..config import Recipe, SolveConfig
from ..errors import NotFoundError, RecipeError, StoppedError
from ..eval import Split, evaluate_checkpoint, prepare_suites, unscored
from ..gen import (
    Step,
    Tally,
    choose_problems,
    generate_samples,
    import_solutions,
    load_problems,
    make_stages,
    read_problem_plan,
    read_problems,
)
from ..judge import (
    Decontaminator,
    EvalText,
    Snapshot,
    drop_rows,
    make_pairs,
    snapshot_dpo,
    snapshot_sft,
    verify_samples,
)
from ..llm import (
    Engine,
    LocalEngine,
    ModelIdentity,
    OpenAIEngine,
    ResolvedModel,
    Sampling,
    ServerSettings,
    VllmEngine,
    VllmServer,
    find_vllm_python,
    hash_model,
    resolve_model,
)
from ..prompts import load_template
from ..schema import content_id, hash_files, seed_from, utc_now
from ..stage import Event
from ..store import Project, Store
from ..train import Checkpoint, TrainJob, check_keys, train_checkpoint
from ._content import Content, describe_content, find_earlier_run
from ._decide import check_metrics, decide, record_baseline
from ._gate import Ruling
from ._generate import Generation, run_loop
from ._report_to import Reporter
from ._words import count

SOLVE, ON_POLICY, IMPORT = "solve", "on-policy", "import"
IMPORT_MARKERS = ("####", "A:", "boxed", "the answer is")
VERSIONED = ("duckdb", "torch", "transformers", "trl", "datasets", "lm-eval", "openai", "math-verify")


@dataclass(frozen=True)
class Champion:
    """The checkpoint in use."""

    checkpoint_id: str
    path: Path
    stage: str


class Wheel:
    """One run of one recipe in one project.

    Args:
        project: where rows and checkpoints go.
        recipe: what to do.
        base: folder that the recipe's paths start from.
        reporter: who is told.
    """

    def __init__(self, project: Project, recipe: Recipe, base: Path, reporter: Reporter) -> None:
        self.recipe = recipe
        self.base = base
        self.store = Store(project)
        self.reporter = reporter
        self.run_id = ""
        self.splits: list[Split] = []
        self._base_model: ResolvedModel | None = None
        self._decontaminator: Decontaminator | None = None
        self._problem_ids: list[str] = []
        self._server: VllmServer | None = None

    # --- the run -----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Check the whole recipe before anything costs time, and open the store.

        Raises:
            UserError: something that the recipe names is wrong or missing.
        """
        check_keys("sft", self.recipe.train.sft)
        check_keys("dpo", self.recipe.train.dpo or {})
        base = self._resolve_model()
        if self.recipe.engine.kind == "vllm":
            find_vllm_python(self.recipe.engine.python, self.base)
        stages = make_stages(self.recipe.generate, self.store.project.root, self.base)
        templates = [load_template(name, self.store.project.root) for name in self._template_names()]
        templates += [stage.template(name) for stage in stages for name in stage.generator.templates]
        problems = read_problems(self.recipe.problems, self.base) if self.recipe.problems is not None else None
        self.splits = prepare_suites(self.store.project, self.recipe.suites, self.base)
        content = describe_content(self.recipe, problems.content_id if problems else None, self.splits, templates)
        self.run_id = content_id("run", [self.recipe.identity(), base.revision, content])
        self.store.open()
        self._base_model = base
        self._say_what_changed(base, content)
        if problems is not None:
            self._problem_ids = problems.ids
            load_problems(self.store, problems, self._step(0, "problems"))
        self._record_run(base, problems.content_id if problems else None, content)

    def run(self, iterations: int) -> None:
        """Turn the wheel until ``iterations`` turns are complete."""
        if self.recipe.problems is None or not self.recipe.suites:
            raise RecipeError(
                f"recipe {self.recipe.name}", expected="problems to solve and suites to score, for flywheel run",
                received="steps of generate only", cure="flywheel generate, or add problems and suites to the recipe",
            )  # fmt: skip
        self.evaluate_baseline()
        for iteration in range(1, iterations + 1):
            if not self.is_finished(iteration):
                self.turn(iteration)

    def turn(self, iteration: int) -> None:
        """Make one whole iteration."""
        self.begin_iteration(iteration)
        if stopped := self.generate(iteration):
            raise StoppedError(
                f"iteration {iteration}, generate", expected="every input done", received=f"stopped: {stopped}",
                cure="raise the budget if it is spent; the same command goes on from here",
            )  # fmt: skip
        sft = self.train_sft(iteration)
        if sft is not None:
            self.judge_challenger(iteration, sft)
            dpo = self.train_dpo(iteration, sft)
            if dpo is not None:
                self.judge_challenger(iteration, dpo)
        self.finish_iteration(iteration)

    # --- stages ------------------------------------------------------------------------------------------------

    def evaluate_baseline(self) -> None:
        """Score the first champion."""
        base = self._base_checkpoint()
        self.evaluate(base, 0)
        check_metrics(self.store, self.splits, base.checkpoint_id)
        record_baseline(self.store, self.splits, run_id=self.run_id, checkpoint_id=base.checkpoint_id)

    def begin_iteration(self, iteration: int) -> None:
        """Open an iteration: fix its champion and its problems."""
        started = {
            "run_id": self.run_id, "iteration": iteration, "champion_before": self.champion().checkpoint_id,
            "champion_after": None, "started_at": utc_now(), "finished_at": None,
        }  # fmt: skip
        if not self.store.query(
            "SELECT 1 FROM iterations WHERE run_id = ? AND iteration = ?", [self.run_id, iteration]
        ):
            self.store.insert_all("iterations", [started])
        if self.recipe.problems is not None:
            self._plan(iteration, SOLVE, self.recipe.solve, 0)

    def generate(self, iteration: int) -> str | None:
        """Run the recipe's steps, then draw and verify completions of the iteration's problems; by the champion or the
        endpoint. Return why it ended early, if it did.
        """
        champion = self._teacher(iteration)
        with self._one_server(champion):
            if self.recipe.generate and (stopped := self.generation(iteration).run().stopped):
                return stopped
            if self.recipe.problems is not None:
                self._solve(iteration, SOLVE, self.recipe.solve, champion)
        return None

    def generation(self, iteration: int) -> Generation:
        """Return the recipe's steps, made ready."""
        champion = self._teacher(iteration)

        async def connect() -> Engine:
            return await self._engine(champion, lambda n: None)

        return Generation(
            self.store, self.recipe, self.base, self.reporter, connect, run_id=self.run_id, iteration=iteration
        )

    def identity(self, iteration: int) -> ModelIdentity:
        """Return which model ``generate`` asks, as far as is known without asking it."""
        champion = self._teacher(iteration)
        return (self._make_endpoint_engine() if champion is None else self._make_own_engine(champion)).identity

    def train_sft(self, iteration: int) -> Checkpoint | None:
        """Freeze the accepted completions and train on them; None when there are too few."""
        self._require_complete(iteration, SOLVE)
        seed = self._seed(iteration, "sft")
        snapshot = snapshot_sft(
            self.store,
            self.run_id,
            iteration,
            select=self.recipe.select,
            decontaminator=self._decontaminate(),
            seed=seed,
        )
        champion = self._checkpoint(self._champion_before(iteration))
        parent = champion if self.recipe.train.sft_from == "champion" else self._base_checkpoint()
        return self._train(iteration, "sft", parent, snapshot, self.recipe.train.sft)

    def train_dpo(self, iteration: int, sft: Checkpoint) -> Checkpoint | None:
        """Draw from the SFT checkpoint, pair, and train on the pairs; None when disabled or too few."""
        if self.recipe.train.dpo is None:
            return None
        self._plan(iteration, ON_POLICY, self._on_policy_config(), self.recipe.solve.problems)
        self._solve(iteration, ON_POLICY, self._on_policy_config(), sft)
        make_pairs(self.store, self.run_id, iteration, ON_POLICY, self.recipe.pairs, self._seed(iteration, "pair"))
        return self.train_on_pairs(iteration, sft)

    def train_on_pairs(self, iteration: int, parent: Checkpoint) -> Checkpoint | None:
        """Freeze the iteration's pairs and train DPO on them from ``parent``."""
        snapshot = snapshot_dpo(self.store, self.run_id, iteration, decontaminator=self._decontaminate())
        return self._train(iteration, "dpo", parent, snapshot, self.recipe.train.dpo or {})

    def import_solutions(self, path: Path) -> None:
        """Bring existing solutions in as iteration 0, verified and paired."""
        step = self._step(0, IMPORT)
        self.reporter.begin(f"import {path.name}", unit="solutions")
        counts = import_solutions(
            self.store, path, step, load_template(self.recipe.solve.template, self.store.project.root)
        )
        verify_samples(self.store, self.run_id, 0, IMPORT, markers=IMPORT_MARKERS)
        self.store.fix_plan(self.run_id, 0, IMPORT, [(hash_files([path]), counts.inputs)], grow=True)
        n_pairs = make_pairs(self.store, self.run_id, 0, IMPORT, self.recipe.pairs, self._seed(0, "pair"))
        self.reporter.end(
            f"{count(counts.problems, 'problem')}, {count(counts.samples, 'new sample')}, {count(n_pairs, 'pair')}, "
            f"{count(len(counts.faults), 'bad line')}"
        )

    def train_imported(self) -> Checkpoint | None:
        """Train DPO on the imported pairs, from the first champion."""
        return self.train_on_pairs(0, self._base_checkpoint())

    def scores_of(self, checkpoint: Checkpoint, splits: Sequence[Split]) -> list[tuple[Any, ...]]:
        """Return (suite, split, metric, score, stderr, n) of a checkpoint on ``splits``."""
        hashes = [s.suite_hash for s in splits]
        return self.store.query(
            "SELECT suite, split, metric, score, stderr, n FROM scores WHERE checkpoint_id = ? AND list_contains(?, suite_hash) ORDER BY ALL",
            [checkpoint.checkpoint_id, hashes],
        )

    def evaluate(self, checkpoint: Checkpoint, iteration: int, splits: Sequence[Split] | None = None) -> None:
        """Score a checkpoint on the suites."""
        wanted = unscored(self.store, checkpoint.checkpoint_id, self.splits if splits is None else splits)
        if not wanted:
            return
        n = sum(len(s.rows) for s in wanted)
        what = f"[{iteration}] eval {checkpoint.stage}"
        self.reporter.begin(what, unit="items", total=n)
        done: dict[str, int] = {}
        tokens = 0

        def show(event: Event) -> None:
            nonlocal tokens
            if event["event"] == "progress":
                done[event["what"]] = event["done"]
                self.reporter.update(done=sum(done.values()), total=n, tokens=event["tokens"] - tokens)
                tokens = event["tokens"]

        evaluate_checkpoint(
            self.store, self._resolved(checkpoint), wanted, run_id=self.run_id, iteration=iteration,
            batch_size=self.recipe.engine.batch_size, on_event=show,
        )  # fmt: skip
        self.reporter.end(self._describe_scores(checkpoint))

    def judge_challenger(self, iteration: int, challenger: Checkpoint) -> Ruling:
        """Score a challenger and let the gate decide between it and the champion of the moment."""
        self.evaluate(challenger, iteration)
        champion = self._champion_for(iteration, challenger)
        self.evaluate(self._checkpoint(champion), iteration)  # needed only when another lm-eval scores now
        ruling = decide(
            self.store, self.recipe, self.splits, run_id=self.run_id, iteration=iteration, stage=challenger.stage,
            challenger=challenger.checkpoint_id, champion=champion,
        )  # fmt: skip
        verdict = "promoted" if ruling.promoted else "kept the champion"
        self.reporter.say(f"[{iteration}] gate: {challenger.stage} {verdict}: {ruling.reason}")
        return ruling

    def finish_iteration(self, iteration: int) -> None:
        """Close an iteration."""
        champion = self._champion_id()
        with self.store.write() as connection:
            connection.execute(
                "UPDATE iterations SET champion_after = ?, finished_at = ? WHERE run_id = ? AND iteration = ? AND finished_at IS NULL",
                [champion, utc_now(), self.run_id, iteration],
            ).fetchall()

    # --- what is where -----------------------------------------------------------------------------------------

    def champion(self) -> Champion:
        """Return the checkpoint in use."""
        found = self._checkpoint(self._champion_id())
        return Champion(found.checkpoint_id, found.path, found.stage)

    def is_finished(self, iteration: int) -> bool:
        """Say whether an iteration is complete."""
        return bool(
            self.store.query(
                "SELECT 1 FROM iterations WHERE run_id = ? AND iteration = ? AND finished_at IS NOT NULL",
                [self.run_id, iteration],
            )
        )

    def current_iteration(self) -> int:
        """Return the number of the iteration that is under way or due."""
        ((done,),) = self.store.query(
            "SELECT coalesce(max(iteration), 0) FROM iterations WHERE run_id = ? AND finished_at IS NOT NULL",
            [self.run_id],
        )
        return int(done) + 1

    def find_checkpoint(self, name: str | None) -> Checkpoint:
        """Return a checkpoint by id, by a unique beginning of it, or the champion for None.

        Raises:
            NotFoundError: none or several match.
        """
        if name is None:
            return self._checkpoint(self._champion_id())
        found = self.store.query("SELECT checkpoint_id FROM checkpoints WHERE starts_with(checkpoint_id, ?)", [name])
        if len(found) != 1:
            raise NotFoundError(
                f"checkpoint {name!r}", expected="the id of one checkpoint, or a unique beginning of it",
                received=f"{len(found)} match", cure='flywheel sql "select checkpoint_id, iteration, stage from checkpoints"',
            )  # fmt: skip
        return self._checkpoint(str(found[0][0]))

    def latest_checkpoint(self, iteration: int, stage: str) -> Checkpoint | None:
        """Return what a training stage of an iteration made, if it has run."""
        found = self.store.query(
            "SELECT checkpoint_id FROM checkpoints WHERE run_id = ? AND iteration = ? AND stage = ? ORDER BY created_at DESC LIMIT 1",
            [self.run_id, iteration, stage],
        )
        return self._checkpoint(str(found[0][0])) if found else None

    # --- inside ------------------------------------------------------------------------------------------------

    def _on_policy_config(self) -> SolveConfig:
        return self.recipe.on_policy or self.recipe.solve

    def _step(self, iteration: int, name: str) -> Step:
        return Step(self.run_id, iteration, name)

    def _plan(self, iteration: int, name: str, config: SolveConfig, skip: int) -> None:
        """Fix the problems of a step: each iteration takes the next of one seeded order, first to solve, then on policy."""
        per_turn = self.recipe.solve.problems + self._on_policy_config().problems
        offset = (iteration - 1) * per_turn + skip
        chosen = choose_problems(self._problem_ids, self.recipe.seed, offset, config.problems)
        self.store.fix_plan(self.run_id, iteration, name, [(p, config.draws) for p in chosen])

    def _require_complete(self, iteration: int, name: str) -> None:
        """Refuse to go on from a step that was interrupted."""
        ((planned, left),) = self.store.query(
            """
            SELECT count(*), count(*) FILTER (
                q.request_id IS NULL OR EXISTS (
                    SELECT 1 FROM samples s LEFT JOIN verdicts v USING (sample_id)
                    WHERE s.request_id = q.request_id AND v.sample_id IS NULL))
            FROM plans p LEFT JOIN requests q
              ON q.run_id = p.run_id AND q.iteration = p.iteration AND q.step = p.step AND q.input_id = p.input_id
            WHERE p.run_id = ? AND p.iteration = ? AND p.step = ?
            """,
            [self.run_id, iteration, name],
        )
        if planned == 0 or left:
            raise RecipeError(
                f"iteration {iteration}", expected="every planned completion on record and verified",
                received=f"{left} of {planned} inputs of step {name!r} are not" if planned else "none were generated",
                cure="give flywheel generate first (it goes on where it stopped), or flywheel run for the whole turn",
            )  # fmt: skip

    def _seed(self, *parts: object) -> int:
        return seed_from(self.recipe.seed, *parts) % (1 << 31)

    def _resolve_model(self) -> ResolvedModel:
        try:
            return resolve_model(self.recipe.model, self.base)
        except NotFoundError as error:
            folder = (self.base / Path(self.recipe.model).expanduser()).resolve()
            if not folder.exists():
                raise
            what = f"the folder {folder}, without a config.json in it" if folder.is_dir() else f"the file {folder}"
            raise NotFoundError(
                error.place, expected=error.expected, received=what, cure="name the folder that holds the model's files"
            ) from None

    def _template_names(self) -> list[str]:
        return sorted({self.recipe.solve.template, self._on_policy_config().template})

    def _say_what_changed(self, base: ResolvedModel, content: Content) -> None:
        """Say it when this is a new run only because files have changed under the recipe."""
        if self.store.query("SELECT 1 FROM runs WHERE run_id = ?", [self.run_id]):
            return
        earlier = find_earlier_run(self.store, self.recipe, content_id("ckpt", base.revision))
        if earlier is not None:
            changed = ", ".join(sorted(k for k in content if content[k] != earlier.content.get(k)))
            self.reporter.say(
                f"Changed since run {earlier.run_id}: {changed}. This is a new run; the rows of the other stay."
            )

    def _record_run(self, base: ResolvedModel, problem_set_id: str | None, content: Content) -> None:
        now, base_id = utc_now(), content_id("ckpt", base.revision)
        checkpoint = {
            "checkpoint_id": base_id, "run_id": None, "iteration": None, "stage": "seed", "parent_id": None,
            "snapshot_id": None, "path": base.path, "config": json.dumps({"model": base.name, "revision": base.revision}),
            "metrics": None, "created_at": now,
        }  # fmt: skip
        run = {
            "run_id": self.run_id, "name": self.recipe.name, "seed": self.recipe.seed, "model": self.recipe.model,
            "base_checkpoint_id": base_id, "recipe": self.recipe.model_dump_json(), "versions": json.dumps(_versions()),
            "started_at": now, "problem_set_id": problem_set_id, "content": json.dumps(content),
        }  # fmt: skip
        self.store.insert("checkpoints", [checkpoint], key="checkpoint_id")
        self.store.insert("runs", [run], key="run_id")

    def _solve(self, iteration: int, name: str, config: SolveConfig, checkpoint: Checkpoint | None) -> None:
        step = self._step(iteration, name)
        plan = read_problem_plan(self.store, step)
        template = load_template(config.template, self.store.project.root)
        sampling = Sampling(
            temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens, logprobs=config.logprobs
        )
        self.reporter.begin(f"[{iteration}] {name}", unit="problems", total=len(plan))
        on_tokens = lambda n: self.reporter.update(tokens=n)  # noqa: E731

        async def work() -> Tally:
            engine = await self._engine(checkpoint, on_tokens)
            try:
                return await generate_samples(
                    self.store,
                    engine,
                    plan,
                    template,
                    sampling,
                    step,
                    seed=self.recipe.seed,
                    on_progress=self._show_tally,
                )
            finally:
                await engine.close()

        run_loop(work())
        verify_samples(self.store, self.run_id, iteration, name)
        self.reporter.end(self._describe_step(step))

    def _show_tally(self, tally: Tally) -> None:
        self.reporter.update(done=tally.requests, total=tally.total)

    async def _engine(self, checkpoint: Checkpoint | None, on_tokens: Callable[[int], None]) -> Engine:
        if checkpoint is not None:
            return self._make_own_engine(checkpoint, on_tokens)
        return await self._make_endpoint_engine().connect()

    def _make_own_engine(
        self, checkpoint: Checkpoint, on_tokens: Callable[[int], None] = lambda n: None
    ) -> LocalEngine | VllmEngine:
        """Return the engine of a checkpoint: nothing is loaded or started before the first request."""
        config, model = self.recipe.engine, self._resolved(checkpoint)
        if config.kind != "vllm":
            return LocalEngine(model, batch_size=config.batch_size, on_tokens=on_tokens)
        return VllmEngine(
            model, self._server_settings(), server=self._server, concurrency=config.concurrency, timeout_s=config.timeout_s,
            max_attempts=config.max_attempts, send_seed=config.send_seed, patience_s=config.patience_s,
            extra_body=config.extra_body, on_note=lambda note: self.reporter.update(note=note),
        )  # fmt: skip

    def _make_endpoint_engine(self) -> OpenAIEngine:
        config = self.recipe.engine
        return OpenAIEngine(
            base_url=config.base_url, model=config.model, concurrency=config.concurrency, timeout_s=config.timeout_s,
            max_attempts=config.max_attempts, send_seed=config.send_seed, patience_s=config.patience_s,
            extra_body=config.extra_body,
        )  # fmt: skip

    def _server_settings(self) -> ServerSettings:
        config = self.recipe.engine
        return ServerSettings(
            logs=self.store.project.logs, base=self.base, python=config.python, server_args=config.server_args,
            env=config.env, startup_s=config.startup_s, max_restarts=config.max_restarts,
        )  # fmt: skip

    @contextmanager
    def _one_server(self, checkpoint: Checkpoint | None) -> Iterator[None]:
        """While the block runs, let all its steps share one vLLM server; it starts when the first of them needs it."""
        if checkpoint is None or self.recipe.engine.kind != "vllm":
            yield
            return
        self._server = VllmServer(self._resolved(checkpoint), self._server_settings())
        try:
            yield
        finally:
            self._server.end()
            self._server = None

    def _train(
        self, iteration: int, method: str, parent: Checkpoint, snapshot: Snapshot, args: dict[str, Any]
    ) -> Checkpoint | None:
        if snapshot.n_rows < self.recipe.train.min_rows:
            reason = f"{count(snapshot.n_rows, 'row')}: fewer than train.min_rows = {self.recipe.train.min_rows}"
            drop_rows(
                self.store, self.run_id, iteration, f"{method}/train", reason, snapshot.snapshot_id, snapshot.n_rows
            )
            self.reporter.say(f"[{iteration}] {method} left out: {reason}")
            return None
        job = TrainJob(
            self.run_id, iteration, method, parent, hash_model(parent.path), snapshot.snapshot_id, snapshot.path,
            snapshot.n_rows, dict(args), self._seed(iteration, method),
        )  # fmt: skip
        self.reporter.begin(f"[{iteration}] train {method}", unit="steps")

        def show(event: Event) -> None:
            if event["event"] == "step":
                self.reporter.update(done=event["step"], total=event["total"], tokens=event["tokens"])
            elif event["event"] == "log":
                self.reporter.update(note=f"loss {float(event['loss']):.4f}")

        made = train_checkpoint(self.store, job, on_event=show)
        self.reporter.end(self._describe_training(made, snapshot))
        return made

    def _decontaminate(self) -> Decontaminator:
        if self._decontaminator is None:
            items = (EvalText(s.suite.name, s.name, item, text) for s in self.splits for item, text in s.texts())
            self._decontaminator = Decontaminator(items, self.recipe.decontaminate)
        return self._decontaminator

    def _base_checkpoint(self) -> Checkpoint:
        ((checkpoint_id,),) = self.store.query("SELECT base_checkpoint_id FROM runs WHERE run_id = ?", [self.run_id])
        return self._checkpoint(str(checkpoint_id))

    def _checkpoint(self, checkpoint_id: str) -> Checkpoint:
        ((path, stage),) = self.store.query(
            "SELECT path, stage FROM checkpoints WHERE checkpoint_id = ?", [checkpoint_id]
        )
        folder = self.store.project.root / path
        if stage == "seed" and self._base_model is not None and not (folder / "config.json").is_file():
            folder = Path(self._base_model.path)
        if not (folder / "config.json").is_file():
            raise NotFoundError(
                f"checkpoint {checkpoint_id}", expected=f"a model in {folder}", received="no config.json there",
                cure="restore the folder from a backup, or start over in an empty project folder",
            )  # fmt: skip
        return Checkpoint(checkpoint_id, folder, stage)

    def _resolved(self, checkpoint: Checkpoint) -> ResolvedModel:
        name = self.recipe.model if checkpoint.stage == "seed" else checkpoint.checkpoint_id
        return ResolvedModel(name, str(checkpoint.path), hash_model(checkpoint.path), checkpoint.checkpoint_id)

    def _champion_id(self) -> str:
        found = self.store.query(
            """
            SELECT checkpoint_id FROM decisions WHERE run_id = ? AND promoted AND role = 'gate'
            ORDER BY iteration DESC, stage = 'dpo' DESC LIMIT 1
            """,
            [self.run_id],
        )
        return str(found[0][0]) if found else self._base_checkpoint().checkpoint_id

    def _champion_before(self, iteration: int) -> str:
        found = self.store.query(
            "SELECT champion_before FROM iterations WHERE run_id = ? AND iteration = ?", [self.run_id, iteration]
        )
        if not found:
            raise RecipeError(
                f"iteration {iteration}", expected="an iteration that has begun", received="none",
                cure="give flywheel generate first, or flywheel run for the whole turn",
            )  # fmt: skip
        return str(found[0][0])

    def _champion_for(self, iteration: int, challenger: Checkpoint) -> str:
        """Return whom ``challenger`` has to beat: the champion, but never itself when a decision is looked up again."""
        found = self.store.query(
            "SELECT champion_id FROM decisions WHERE run_id = ? AND iteration = ? AND stage = ? AND role = 'gate'",
            [self.run_id, iteration, challenger.stage],
        )
        return str(found[0][0]) if found else self._champion_id()

    def _teacher(self, iteration: int) -> Checkpoint | None:
        """Return the checkpoint that generates; None for an endpoint."""
        return None if self.recipe.engine.kind == "openai" else self._checkpoint(self._champion_before(iteration))

    def _describe_step(self, step: Step) -> str:
        rows = self.store.query(
            "SELECT step, entered, kept, dropped, reason FROM funnel WHERE run_id = ? AND iteration = ? AND step IN (?, ?) ORDER BY step",
            [step.run_id, step.iteration, step.name, f"{step.name}/verify"],
        )
        made = next((r for r in rows if r[0] == step.name), (step.name, 0, 0, 0, None))
        verified = next((r for r in rows if r[0] != step.name), (step.name, 0, 0, 0, None))
        share = 100 * verified[2] / verified[1] if verified[1] else 0.0
        lost = f", {made[3]} dropped ({made[4]})" if made[3] else ""
        return f"{made[2]} completions{lost}, {verified[2]} correct ({share:.1f} %)"

    def _describe_scores(self, checkpoint: Checkpoint) -> str:
        parts = []
        for split in self.splits:
            rows = self.store.query(
                "SELECT score, stderr, n FROM scores WHERE checkpoint_id = ? AND suite_hash = ? AND split = ? AND metric = ?",
                [checkpoint.checkpoint_id, split.suite_hash, split.name, split.suite.metric],
            )
            parts += [
                f"{split.suite.name}/{split.name} {100 * s:.1f} ± {100 * (e or 0):.1f} % (n={n})" for s, e, n in rows
            ]
        return ", ".join(parts)

    def _describe_training(self, checkpoint: Checkpoint, snapshot: Snapshot) -> str:
        rows = self.store.query(
            "SELECT arg_min(loss, step), arg_max(loss, step), count(*) FROM train_log WHERE checkpoint_id = ? AND loss IS NOT NULL",
            [checkpoint.checkpoint_id],
        )
        first, last, n = rows[0]
        losses = "" if not n else f", loss {first:.4f}" if n == 1 else f", loss {first:.4f} → {last:.4f}"
        return f"{count(snapshot.n_rows, 'row')}{losses}"


def _versions() -> dict[str, str]:
    found = {"flywheel": __version__}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
