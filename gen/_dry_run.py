"""What a job would ask and cost, without asking: the first prompts of each step, and an estimate from a sample.

Tokens of prompts are estimated at ``CHARS_PER_TOKEN``, and ``IMAGE_TOKENS`` for each image; requests and rows per input, completions and seconds are those of this
step's inputs that are done. While there are none, or fewer than are under way (those that end early are done first, and give
less), they are the most that the generator says, repairs left out, with the step's ``max_tokens``; for a generator that does not
say, one request and one row. The estimate says which. Inputs that lack what the generator needs become drops and ask nothing: as
many as their share of the sample.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..config import PricesConfig
from ..llm import ModelIdentity, Reply, Request
from ..store import Store
from ._ask import StageAsk
from ._budget import CHARS_PER_TOKEN, guess_tokens
from ._generator import AskError, Item
from ._inputs import DONE, find_done, find_missing, find_unfit, load_samples, read_inputs
from ._plan import Step
from ._steps import Stage

SAMPLE = 20


@dataclass
class Estimate:
    """What one step would take.

    Attributes:
        inputs: rows left to do; for a step over another step, its estimated rows.
        basis: what completions, rows and requests are taken from.
        per_prompt: tokens of a prompt.
        prompts: the first question of each sampled input.
        lacking: what makes drops of sampled inputs; empty = nothing.
        rows: samples that would come of it.
    """

    step: str
    inputs: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    usd: float
    time_s: float | None
    basis: str
    per_prompt: float
    max_tokens: int
    prompts: list[Request] = field(default_factory=list)
    lacking: str = ""
    rows: float = 0.0

    @property
    def completion_size(self) -> float:
        """Tokens of one of its samples: all of its completions' over all of its samples, at most what one may have."""
        return min(self.completion_tokens / self.rows, self.max_tokens) if self.rows else float(self.max_tokens)


MEASURED, MOST, ASSUMED = (
    "requests on record",
    "max_tokens and all rows: at most",
    "1 request and row an input, max_tokens",
)


@dataclass(frozen=True)
class Effort:
    """What an input of a step takes and gives: requests, tokens of a completion, seconds of a request, rows."""

    per_input: float
    completion_tokens: float
    latency_s: float | None
    rows: float
    basis: str


class _Asked(Exception):
    """A generator has asked its first question."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


async def estimate_steps(
    store: Store, stages: Sequence[Stage], model: ModelIdentity, planned: dict[str, int], *, run_id: str, iteration: int,
    seed: int, concurrency: int, prices: PricesConfig,
) -> list[Estimate]:  # fmt: skip
    """Return an estimate per step; roots must be planned."""
    to_come: dict[str, float] = {}
    before: dict[str, Estimate] = {}
    found = []
    for stage in stages:
        step = Step(run_id, iteration, stage.name)
        done = find_done(store, step)
        waiting = max(0, planned.get(stage.name, 0) - len(done))
        inputs = waiting + math.ceil(to_come.get(stage.config.source, 0.0))
        sample = _sample(store, stage, step, done)
        fit = [item for item in sample if not find_unfit(stage, item)]
        prompts = [p for item in fit if (p := await _first_question(stage, item, model, seed))]
        effort = measure_effort(store, step) or _expect(stage, before.get(stage.config.source))
        asking = inputs * (len(fit) / len(sample) if sample else 1.0)
        estimate = _estimate(
            stage, inputs, asking, prompts, effort, before.get(stage.config.source), concurrency, prices
        )
        estimate.lacking = _describe_lacking(stage, sample)
        estimate.rows = to_come[stage.name] = asking * effort.rows
        before[stage.name] = estimate
        found.append(estimate)
    return found


def guess_steps(
    stages: Sequence[Stage], rows: dict[str, int], *, concurrency: int, prices: PricesConfig
) -> list[Estimate]:
    """Return the most that steps would ask, from the number of their rows alone: nothing is opened, planned or rendered.

    Args:
        stages: the steps.
        rows: how many each step over rows of the store has; what it does not name has none.
        concurrency: requests in flight.
        prices: what they cost.
    """
    before: dict[str, Estimate] = {}
    to_come: dict[str, float] = {}
    for stage in stages:
        inputs = rows.get(stage.name, 0) if stage.is_root else math.ceil(to_come.get(stage.config.source, 0.0))
        inputs = min(inputs, stage.config.limit or inputs)
        source = before.get(stage.config.source)
        effort = _expect(stage, source)
        estimate = _estimate(stage, inputs, inputs, [], effort, source, concurrency, prices)
        estimate.basis = f"{effort.basis}; prompts without their rows"
        estimate.rows = to_come[stage.name] = inputs * effort.rows
        before[stage.name] = estimate
    return list(before.values())


def _sample(store: Store, stage: Stage, step: Step, done: Any) -> list[Item]:
    for page in read_inputs(store, stage, step, done):
        every = max(1, len(page) // SAMPLE)
        return page[::every][:SAMPLE]
    if stage.is_root:
        return []
    ids = store.query("SELECT sample_id FROM samples WHERE step = ? LIMIT ?", [stage.config.source, SAMPLE])
    return load_samples(store, [str(i) for (i,) in ids])


def _describe_lacking(stage: Stage, sample: Sequence[Item]) -> str:
    lacking = [missing for item in sample if (missing := find_missing(stage, item))]
    names = [name for name in stage.needs if any(name in missing for missing in lacking)]
    unseen = sum(find_unfit(stage, item) != "" for item in sample) - len(lacking)
    found = [f"{len(lacking)} of {len(sample)} sampled inputs have no {', '.join(names)}"] if lacking else []
    return "; ".join(
        found + ([f"{unseen} of {len(sample)} ask about an image, which it does not show"] if unseen else [])
    )


async def _first_question(stage: Stage, item: Item, model: ModelIdentity, seed: int) -> Request | None:
    async def note(request: Request) -> Reply:
        raise _Asked(request)

    ask = StageAsk(stage, item, model, seed, note)
    try:
        async for _ in stage.generator.run(item, ask):
            return None
    except _Asked as asked:
        return asked.request
    except AskError:
        return None
    return None


def measure_effort(store: Store, step: Step) -> Effort | None:
    """Return what the inputs that are done took; None while they are none, or fewer than those under way."""
    scope = [step.run_id, step.iteration, step.name]
    ((requests, inputs, begun, tokens, latency_s),) = store.query(
        f"""
        WITH done AS ({DONE})
        SELECT count(*) FILTER (is_done), count(DISTINCT input_id) FILTER (is_done), count(DISTINCT input_id),
               avg(completion_tokens) FILTER (is_done), avg(latency_s) FILTER (is_done)
        FROM (SELECT *, input_id IN (FROM done) AS is_done FROM requests
              WHERE run_id = $1 AND iteration = $2 AND step = $3 AND answered_at IS NOT NULL)
        """,
        scope,
    )
    if 2 * inputs < max(begun, 1):
        return None
    ((rows,),) = store.query(
        """
        SELECT count(*) FROM samples WHERE run_id = $1 AND iteration = $2 AND step = $3
          AND sample_id NOT IN (SELECT sample_id FROM worse_samples)
          AND coalesce(input_id, problem_id) IN (
              SELECT input_id FROM requests WHERE run_id = $1 AND iteration = $2 AND step = $3 AND answered_at IS NOT NULL)
        """,
        scope,
    )
    return Effort(requests / inputs, float(tokens), float(latency_s or 0.0), rows / inputs, MEASURED)


def _expect(stage: Stage, source: Estimate | None) -> Effort:
    """Return the most that a generator says it asks and makes of an input; for one that does not say, one of each."""
    completion = float(stage.sampling.max_tokens * stage.sampling.n)
    most = stage.generator.most
    if most is None:
        return Effort(1.0, completion, None, 1.0, ASSUMED)
    asks, rows = most(stage.options, stage.sampling.n)
    return Effort(asks, completion, None, rows, MOST if source is None or source.basis != ASSUMED else ASSUMED)


def _estimate(
    stage: Stage, inputs: int, asking: float, prompts: list[Request], effort: Effort, source: Estimate | None,
    concurrency: int, prices: PricesConfig,
) -> Estimate:  # fmt: skip
    per_prompt = sum(map(guess_tokens, prompts)) / len(prompts) if prompts else _guess_prompt(stage, source)
    requests = math.ceil(asking * effort.per_input)
    prompt_tokens, completion_tokens = round(requests * per_prompt), round(requests * effort.completion_tokens)
    usd = prices.usd(prompt_tokens, completion_tokens)
    time_s = None if effort.latency_s is None else requests * effort.latency_s / concurrency
    return Estimate(
        stage.name, inputs, requests, prompt_tokens, completion_tokens, usd, time_s, effort.basis, per_prompt,
        stage.sampling.max_tokens, prompts,
    )  # fmt: skip


def _guess_prompt(stage: Stage, source: Estimate | None) -> float:
    """Return the tokens of a prompt that nobody can render yet: the template, and all that the step before says and asks."""
    names = stage.generator.templates[:1]
    own = sum(len(stage.template(name).text) for name in names) / CHARS_PER_TOKEN
    return own + (source.per_prompt + source.max_tokens if source is not None else 0.0)
