"""The recipe: what a user may write, as frozen models. Configs never act: no I/O, no engine, no defaults that depend
on the machine.

Unknown keys are refused. Units are in the names; ``0 = disabled`` is said beside the default.
"""

import difflib
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ._curate import CurationConfig
from ._engine import EngineConfig
from ._executor import ExecutorConfig
from ._extends import EXTENDS
from ._gate import GateConfig
from ._judging import VERDICT_KINDS, JudgeConfig, PairConfig, PairKind, VerifierConfig
from ._loop import HookConfig, ServeConfig, StopConfig
from ._problems import DistractorConfig, ProblemsConfig
from ._source import SourceSpec
from ._strict import Name, Strict, fault
from ._train import TrainConfig, training_identity
from ._watch import ChooseConfig, WatchConfig

LARGEST_SEED = (1 << 63) - 1
PARQUET = "parquet://"


class SolveConfig(Strict):
    """How completions of problems are drawn."""

    template: str = "solve"
    draws: int = Field(4, ge=1, le=256)
    problems: int = Field(1000, ge=1)
    """Problems tried per iteration, taken without repetition until the set is used up, then from its start."""
    temperature: float = Field(0.8, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(256, ge=1)
    logprobs: bool = False


class SelectConfig(Strict):
    """Which verified completions become SFT rows."""

    per_problem: int = Field(2, ge=1)
    """Most different correct completions of one problem."""
    replay: float = Field(1.0, ge=0)
    """Rows of earlier iterations added, as a multiple of the new rows; 0 = disabled."""
    replay_pairs: float = Field(0.0, ge=0)
    """Pairs of earlier iterations added for DPO, as a multiple of the new pairs; 0 = disabled."""

    steps: tuple[str, ...] = ()
    """Whose samples are trained on: steps of ``generate``, of which all count that no judge fails, and ``solve``, of which the
    verifier has to pass them. Of rows that say the same and are judged alike that of the step named first stays. Default: ``solve``."""

    imported: tuple[str, ...] = ()
    """Names of imported sets whose completions are trained on beside these, in each iteration: a seed set, rows that people wrote.
    They are curated like any others, but judged by nobody, and come before any made row: they stay where one says the same, and ``curate.selection`` takes them first."""

    def identity(self) -> dict[str, Any]:
        """Return what makes two selections the same: a key that flywheel learned later is left out at its default."""
        later = {"replay_pairs": 0.0, "steps": [], "imported": []}
        return {k: v for k, v in self.model_dump(mode="json").items() if k not in later or v != later[k]}


class DecontaminateConfig(Strict):
    """What counts as an evaluation item inside training data."""

    ngram: int = Field(13, ge=1)
    """Length, in words, of the n-grams compared (13 as in the GPT-3 paper)."""
    overlap: float = Field(0.8, gt=0, le=1)
    """Share of an evaluation item's n-grams found in one training row that makes the row contaminated."""
    embedding: float = Field(0.0, ge=0, le=1)
    """Cosine of the embeddings (``curate.embed``) of an item and a row, or a line of it, that makes the row contaminated; 0 = disabled."""


PROMPTS_TASK = "prompts"
TASK_METRICS = {
    PROMPTS_TASK: "pass,none", "code": "pass,none", "fever": "acc,none", "fever-claim-only": "acc,none", "fever-cited": "acc_and_cited,none",
    "fever-quoted": "acc_and_cited,none",
}  # fmt: skip
"""What our own tasks are judged by, where the suite does not say."""


DEFAULT_GEN_TOKS = 256
"""Most tokens of an answer where neither the suite nor its task says (lm-eval's default)."""


class SuiteConfig(Strict):
    """One evaluation suite: an lm-eval task, on its own data or on ours."""

    name: Name
    task: str
    """An lm-eval task or group by name (``gsm8k``, ``mmlu``), one of flywheel's (``fever``, ``prompts``), or the path of a
    task YAML."""
    gate: SourceSpec
    """Rows that decide on promotion: a file, ``hub:…``, a prompt file for the task ``prompts``, or ``task:validation``: the
    task's own data."""
    report: SourceSpec | None = None
    """Rows that are only reported, never used to decide."""
    fewshot: SourceSpec | None = None
    num_fewshot: int | None = Field(None, ge=0)
    """Default: the task's own."""
    distractors: DistractorConfig | None = None
    """Pieces of other rows of a split among each row's own."""
    apply_chat_template: bool = True
    doc_to_text: str | None = None
    """Replaces the task's prompt (Jinja over the row); default: the task's own."""
    max_gen_toks: int | None = Field(None, ge=1)
    """Most tokens of an answer; default: the task's own limit, else 256 as in lm-eval."""
    metric: str = "exact_match,strict-match"
    """Metric and filter, in lm-eval's notation, by which the suite is judged; default of flywheel's own tasks: theirs. A number
    on each item; higher must be better."""

    @model_validator(mode="before")
    @classmethod
    def _own_metric(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("task") in TASK_METRICS and "metric" not in given:
            return {**given, "metric": TASK_METRICS[given["task"]]}
        return given


class StepConfig(Strict):
    """One step of ``generate``: which rows it consumes, and what a generator makes of them."""

    step: Name
    generator: str = Field(min_length=1)
    """A generator's name (``backtranslate``), ``file.py`` or ``file.py:name`` beside the recipe, or ``module:name``."""
    source: str = Field("chunks", min_length=1)
    """``chunks`` (of ingested documents), ``problems``, ``imported`` (samples of imported data sets), or the name of an
    earlier step, whose samples are consumed as they come."""
    where: str | None = None
    """SQL condition on the rows consumed, over the columns of ``source``; default: all. For example
    ``source like 'handbook/%'``."""
    limit: int = Field(0, ge=0)
    """Most rows consumed; 0 = all."""
    take: Literal["all", "new_first", "new"] = "all"
    """Which rows an iteration after the first takes: all of them in the order in which they came; those that no earlier
    iteration of the run had for this step first, then the others, as far as ``limit`` goes; or only those."""
    template: str | None = None
    """Replaces the generator's first template."""
    templates: dict[str, str] = Field(default_factory=dict)
    """Replaces any of the generator's templates by name, e.g. ``{cot-hint: my-hint}``. A replacement may leave out
    variables that it has no use for."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The generator's own; see docs/generators.md."""
    keep: tuple[Name, ...] = ()
    """Columns of the input that its samples carry on among their fields, whatever the generator makes: a level, a topic. An
    input without one is a drop."""
    draws: int = Field(1, ge=1, le=256)
    """Completions of each question, where the generator does not say itself."""
    temperature: float = Field(0.7, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(1024, ge=1)
    repairs: int = Field(1, ge=0)
    """How often an answer that is no valid JSON is asked again; 0 = disabled."""


class BudgetConfig(Strict):
    """What a run may spend on an endpoint. A run that meets a limit finishes what is in flight and stops; the same command
    with a higher limit goes on.
    """

    requests: int = Field(0, ge=0)
    """0 = no limit."""
    tokens: int = Field(0, ge=0)
    """Prompt and completion tokens together; 0 = no limit."""
    usd: float = Field(0.0, ge=0)
    """Needs ``prices``; 0 = no limit."""


class PricesConfig(Strict):
    """What the endpoint charges, in US dollars for a million tokens."""

    prompt: float = Field(0.0, ge=0)
    completion: float = Field(0.0, ge=0)

    def usd(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return what so many tokens cost."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class Recipe(Strict):
    """Everything that configures a run."""

    file_keys = (EXTENDS,)

    name: Name
    description: str = ""
    """What it is for, in one line; no part of a run."""
    commands: tuple[str, ...] = ()
    """What does it, in order, given in the recipe's folder and written without ``flywheel``; said by ``flywheel init``, no part of a
    run. Default: what follows from the other keys."""
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    model: str = "seed"
    """The first champion: ``seed`` (the embedded model), a folder, or a hub id."""
    iterations: int = Field(3, ge=1)
    programs: dict[str, str] = Field(default_factory=dict)
    """Programs that generators and verifiers of your own start, with how to get each (``{cobc: apt-get install gnucobol}``):
    where one is not on the PATH, nothing begins. No part of a run."""
    problems: ProblemsConfig | None = None
    engine: EngineConfig = EngineConfig()
    executor: ExecutorConfig = ExecutorConfig()
    """Where prompts are asked from: ``local``, ``ray``, or ``{kind: ray, workers: 8, …}``."""
    store: str = ""
    """``parquet://WHERE``: at the end of each step that asks, requests and samples move to Parquet shards there, in full shards. WHERE is what
    ``flywheel data shards`` takes (``parquet://s3://bucket/folder``, ``parquet:///mnt/shards``); a relative folder is the project's. No part of a run; empty = all
    rows stay in the store's file."""
    generate: tuple[StepConfig, ...] = ()
    """Steps from documents, problems or imported rows to samples; rows flow through all of them with no barrier."""
    budget: BudgetConfig = BudgetConfig()
    prices: PricesConfig = PricesConfig()
    choose: ChooseConfig = ChooseConfig()
    """Which problems an iteration after the first takes; default: the next ones."""
    solve: SolveConfig = SolveConfig()
    on_policy: SolveConfig | None = None
    """Draws from the fresh SFT checkpoint for DPO pairs; default: as ``solve``."""
    verifier: VerifierConfig = VerifierConfig(name="math", options={"markers": ["####"]})
    """What judges completions of the problems: a name, or ``{name: …, options: {…}}``. By default the final answer behind
    ``####`` counts."""
    judges: tuple[JudgeConfig, ...] = ()
    """Judges over the samples of steps, once these are made."""
    curate: CurationConfig = CurationConfig()
    """What goes before every snapshot; ``false``: nothing but evaluation items."""
    select: SelectConfig = SelectConfig()
    pairs: PairConfig = PairConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    train: TrainConfig = TrainConfig()
    suites: tuple[SuiteConfig, ...] = ()
    gate: GateConfig = GateConfig()
    stop: StopConfig = StopConfig()
    watch: WatchConfig = WatchConfig()
    """What is told, or ends the run, when an iteration's completions have changed too much."""
    hooks: HookConfig = HookConfig()
    metrics_file: str = ""
    """Where ``flywheel run`` keeps its figures for Prometheus (node_exporter's textfile collector reads ``*.prom``), from the
    recipe's folder on; empty = nowhere."""
    serve: ServeConfig = ServeConfig()

    @field_validator("description")
    @classmethod
    def _in_one_line(cls, description: str) -> str:
        if "\n" in description.strip():
            raise fault(
                "one line of text", f"{description.count(chr(10)) + 1} lines", "put what is more into a README.md"
            )
        return description.strip()

    @field_validator("store")
    @classmethod
    def _names_a_place(cls, store: str) -> str:
        if store and not (store.startswith(PARQUET) and store.removeprefix(PARQUET).strip()):
            raise fault(
                f"{PARQUET}WHERE", repr(store), f"for example {PARQUET}s3://bucket/folder, or {PARQUET}shards for a folder of the project"
            )  # fmt: skip
        return store

    @property
    def shards(self) -> str:
        """Where rows go in shards, as the recipe has it; empty = nowhere."""
        return self.store.removeprefix(PARQUET)

    @field_validator("engine", mode="before", json_schema_input_type=Literal["local", "vllm", "openai"] | EngineConfig)
    @classmethod
    def _engine_by_name(cls, engine: Any) -> Any:
        return {"kind": engine} if isinstance(engine, str) else engine

    @field_validator("executor", mode="before", json_schema_input_type=Literal["local", "ray"] | ExecutorConfig)
    @classmethod
    def _executor_by_name(cls, executor: Any) -> Any:
        return {"kind": executor} if isinstance(executor, str) else executor

    @model_validator(mode="after")
    def _asks_a_server(self) -> "Recipe":
        asks = self.generate or self.draws or self.judges  # else there is curation alone
        if self.executor.kind == "ray" and self.engine.kind == "local" and asks:
            raise fault(
                "executor: ray with engine.kind: openai or vllm", f"engine.kind: {self.engine.kind}",
                "engine: vllm starts a server in each worker; or name the address of one under engine.base_url; or leave executor out",
            )  # fmt: skip
        return self

    @field_validator("verifier", mode="before", json_schema_input_type=str | VerifierConfig)
    @classmethod
    def _verifier_by_name(cls, verifier: Any) -> Any:
        return {"name": verifier} if isinstance(verifier, str) else verifier

    @field_validator("curate", mode="before", json_schema_input_type=bool | CurationConfig)
    @classmethod
    def _curate_or_not(cls, curate: Any) -> Any:
        return CurationConfig.off() if curate is False else {} if curate is True else curate

    @field_validator("curate")
    @classmethod
    def _always_decontaminate(cls, curate: CurationConfig) -> CurationConfig:
        if not curate.decontaminate:
            raise fault(
                "true: no evaluation item may be trained on", "false", "remove the key; suites say what is looked for",
                ("curate", "decontaminate"),
            )  # fmt: skip
        return curate

    @field_validator("suites")
    @classmethod
    def _unique_names(cls, suites: tuple[SuiteConfig, ...]) -> tuple[SuiteConfig, ...]:
        names = [s.name for s in suites]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise fault("suite names that differ", f"{name!r} twice", "rename one", ("suites", i, "name"))
        return suites

    @model_validator(mode="after")
    def _names_an_embedding(self) -> "Recipe":
        if self.decontaminate.embedding and self.curate.embed is None:
            raise fault(
                "curate.embed, the model that makes embeddings", "none", "for example curate: {embed: own.py:embed}",
                ("decontaminate", "embedding"),
            )  # fmt: skip
        return self

    @model_validator(mode="after")
    def _known_steps(self) -> "Recipe":
        steps = [s.step for s in self.generate] + (["solve", "on-policy"] if self.problems else [])
        names = [j.name for j in self.judges]
        for i, judge in enumerate(self.judges):
            if judge.name in names[:i]:
                raise fault("judges of different names", f"{judge.name!r} twice", "rename one", ("judges", i, "name"))
            if judge.name == self.verifier.name:
                raise fault(
                    "another name than the verifier's", repr(judge.name), "rename the judge", ("judges", i, "name")
                )
            if unknown := [s for s in judge.of if s not in steps]:
                cure = _nearest(unknown[0], steps) or "name a step of generate"
                raise fault(f"one of {', '.join(steps)}", f"the unknown step {unknown[0]!r}", cure, ("judges", i, "of"))
        for i, kind in enumerate(self.pairs.kinds):
            if kind.judge is not None and kind.judge not in (*names, "recorded", self.verifier.name):
                known = [*names, self.verifier.name, "recorded"]
                raise fault(
                    f"one of {', '.join(known)}", f"the unknown judge {kind.judge!r}",
                    _nearest(kind.judge, known) or "name a judge that stands under judges", ("pairs", "kinds", i, "judge"),
                )  # fmt: skip
        return self

    @model_validator(mode="after")
    def _known_demands(self) -> "Recipe":
        """Whoever has to have passed the chosen side of a pair must be there, judge single completions, and judge these."""
        known = [*(j.name for j in self.judges if j.kind != "pairwise"), self.verifier.name]
        for i, kind in enumerate(self.pairs.kinds):
            if unknown := [name for name in kind.chosen_passes if name not in known]:
                is_pairwise = unknown[0] in {j.name for j in self.judges}
                received = f"{unknown[0]!r}, which compares two" if is_pairwise else f"the unknown judge {unknown[0]!r}"
                cure = _nearest(unknown[0], known) or "name a judge of single completions that stands under judges"
                place = ("pairs", "kinds", i, "chosen_passes")
                raise fault(f"chosen_passes: of {', '.join(known)}", received, cure, place)
            for name in kind.chosen_passes if kind.kind in VERDICT_KINDS else ():
                if missed := [step for step in self._paired_by(kind) if step not in self._judged_by(name)]:
                    judged = ", ".join(self._judged_by(name)) or "no step"
                    raise fault(
                        f"a judge of {', '.join(missed)}, whose samples are paired", f"{name!r}, which judges {judged}: no pair would be left",
                        f"add {missed[0]} to what it judges (of:), name another judge, or leave the step out of pairs.steps",
                        ("pairs", "kinds", i, "chosen_passes"),
                    )  # fmt: skip
        return self

    def _judged_by(self, name: str) -> tuple[str, ...]:
        """Return the steps whose samples a judge, or the verifier of the problems, judges."""
        found = [judge.of for judge in self.judges if judge.name == name]
        return found[0] if found else ("solve", "on-policy")

    def _paired_by(self, kind: PairKind) -> list[str]:
        """Return the steps of which a run makes pairs of a kind of verdicts; imported rows are judged before it, if at all."""
        steps = self.pairs.steps or (("on-policy",) if self.draws and self.train.dpo is not None else ())
        by = kind.judge or {"correct/incorrect": self.verifier.name}.get(kind.kind, "citations")
        known = by == self.verifier.name or by in {judge.name for judge in self.judges}
        return [step for step in steps if step != "import" and not (known and step not in self._judged_by(by))]

    @model_validator(mode="after")
    def _trains_on_steps(self) -> "Recipe":
        """A turn of the wheel without problems has no draws: what it trains on and pairs has to come from steps."""
        steps = [s.step for s in self.generate]
        known = [*steps, *(["solve"] if self.problems else [])]
        for i, name in enumerate(self.select.steps):
            if name not in known:
                raise fault(
                    f"one of {', '.join(known) or 'the steps of generate'}", f"the unknown step {name!r}",
                    _nearest(name, known) or "name a step of generate", ("select", "steps", i),
                )  # fmt: skip
        if self.select.steps and not self.draws and self.train.dpo is not None and not self.pairs.steps:
            raise fault(
                "pairs.steps, whose samples are paired: nothing is drawn on policy", "none",
                "name steps of generate, or leave DPO out: train: {dpo: null}", ("pairs", "steps"),
            )  # fmt: skip
        if self.problems is not None or not self.select.steps:
            return self
        for method in ("kto", "grpo"):
            if getattr(self.train, method) is not None:
                raise fault("problems, which it trains on", "none", f"remove train.{method}", ("train", method))
        return self

    @model_validator(mode="after")
    def _known_suites(self) -> "Recipe":
        if not (self.generate or self.train.rows or self.suites):
            missing = "problems" if self.problems is None else "suites"
            raise fault(
                f"the key {missing!r}",
                "nothing",
                "a recipe has problems and suites, or generate, or all three, or train.rows, or suites alone (flywheel eval)",
                (missing,),
            )
        if self.budget.usd and not (self.prices.prompt or self.prices.completion):
            raise fault(
                "prices, to count money",
                "none",
                "give prices: {prompt: …, completion: …}, US$ per million tokens",
                ("budget", "usd"),
            )
        if not self.suites:
            if self.stop.target:
                raise fault(
                    "suites, to reach a target on", "none", "add a suite, or remove the key", ("stop", "target")
                )
            return self
        known = sorted(s.name for s in self.suites)
        used: list[tuple[str, tuple[str | int, ...]]] = [(self.gate_suite, ("gate", "suite"))]
        used += [(g.suite, ("gate", "guards", i, "suite")) for i, g in enumerate(self.gate.guards)]
        used += [(x.suite, ("gate", "limits", i, "suite")) for i, x in enumerate(self.gate.limits) if x.suite]
        for name, loc in used:
            if name not in known:
                cure = _nearest(name, known) or "name a suite that stands under suites"
                raise fault(f"one of {', '.join(known)}", f"the unknown suite {name!r}", cure, loc)
        _check_guards([self.gate_suite], [g.suite for g in self.gate.guards])
        return self

    @property
    def draws(self) -> bool:
        """Whether completions of the problems are drawn and verified: not where SFT trains on steps alone, which may consume problems."""
        named = self.select.steps
        needs = not named or "solve" in named or "on-policy" in self.pairs.steps or self.train.kto or self.train.grpo
        return self.problems is not None and bool(needs)

    @property
    def gate_suite(self) -> str:
        """Name of the suite that decides."""
        return self.gate.suite or self.suites[0].name

    def suite(self, name: str) -> SuiteConfig:
        """Return the suite called ``name``."""
        return next(s for s in self.suites if s.name == name)

    def identity(self) -> dict[str, Any]:
        """Return what makes two runs the same run: everything but how long to go on, how fast to ask, who is told, and what
        it is for.
        """
        content = self.model_dump(
            mode="json", exclude={"iterations", "description", "programs", "executor", "store", "commands"}
        )
        content["suites"] = [_with_limit(suite) for suite in content["suites"]]
        content["engine"] = self.engine.identity()
        for judge, written in zip(self.judges, content["judges"], strict=True):
            written["engine"] = judge.engine and judge.engine.identity()
        for key in ("budget", "prices", "stop", "watch", "hooks", "metrics_file", "serve"):
            content.pop(key)
        if self.choose == ChooseConfig():  # keys that flywheel learned later are no part of runs that do not use them
            content.pop("choose")
        content["select"] = self.select.identity()
        content["curate"] = _without(content["curate"], "without", [])
        content["pairs"]["kinds"] = [kind.identity() for kind in self.pairs.kinds]
        if self.problems is not None:
            content["problems"] = _without_later(content["problems"])
        content["generate"] = [_without(_without(step, "take", "all"), "keep", []) for step in content["generate"]]
        content["train"] = training_identity(content["train"])
        return content


def _without_later(problems: dict[str, Any]) -> dict[str, Any]:
    """Leave out what flywheel learned later, at its default, of a set of problems and of its further sets."""
    later: dict[str, Any] = {"share": None, "join": None, "defaults": {}, "distractors": None}
    found = {k: v for k, v in problems.items() if k != "more" and (k not in later or v != later[k])}
    if isinstance(found["format"], dict):
        found["format"] = {k: v for k, v in found["format"].items() if k != "columns" or v}
    return {**found, "more": [_without_later(m) for m in problems["more"]]} if problems.get("more") else found


def _without(content: dict[str, Any], key: str, default: object) -> dict[str, Any]:
    return {k: v for k, v in content.items() if k != key or v != default}


def _with_limit(suite: dict[str, Any]) -> dict[str, Any]:
    """Return a suite as it was written when 256 was the default; a task's own limit is part of what its rows are known by."""
    suite = _without(suite, "distractors", None)
    return {**suite, "max_gen_toks": DEFAULT_GEN_TOKS if suite["max_gen_toks"] is None else suite["max_gen_toks"]}


def _check_guards(taken: list[str], guards: list[str]) -> None:
    for i, suite in enumerate(guards):
        if suite in taken:
            what = "the suite that has to rise" if suite == taken[0] else "a suite that is guarded already"
            raise fault("a suite of its own", f"{suite!r}, {what}", "remove the guard", ("gate", "guards", i, "suite"))
        taken.append(suite)


def _nearest(name: str, known: list[str]) -> str | None:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else None
