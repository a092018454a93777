"""What a job would ask and cost, without asking: the first prompts of each step, and an estimate from a sample.

Tokens of prompts are estimated at ``CHARS_PER_TOKEN``; completions, seconds and rows per input are those of this step's
requests that are on record, and before there are any the step's ``max_tokens`` and one row per input, and the estimate
says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..config import PricesConfig
from ..llm import ModelIdentity, Reply, Request
from ..store import Store
from ._ask import StageAsk
from ._generator import Item
from ._inputs import find_done, load_samples, read_inputs
from ._plan import Step
from ._steps import Stage

CHARS_PER_TOKEN = 4.0
SAMPLE = 20


@dataclass
class Estimate:
    """What one step would take.

    Attributes:
        inputs: rows left to do; for a step over another step, its estimated rows.
        is_measured: completions, rows and seconds are measured, not assumed.
        prompts: the first question of each sampled input.
    """

    step: str
    inputs: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    usd: float
    time_s: float | None
    is_measured: bool
    prompts: list[Request] = field(default_factory=list)


@dataclass(frozen=True)
class _Measured:
    per_input: float
    completion_tokens: float
    latency_s: float
    rows: float


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
    made: dict[str, float] = {}
    found = []
    for stage in stages:
        step = Step(run_id, iteration, stage.name)
        done = find_done(store, step)
        inputs = (planned.get(stage.name, 0) if stage.is_root else math.ceil(made[stage.config.source])) - len(done)
        prompts = [
            p for item in _sample(store, stage, step, done) if (p := await _first_question(stage, item, model, seed))
        ]
        measured = _measure(store, step)
        estimate = _estimate(stage, max(0, inputs), prompts, measured, concurrency, prices)
        made[stage.name] = (inputs + len(done)) * (measured.rows if measured else 1.0)
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
    return None


def _measure(store: Store, step: Step) -> _Measured | None:
    ((requests, inputs, tokens, latency_s),) = store.query(
        """
        SELECT count(*), count(DISTINCT input_id), avg(completion_tokens), avg(latency_s) FROM requests
        WHERE run_id = ? AND iteration = ? AND step = ? AND answered_at IS NOT NULL
        """,
        [step.run_id, step.iteration, step.name],
    )
    if not requests:
        return None
    ((rows,),) = store.query(
        "SELECT count(*) FROM samples WHERE run_id = ? AND iteration = ? AND step = ?",
        [step.run_id, step.iteration, step.name],
    )
    return _Measured(requests / inputs, float(tokens), float(latency_s or 0.0), rows / inputs)


def _estimate(
    stage: Stage,
    inputs: int,
    prompts: list[Request],
    measured: _Measured | None,
    concurrency: int,
    prices: PricesConfig,
) -> Estimate:
    chars = [sum(len(str(m.get("content"))) for m in p.messages) for p in prompts]
    per_prompt = sum(chars) / len(chars) / CHARS_PER_TOKEN if chars else 0.0
    requests = math.ceil(inputs * (measured.per_input if measured else 1.0))
    completion = measured.completion_tokens if measured else float(stage.sampling.max_tokens * stage.sampling.n)
    prompt_tokens, completion_tokens = round(requests * per_prompt), round(requests * completion)
    usd = (prompt_tokens * prices.prompt + completion_tokens * prices.completion) / 1e6
    time_s = requests * measured.latency_s / concurrency if measured else None
    return Estimate(
        stage.name, inputs, requests, prompt_tokens, completion_tokens, usd, time_s, measured is not None, prompts
    )
