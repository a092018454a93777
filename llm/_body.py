"""A chat completion as it stands on the wire: the body that is sent, and the part of the reply that is kept."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ..schema import without_halves
from ._images import inline_images
from ._types import Choice, Request, TokenChances


class BadBodyError(ValueError):
    """A reply with status 200 that is not a chat completion."""


@dataclass(frozen=True, slots=True)
class Body:
    """The part of a chat completion that is kept."""

    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int


def encode_request(
    request: Request,
    model: str,
    n: int,
    offset: int,
    *,
    send_seed: bool,
    use_schema: bool,
    extra: dict[str, Any],
    folder: Path | None = None,
) -> bytes:
    """Return the body that asks for ``n`` more choices of ``request``, ``offset`` being there already.

    Args:
        folder: the project's, for images that are named.

    Raises:
        InputError: a stored image is gone.
    """
    s = request.sampling
    messages = request.messages if folder is None else inline_images(request.messages, folder)
    body: dict[str, Any] = {
        "model": model, "messages": messages, "temperature": s.temperature, "max_tokens": s.max_tokens,
    }  # fmt: skip
    if n > 1:
        body["n"] = n
    if s.top_p != 1.0:
        body["top_p"] = s.top_p
    if s.stop:
        body["stop"] = s.stop
    if s.logprobs or request.top_logprobs:
        body["logprobs"] = True
    if request.top_logprobs:
        body["top_logprobs"] = request.top_logprobs
    if send_seed:
        body["seed"] = (s.seed + offset) & 0x7FFFFFFF
    if request.response_schema is not None and use_schema:
        schema = {"name": "answer", "schema": request.response_schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.tools:
        body["tools"] = request.tools
    body.update(extra)
    return orjson.dumps({k: v for k, v in body.items() if v is not None} if extra else body)


def decode_reply(raw: bytes) -> Body:
    """Read a reply.

    Raises:
        BadBodyError: it is no chat completion.
    """
    try:
        body = _read_json(raw)
        usage = body.get("usage") or {}
        found = body["choices"]
        if not found:
            raise ValueError("no choices")
        tokens = int(usage.get("completion_tokens") or 0)
        choices = tuple([_read_choice(c, tokens if len(found) == 1 else 0) for c in found])
        return Body(choices, int(usage.get("prompt_tokens") or 0), tokens)
    except orjson.JSONDecodeError as error:  # without its position: equal faults are counted together
        raise BadBodyError(f"not JSON: {error.msg}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadBodyError(f"{type(error).__name__}: {error}") from None


def _read_json(raw: bytes) -> Any:
    """Read JSON; half of a surrogate pair, which JSON can spell and nothing can store, becomes a question mark."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        text = raw.decode("utf-8")
        if "\\ud" not in text.lower():
            raise
        return without_halves(json.loads(text))


def _read_choice(choice: dict[str, Any], n_tokens: int) -> Choice:
    message = choice["message"]
    content = message.get("content")
    calls = tuple(message.get("tool_calls") or ())
    if content is None and calls:
        content = ""
    if not isinstance(content, str):
        raise ValueError(f"content is {type(content).__name__}, not text")
    logprobs = choice.get("logprobs")
    total = sum(float(t["logprob"]) for t in logprobs["content"]) if logprobs and logprobs.get("content") else None
    return Choice(content, choice.get("finish_reason") or "stop", n_tokens, total, calls, _read_tokens(logprobs))


def _read_tokens(logprobs: dict[str, Any] | None) -> tuple[TokenChances, ...]:
    """Return the tokens with what was likely in their places; nothing where that was not asked for or not given."""
    tokens = (logprobs or {}).get("content") or ()
    if not any(t.get("top_logprobs") for t in tokens):
        return ()
    return tuple(
        (str(t["token"]), tuple((str(a["token"]), float(a["logprob"])) for a in t.get("top_logprobs") or ()))
        for t in tokens
    )
