"""What a job would ask and cost, without asking: the first prompts of each step, and an estimate from a sample.

Tokens of prompts are estimated at ``CHARS_PER_TOKEN``, and ``IMAGE_TOKENS`` for each image; requests and rows per input, completions and seconds are those of this
step's requests that are on record. Before there are any they are the most that the generator says, repairs left out, with the
step's ``max_tokens``; for a generator that does not say, one request and one row. The estimate says which.
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
from ._inputs import find_done, load_samples, read_inputs
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


MEASURED, MOST, ASSUMED = (
    "requests on record",
    "max_tokens and all rows: at most",
    "1 request and row an input, max_tokens",
)


@dataclass(frozen=True)
class _Effort:
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
        prompts = [
            p for item in _sample(store, stage, step, done) if (p := await _first_question(stage, item, model, seed))
        ]
        effort = _measure(store, step) or _expect(stage, before.get(stage.config.source))
        estimate = _estimate(stage, inputs, prompts, effort, before.get(stage.config.source), concurrency, prices)
        to_come[stage.name] = inputs * effort.rows
        before[stage.name] = estimate
        found.append(estimate)
    return found


def _sample(store: Store, stage: Stage, step: Step, done: Any) -> list[Item]:
    for page in read_inputs(store, stage, step, done):
        every = max(1, len(page) // SAMPLE)
        return page[::every][:SAMPLE]
    if stage.is_root:
        return []
    ids = store.query("SELECT sample_id FROM samples WHERE step = ? LIMIT ?", [stage.config.source, SAMPLE])
    return load_samples(store, [str(i) for (i,) in ids])


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


def _measure(store: Store, step: Step) -> _Effort | None:
    scope = [step.run_id, step.iteration, step.name]
    ((requests, inputs, tokens, latency_s),) = store.query(
        """
        SELECT count(*), count(DISTINCT input_id), avg(completion_tokens), avg(latency_s) FROM requests
        WHERE run_id = ? AND iteration = ? AND step = ? AND answered_at IS NOT NULL
        """,
        scope,
    )
    if not requests:
        return None
    ((rows,),) = store.query(
        """
        SELECT count(*) FROM samples WHERE run_id = ? AND iteration = ? AND step = ?
          AND sample_id NOT IN (SELECT sample_id FROM worse_samples)
        """,
        scope,
    )
    return _Effort(requests / inputs, float(tokens), float(latency_s or 0.0), rows / inputs, MEASURED)


def _expect(stage: Stage, source: Estimate | None) -> _Effort:
    """Return the most that a generator says it asks and makes of an input; for one that does not say, one of each."""
    completion = float(stage.sampling.max_tokens * stage.sampling.n)
    most = stage.generator.most
    if most is None:
        return _Effort(1.0, completion, None, 1.0, ASSUMED)
    asks, rows = most(stage.options, stage.sampling.n)
    return _Effort(asks, completion, None, rows, MOST if source is None or source.basis != ASSUMED else ASSUMED)


def _estimate(
    stage: Stage, inputs: int, prompts: list[Request], effort: _Effort, source: Estimate | None, concurrency: int,
    prices: PricesConfig,
) -> Estimate:  # fmt: skip
    per_prompt = sum(map(guess_tokens, prompts)) / len(prompts) if prompts else _guess_prompt(stage, source)
    requests = math.ceil(inputs * effort.per_input)
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
