"""The recipe: what a user may write, as frozen models. Configs never act: no I/O, no engine, no defaults that depend
on the machine.

Unknown keys are refused. Units are in the names; ``0 = disabled`` is said beside the default.
"""

import difflib
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ._gate import GateConfig
from ._source import SourceSpec
from ._strict import Name
from ._strict import Strict as _Strict
from ._strict import fault as _fault
from ._train import TrainConfig, training_identity
from ._url import find_url_fault
from ._vllm import ServerArgs, ServerEnv, shaping_args

LARGEST_SEED = (1 << 63) - 1

NOT_IN_ANSWERS = (
    "concurrency", "timeout_s", "max_attempts", "base_url", "patience_s", "python", "env", "startup_s", "max_restarts",
)  # fmt: skip
"""Keys of ``engine`` that say where and how fast to ask, not what comes back."""


class EngineConfig(_Strict):
    """Which engine answers the prompts of ``generate``."""

    kind: Literal["local", "vllm", "openai"] = "local"
    """``local``: the current champion, in process. ``vllm``: the current champion, by a vLLM server that flywheel starts
    and stops. ``openai``: any OpenAI-compatible endpoint, taken from ``base_url`` or OPENAI_BASE_URL, with the key in
    OPENAI_API_KEY."""
    base_url: str | tuple[str, ...] | None = None
    """One address, or several that serve the same model: requests are balanced over them."""
    model: str | None = None
    """Model name at the endpoint; default: the first that it lists and that does not look like one for embeddings, speech or
    the like. Part of every request's id, as the address is not."""
    concurrency: int = Field(256, ge=1, le=4096)
    """Most requests in flight at once at each address (``openai``, ``vllm``). How many it gets is found out: fewer when it
    refuses (429) or queues."""
    patience_s: float = Field(600.0, ge=0)
    """How long an endpoint that does not answer, or refuses everything for load, is waited for; 0 = not at all (for load: a
    minute)."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Keys added to each request's body (``openai``, ``vllm``), for example ``{reasoning_effort: low}``; null removes one that is
    sent otherwise."""
    send_seed: bool = False
    """Send a seed with each request (``openai``, ``vllm``). Off by default: servers promise little for it, and some fail on it
    (vLLM 0.32 on CPU ends with "CPU Generator does not use offset")."""
    batch_size: int = Field(256, ge=1)
    """Most sequences decoded together (``local``)."""
    timeout_s: float = Field(600.0, gt=0)
    max_attempts: int = Field(6, ge=1)
    """Tries of one request before it becomes a drop; each fault class waits its own way between tries."""
    python: str | None = None
    """Interpreter that has vLLM (``vllm``): a path, from the recipe's folder, or a command; default:
    FLYWHEEL_VLLM_PYTHON, else the one that runs flywheel."""
    server_args: ServerArgs = Field(default_factory=dict)
    """vLLM's own flags (``vllm``), passed through: ``{gpu_memory_utilization: 0.85, tensor_parallel_size: 2}``. true and
    false are switches, null leaves a flag out, a mapping is given as JSON."""
    env: ServerEnv = Field(default_factory=dict)
    """Environment variables of the server (``vllm``), added to flywheel's own. No secrets: they are inherited."""
    startup_s: float = Field(600.0, gt=0)
    """How long the server may take to be ready (``vllm``)."""
    max_restarts: int = Field(1, ge=0)
    """How often a server that died in the middle of a step is started again (``vllm``); 0 = not at all."""

    @field_validator("base_url")
    @classmethod
    def _check_addresses(cls, given: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for url in (given,) if isinstance(given, str) else given or ():
            if fault := find_url_fault(url):
                raise _fault(*fault)
        return given


class SolveConfig(_Strict):
    """How completions of problems are drawn."""

    template: str = "solve"
    draws: int = Field(4, ge=1, le=256)
    problems: int = Field(1000, ge=1)
    """Problems tried per iteration, taken without repetition until the set is used up, then from its start."""
    temperature: float = Field(0.8, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(256, ge=1)
    logprobs: bool = False


class PairConfig(_Strict):
    """How verified completions become preference pairs."""

    per_problem: int = Field(2, ge=1)
    """Most correct/incorrect pairs of one problem."""


class SelectConfig(_Strict):
    """Which verified completions become SFT rows."""

    per_problem: int = Field(2, ge=1)
    """Most different correct completions of one problem."""
    replay: float = Field(1.0, ge=0)
    """Rows of earlier iterations added, as a multiple of the new rows; 0 = disabled."""


class DecontaminateConfig(_Strict):
    """What counts as an evaluation item inside training data."""

    ngram: int = Field(13, ge=1)
    """Length, in words, of the n-grams compared (13 as in the GPT-3 paper)."""
    overlap: float = Field(0.8, gt=0, le=1)
    """Share of an evaluation item's n-grams found in one training row that makes the row contaminated."""


PROMPTS_TASK = "prompts"
TASK_METRICS = {
    PROMPTS_TASK: "pass,none", "fever": "acc,none", "fever-claim-only": "acc,none", "fever-cited": "acc_and_cited,none",
}  # fmt: skip
"""What our own tasks are judged by, where the suite does not say."""


class SuiteConfig(_Strict):
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
    apply_chat_template: bool = True
    doc_to_text: str | None = None
    """Replaces the task's prompt (Jinja over the row); default: the task's own."""
    max_gen_toks: int = Field(256, ge=1)
    metric: str = "exact_match,strict-match"
    """Metric and filter, in lm-eval's notation, by which the suite is judged; default of flywheel's own tasks: theirs. A number
    on each item; higher must be better."""

    @model_validator(mode="before")
    @classmethod
    def _own_metric(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("task") in TASK_METRICS and "metric" not in given:
            return {**given, "metric": TASK_METRICS[given["task"]]}
        return given


class StepConfig(_Strict):
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
    template: str | None = None
    """Replaces the generator's first template."""
    templates: dict[str, str] = Field(default_factory=dict)
    """Replaces any of the generator's templates by name, e.g. ``{cot-hint: my-hint}``. A replacement may leave out
    variables that it has no use for."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The generator's own; see docs/generators.md."""
    draws: int = Field(1, ge=1, le=256)
    """Completions of each question, where the generator does not say itself."""
    temperature: float = Field(0.7, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(1024, ge=1)
    repairs: int = Field(1, ge=0)
    """How often an answer that is no valid JSON is asked again; 0 = disabled."""


class BudgetConfig(_Strict):
    """What a run may spend on an endpoint. A run that meets a limit finishes what is in flight and stops; the same command
    with a higher limit goes on.
    """

    requests: int = Field(0, ge=0)
    """0 = no limit."""
    tokens: int = Field(0, ge=0)
    """Prompt and completion tokens together; 0 = no limit."""
    usd: float = Field(0.0, ge=0)
    """Needs ``prices``; 0 = no limit."""


class PricesConfig(_Strict):
    """What the endpoint charges, in US dollars for a million tokens."""

    prompt: float = Field(0.0, ge=0)
    completion: float = Field(0.0, ge=0)

    def usd(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return what so many tokens cost."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class ProblemsConfig(_Strict):
    """A set of problems with known answers."""

    source: SourceSpec
    format: Literal["gsm8k"] = "gsm8k"
    """``gsm8k``: rows with ``question`` and ``answer``, the number behind ``####``."""


class Recipe(_Strict):
    """Everything that configures a run."""

    name: Name
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    model: str = "seed"
    """The first champion: ``seed`` (the embedded model), a folder, or a hub id."""
    iterations: int = Field(3, ge=1)
    problems: ProblemsConfig | None = None
    engine: EngineConfig = EngineConfig()
    generate: tuple[StepConfig, ...] = ()
    """Steps from documents, problems or imported rows to samples; rows flow through all of them with no barrier."""
    budget: BudgetConfig = BudgetConfig()
    prices: PricesConfig = PricesConfig()
    solve: SolveConfig = SolveConfig()
    on_policy: SolveConfig | None = None
    """Draws from the fresh SFT checkpoint for DPO pairs; default: as ``solve``."""
    verifier: Literal["math"] = "math"
    select: SelectConfig = SelectConfig()
    pairs: PairConfig = PairConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    train: TrainConfig = TrainConfig()
    suites: tuple[SuiteConfig, ...] = ()
    gate: GateConfig = GateConfig()

    @field_validator("engine", mode="before")
    @classmethod
    def _engine_by_name(cls, engine: Any) -> Any:
        return {"kind": engine} if isinstance(engine, str) else engine

    @field_validator("suites")
    @classmethod
    def _unique_names(cls, suites: tuple[SuiteConfig, ...]) -> tuple[SuiteConfig, ...]:
        names = [s.name for s in suites]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise _fault("suite names that differ", f"{name!r} twice", "rename one", ("suites", i, "name"))
        return suites

    @model_validator(mode="after")
    def _known_suites(self) -> "Recipe":
        if not (self.generate or self.train.rows) and not (self.problems and self.suites):
            missing = "problems" if self.problems is None else "suites"
            raise _fault(
                f"the key {missing!r}",
                "nothing",
                "a recipe has problems and suites, or generate, or all three (or train.rows)",
                (missing,),
            )
        if self.budget.usd and not (self.prices.prompt or self.prices.completion):
            raise _fault(
                "prices, to count money",
                "none",
                "give prices: {prompt: …, completion: …}, US$ per million tokens",
                ("budget", "usd"),
            )
        if not self.suites:
            return self
        known = sorted(s.name for s in self.suites)
        used: list[tuple[str, tuple[str | int, ...]]] = [(self.gate_suite, ("gate", "suite"))]
        used += [(g.suite, ("gate", "guards", i, "suite")) for i, g in enumerate(self.gate.guards)]
        used += [(x.suite, ("gate", "limits", i, "suite")) for i, x in enumerate(self.gate.limits) if x.suite]
        for name, loc in used:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                cure = f"did you mean {near[0]!r}?" if near else "name a suite that stands under suites"
                raise _fault(f"one of {', '.join(known)}", f"the unknown suite {name!r}", cure, loc)
        _check_guards([self.gate_suite], [g.suite for g in self.gate.guards])
        return self

    @property
    def gate_suite(self) -> str:
        """Name of the suite that decides."""
        return self.gate.suite or self.suites[0].name

    def suite(self, name: str) -> SuiteConfig:
        """Return the suite called ``name``."""
        return next(s for s in self.suites if s.name == name)

    def identity(self) -> dict[str, Any]:
        """Return what makes two runs the same run: everything but how long to go on and how fast to ask."""
        content = self.model_dump(mode="json", exclude={"iterations"})
        for key in NOT_IN_ANSWERS:
            content["engine"].pop(key)
        if shaping := shaping_args(content["engine"].pop("server_args")):
            content["engine"]["server_args"] = shaping
        for key in ("budget", "prices"):
            content.pop(key)
        content["train"] = training_identity(content["train"])
        return content


def _check_guards(taken: list[str], guards: list[str]) -> None:
    for i, suite in enumerate(guards):
        if suite in taken:
            what = "the suite that has to rise" if suite == taken[0] else "a suite that is guarded already"
            raise _fault("a suite of its own", f"{suite!r}, {what}", "remove the guard", ("gate", "guards", i, "suite"))
        taken.append(suite)
