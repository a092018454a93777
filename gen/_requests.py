"""What a call leaves in the store: its own row, and the text of its template."""

from dataclasses import asdict
from typing import Any

from ..llm import Reply, Request
from ..prompts import Template
from ..schema import RequestRow, canonical_json
from ..store import Store


def save_template(store: Store, template: Template) -> None:
    """Keep the template's text in the store."""
    row = {"template_id": template.template_id, "name": template.name, "source": template.source, "text": template.text}
    store.insert("templates", [row], key="template_id")


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
    if request.response_schema is None and not request.tools and not request.top_logprobs:
        return canonical_json(request.sampling)
    extra = {
        "response_schema": request.response_schema, "tools": request.tools or None,
        "top_logprobs": request.top_logprobs or None,
    }  # fmt: skip
    return canonical_json({**asdict(request.sampling), **{k: v for k, v in extra.items() if v is not None}})


def _details_of(reply: Reply) -> str | None:
    """Return what the completions' texts do not say, where there is something to say."""
    choices = reply.choices
    if all(c.finish_reason == "stop" and c.logprob is None and not c.tool_calls and not c.tokens for c in choices):
        return None
    found: dict[str, list[Any]] = {
        "finish_reasons": [c.finish_reason for c in choices],
        "tool_calls": [c.tool_calls for c in choices],
        "logprobs": [c.logprob for c in choices],
        "tokens": [c.tokens for c in choices],
    }
    return canonical_json({k: v for k, v in found.items() if any(x not in (None, ()) for x in v)})
