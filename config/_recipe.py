"""The recipe: what a user may write, as frozen models. Configs never act: no I/O, no engine, no defaults that depend
on the machine.

Unknown keys are refused. Units are in the names; ``0 = disabled`` is said beside the default.
"""

import difflib
import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from ._curate import CurationConfig
from ._engine import EngineConfig
from ._judging import JudgeConfig, PairConfig, VerifierConfig
from ._strict import Name, Strict, fault

SourceSpec = Annotated[str, StringConstraints(min_length=1), AfterValidator(lambda spec: _check_source(spec))]
"""Where rows come from: ``file.jsonl``, ``file.jsonl[0:500]``, or ``hub:owner/name/config/split[0:500]``."""


def _check_source(spec: str) -> str:
    Source.parse(spec)
    return spec


LARGEST_SEED = (1 << 63) - 1

_EXPONENT = re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$")


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


class DecontaminateConfig(Strict):
    """What counts as an evaluation item inside training data."""

    ngram: int = Field(13, ge=1)
    """Length, in words, of the n-grams compared (13 as in the GPT-3 paper)."""
    overlap: float = Field(0.8, gt=0, le=1)
    """Share of an evaluation item's n-grams found in one training row that makes the row contaminated."""


class TrainConfig(Strict):
    """``sft`` and ``dpo`` hold the names of TRL's SFTConfig and DPOConfig, passed through and validated there."""

    sft: dict[str, Any] = Field(default_factory=dict)
    dpo: dict[str, Any] | None = Field(default_factory=dict)
    """``null`` = disabled."""
    sft_from: Literal["champion", "base"] = "champion"
    """Which weights each SFT starts from: the current champion's, or the recipe's ``model``."""
    min_rows: int = Field(8, ge=1)
    """Fewer rows (or pairs) than this and the stage is left out, with the reason on record."""

    @field_validator("sft", "dpo")
    @classmethod
    def _read_numbers(cls, keys: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        """YAML reads 1e-5 (no dot) as text; and JSON, in which trainings are known, has no infinity."""
        for key, value in (keys or {}).items():
            if isinstance(value, float) and not math.isfinite(value):
                loc = ("train", info.field_name or "", key)
                raise fault("a finite number", str(value), f"set {key} to a finite number", loc)
        return keys and {k: float(v) if isinstance(v, str) and _EXPONENT.match(v) else v for k, v in keys.items()}


class SuiteConfig(Strict):
    """One evaluation suite: an lm-eval task, on its own data or on ours."""

    name: Name
    task: str
    """An lm-eval task name (``gsm8k``) or the path of a task YAML."""
    gate: SourceSpec
    """Rows that decide on promotion."""
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
    """Metric and filter, in lm-eval's notation, by which the suite is judged. Must be 0 or 1 on each item."""


class GuardConfig(Strict):
    """A suite that must not fall."""

    suite: Name
    tolerance: float = Field(0.0, ge=0, le=1)
    """Loss (0 to 1) that is accepted even when it is significant."""


class GateConfig(Strict):
    """When a challenger becomes champion."""

    suite: Name | None = None
    """Suite whose gate split decides; default: the first."""
    level: float = Field(0.05, gt=0, lt=1)
    """Two-sided level of the exact McNemar test on paired items."""
    min_effect: float = Field(0.0, ge=0, le=1)
    """Smallest gain (0 to 1) worth a promotion; 0 = any significant gain."""
    guards: tuple[GuardConfig, ...] = ()


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


class ColumnsConfig(Strict):
    """Which columns of a row are what; places inside one by dots: ``data.question``."""

    question: str = Field("question", min_length=1)
    answer: str | None = Field("answer", min_length=1)
    """The reference, as the verifier reads it; null: the rows have none (``regex``, ``json_schema``, …)."""
    solution: str | None = None
    """A worked solution."""


class ProblemsConfig(Strict):
    """A set of problems with known answers."""

    source: SourceSpec
    format: Literal["gsm8k"] | ColumnsConfig = "gsm8k"
    """``gsm8k``: rows with ``question`` and ``answer``, the number behind ``####``. Or the columns by name:
    ``{question: problem, answer: solution}``."""


class Recipe(Strict):
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

    @field_validator("engine", mode="before")
    @classmethod
    def _engine_by_name(cls, engine: Any) -> Any:
        return {"kind": engine} if isinstance(engine, str) else engine

    @field_validator("verifier", mode="before")
    @classmethod
    def _verifier_by_name(cls, verifier: Any) -> Any:
        return {"name": verifier} if isinstance(verifier, str) else verifier

    @field_validator("curate", mode="before")
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
    def _known_suites(self) -> "Recipe":
        if not self.generate and not (self.problems and self.suites):
            missing = "problems" if self.problems is None else "suites"
            raise fault(
                f"the key {missing!r}",
                "nothing",
                "a recipe has problems and suites, or generate, or all three",
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
            return self
        known = sorted(s.name for s in self.suites)
        used: list[tuple[str, tuple[str | int, ...]]] = [(self.gate_suite, ("gate", "suite"))]
        used += [(g.suite, ("gate", "guards", i, "suite")) for i, g in enumerate(self.gate.guards)]
        for name, loc in used:
            if name not in known:
                cure = _nearest(name, known) or "name a suite that stands under suites"
                raise fault(f"one of {', '.join(known)}", f"the unknown suite {name!r}", cure, loc)
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
        content["engine"] = self.engine.identity()
        for judge, written in zip(self.judges, content["judges"], strict=True):
            written["engine"] = judge.engine and judge.engine.identity()
        for key in ("budget", "prices"):
            content.pop(key)
        return content


def _nearest(name: str, known: list[str]) -> str | None:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else None


_ROWS = re.compile(r"^(?P<where>.+?)(?:\[(?P<start>\d*):(?P<stop>\d*)\])?$")
_SLICE_LIKE = re.compile(r"\[[-\d:,\s]*\]$")


class Source(Strict):
    """A parsed :data:`SourceSpec`."""

    where: str
    """A path, or the hub's dataset id."""
    is_hub: bool
    config: str | None = None
    split: str | None = None
    start: int = 0
    stop: int | None = None

    @classmethod
    def parse(cls, spec: str) -> "Source":
        """Parse ``spec``.

        Raises:
            ValueError: a hub source that does not read ``hub:owner/name/config/split``, or a slice that is none.
        """
        match = _ROWS.match(spec)
        if match is None or _SLICE_LIKE.search(match["where"]):
            raise fault(
                "a slice of rows as in file.jsonl[0:500]", repr(spec), "count rows from 0: [5:], [:500], [5:500]"
            )
        where, start, stop = match["where"], int(match["start"] or 0), int(match["stop"]) if match["stop"] else None
        if stop is not None and stop <= start:
            raise fault("a slice that ends behind its start", f"[{start}:{stop}]", f"swap them: [{stop}:{start}]")
        if not where.startswith("hub:"):
            return cls(where=where, is_hub=False, start=start, stop=stop)
        parts = where[4:].split("/")
        if len(parts) != 4:
            raise fault(
                "hub:owner/name/config/split", repr(spec), "write all four parts, as in hub:openai/gsm8k/main/train"
            )
        return cls(where="/".join(parts[:2]), is_hub=True, config=parts[2], split=parts[3], start=start, stop=stop)
