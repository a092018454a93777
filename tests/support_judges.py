"""Asks a judge's prompts of an endpoint, as the driver does, through the real client over a real socket."""

import asyncio
from dataclasses import dataclass

from flywheel.judge.judges import Failed
from flywheel.llm import OpenAIEngine, Request, Sampling
from flywheel.prompts import load_template


@dataclass(frozen=True)
class Said:
    text: str
    finish_reason: str = "stop"
    request_id: str = "req_x"
    draw: int = 0
    tokens: tuple = ()


def put(judge, row, url):
    """Return (judgement, replies of the endpoint)."""
    prompts = judge.requests(row)
    replies = asyncio.run(_ask(prompts, url))
    heard = [
        [Said(c.text, c.finish_reason, r.request.request_id, i, c.tokens) for i, c in enumerate(r.choices)]
        if r.choices else Failed(r.error, r.request.request_id) for r in replies
    ]  # fmt: skip
    return judge.read(row, heard), replies


async def _ask(prompts, url):
    engine = await OpenAIEngine(base_url=url, model=None, concurrency=4, timeout_s=10, max_attempts=1).connect()
    try:
        requests = [
            Request(
                (*load_template(p.template).render(p.values), *p.messages),
                Sampling(n=p.n, temperature=p.temperature, max_tokens=p.max_tokens), engine.identity, scope=p.tag + str(p.model),
                top_logprobs=p.top_logprobs,
            ) for p in prompts
        ]  # fmt: skip
        found = {}
        async for replies in engine.stream(requests, ()):
            found |= {r.request.request_id: r for r in replies}
        return [found[r.request_id] for r in requests]
    finally:
        await engine.close()
