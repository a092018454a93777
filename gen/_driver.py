"""The driver: planned inputs through a template and an engine into the journal, each reply on record before use."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..llm import Engine, Reply, Request, Sampling
from ..prompts import Template
from ..schema import DropRow, JournaledRow, RequestRow, SampleRow, canonical_json, content_id, seed_from
from ..store import Store
from ._plan import Planned, Step

log = logging.getLogger(__name__)


@dataclass
class Tally:
    """What a step has done so far; handed to the progress display after each group."""

    requests: int = 0
    total: int = 0
    samples: int = 0
    drops: int = 0
    completion_tokens: int = 0


OnProgress = Callable[[Tally], None]


def build_requests(
    plan: Sequence[Planned], template: Template, sampling: Sampling, engine: Engine, step: Step, seed: int
) -> Iterator[Request]:
    """Yield one request per planned input, in the plan's order; ``n`` comes from the plan."""
    for item in plan:
        draw_seed = seed_from(seed, step.scope, item.input_id) & 0x7FFFFFFF
        yield Request(
            messages=template.render(item.values),
            sampling=Sampling(**{**asdict(sampling), "n": item.n, "seed": draw_seed}),
            model=engine.identity,
            input_id=item.input_id,
            template_id=template.template_id,
            scope=step.scope,
        )


async def generate_samples(
    store: Store, engine: Engine, plan: Sequence[Planned], template: Template, sampling: Sampling, step: Step,
    *, seed: int, on_progress: OnProgress = lambda tally: None,
) -> Tally:  # fmt: skip
    """Get ``n`` completions of every planned input; what is on record already is not asked again.

    Raises:
        EndpointError: the endpoint is gone; everything answered is on record.
    """
    save_template(store, template)
    inputs = {
        str(i)
        for (i,) in store.query(
            "SELECT input_id FROM requests WHERE run_id = ? AND iteration = ? AND step = ?",
            [step.run_id, step.iteration, step.name],
        )
    }
    tally = Tally(requests=len(inputs), total=len(plan))
    on_progress(tally)
    requests = list(build_requests(plan, template, sampling, engine, step, seed))
    answered = {r.request_id for r in requests if r.input_id in inputs}
    async for replies in engine.stream(requests, answered):
        rows = [row for reply in replies for row in rows_of_reply(reply, step)]
        store.append(rows)
        _count(tally, replies, rows)
        on_progress(tally)
    store.fold()
    return tally


def _count(tally: Tally, replies: Sequence[Reply], rows: Sequence[JournaledRow]) -> None:
    tally.requests += len(replies)
    tally.samples += sum(isinstance(r, SampleRow) for r in rows)
    tally.drops += sum(isinstance(r, DropRow) for r in rows)
    tally.completion_tokens += sum(r.completion_tokens for r in replies)


def save_template(store: Store, template: Template) -> None:
    """Keep the template's text in the store."""
    row = {"template_id": template.template_id, "name": template.name, "source": template.source, "text": template.text}
    store.insert("templates", [row], key="template_id")


def rows_of_reply(reply: Reply, step: Step) -> list[JournaledRow]:
    """Turn a reply into its request row and, for each draw that was due, a sample or a drop."""
    request_id, request = reply.request.request_id, reply.request
    rows: list[JournaledRow] = [request_row(reply, step.run_id, step.iteration, step.name)]
    for draw, choice in enumerate(reply.choices[: request.sampling.n]):
        rows.append(
            SampleRow(
                content_id("smp", [request_id, draw]), request_id, draw, step.run_id, step.iteration, step.name,
                request.input_id, choice.text, choice.finish_reason, choice.logprob, reply.request.model.engine,
            )
        )  # fmt: skip
    missing = request.sampling.n - len(reply.choices)
    if missing > 0:
        reason = reply.error or "too few choices"
        rows.append(
            DropRow(
                content_id("drop", [request_id]), step.run_id, step.iteration, step.name, reason,
                request.input_id or "", request_id, reply.raw, missing,
            )
        )  # fmt: skip
    return rows


def request_row(reply: Reply, run_id: str | None, iteration: int | None, step: str) -> RequestRow:
    """Return the row that records a call."""
    request = reply.request
    return RequestRow(
        request_id=request.request_id, run_id=run_id, iteration=iteration, step=step, input_id=request.input_id,
        template_id=request.template_id, engine=request.model.engine, model=request.model.model,
        checkpoint_id=request.model.checkpoint_id, messages=canonical_json(request.messages),
        sampling=_shape_of(request), n_draws=request.sampling.n,
        completions=canonical_json([c.text for c in reply.choices]), attempts=reply.attempts,
        prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens, latency_s=reply.latency_s,
        created_at=reply.created_at, answered_at=reply.answered_at, error=reply.error, details=_details_of(reply),
    )  # fmt: skip


def _shape_of(request: Request) -> str:
    """Return what shaped the call besides its messages."""
    if request.response_schema is None and not request.tools:
        return canonical_json(request.sampling)
    extra = {"response_schema": request.response_schema, "tools": request.tools or None}
    return canonical_json({**asdict(request.sampling), **{k: v for k, v in extra.items() if v is not None}})


def _details_of(reply: Reply) -> str | None:
    """Return what the completions' texts do not say, where there is something to say."""
    choices = reply.choices
    if all(c.finish_reason == "stop" and c.logprob is None and not c.tool_calls for c in choices):
        return None
    found: dict[str, list[Any]] = {
        "finish_reasons": [c.finish_reason for c in choices],
        "tool_calls": [c.tool_calls for c in choices],
        "logprobs": [c.logprob for c in choices],
    }
    return canonical_json({k: v for k, v in found.items() if any(x not in (None, ()) for x in v)})
