"""What a caller asks for: bodies of OpenAI's chat and completion requests, checked whole before anything costs time."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..llm import Sampling, as_messages
from ..schema import Message
from ._refused import Refused

IGNORED = frozenset((
    "user", "metadata", "store", "service_tier", "parallel_tool_calls", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "stream_options", "max_completion_tokens", "logprobs", "top_logprobs",
))  # fmt: skip
"""Keys that change nothing about the text, or are read elsewhere."""
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0, None), "presence_penalty": (0, None), "logit_bias": ({}, None), "tools": ([], None),
    "tool_choice": ("none", None), "functions": ([], None), "function_call": ("none", None), "best_of": (1, None),
    "response_format": ({"type": "text"}, None), "echo": (False, None), "suffix": ("", None), "modalities": (["text"], None),
}  # fmt: skip
"""Keys that the in-process engine has no means for, with the values that ask nothing of it."""
LONGEST_STOP = 200
MOST_STOPS = 16
MOST_PROMPTS = 64

Stop = Annotated[str, Field(min_length=1, max_length=LONGEST_STOP)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _Message(_Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None


class _Body(_Strict):
    model: str
    n: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    stop: Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = None
    seed: int | None = Field(None, ge=-(1 << 63), lt=1 << 63)
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None


class _ChatBody(_Body):
    messages: list[_Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)


class _CompletionBody(_Body):
    prompt: str | Annotated[list[str], Field(min_length=1, max_length=MOST_PROMPTS)]
    logprobs: int | None = Field(None, ge=0, le=20)


@dataclass(frozen=True)
class Call:
    """A request that has been read.

    Attributes:
        body: as it came.
        prompts: the messages of each prompt; of ``/v1/completions`` one message that is the finished prompt.
        sampling: ``max_tokens`` 0 = as many as there is room for.
        is_seeded: the caller gave a seed.
    """

    is_chat: bool
    model: str
    body: dict[str, Any]
    prompts: tuple[tuple[Message, ...], ...]
    sampling: Sampling
    top_logprobs: int
    is_seeded: bool
    is_stream: bool
    with_usage: bool

    def require_plain(self) -> None:
        """Refuse what only a larger engine can do.

        Raises:
            Refused: the call asks for tools, images, penalties or the like.
        """
        known = (_ChatBody if self.is_chat else _CompletionBody).model_fields
        for key, value in self.body.items():
            if key in known or key in IGNORED or value in NEUTRAL.get(key, ()):
                continue
            raise Refused(
                400, f"{key!r} is not supported by the in-process engine; with engine: vllm it is passed on", param=key,
                code="unsupported_parameter",
            )  # fmt: skip
        if self.is_chat:
            for i, message in enumerate(self.body["messages"]):
                _require_text(message, f"messages.{i}")

    @property
    def plain_prompts(self) -> tuple[tuple[Message, ...], ...]:
        """The prompts with texts alone: parts joined, OpenAI's newer names of roles as templates know them."""
        return tuple(tuple(_plain(m) for m in prompt) for prompt in self.prompts) if self.is_chat else self.prompts


def read_call(raw: bytes, *, is_chat: bool, most_choices: int) -> Call:
    """Read the body of a request.

    Raises:
        Refused: it is no JSON object, or a key of it is missing, of the wrong type or out of bounds.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is no JSON: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise Refused(400, "the body is to be a JSON object", code="invalid_json")
    kind = _ChatBody if is_chat else _CompletionBody
    try:
        read = kind.model_validate(body)
    except ValidationError as error:
        raise _explain(error) from None
    if (read.n or 1) > most_choices:
        raise Refused(400, f"n is {read.n}; at most {most_choices} (serve.most_choices)", param="n")
    return _as_call(read, body, is_chat)


def _as_call(read: Any, body: dict[str, Any], is_chat: bool) -> Call:
    top = read.top_logprobs if is_chat else read.logprobs
    wants = bool(read.logprobs) if is_chat else read.logprobs is not None
    limit = (read.max_completion_tokens if is_chat else None) or read.max_tokens or 0
    if not is_chat and not limit:
        limit = 16  # OpenAI's own default of this endpoint
    sampling = Sampling(
        n=read.n or 1, temperature=1.0 if read.temperature is None else read.temperature, top_p=read.top_p or 1.0,
        max_tokens=limit, seed=secrets.randbits(48) if read.seed is None else read.seed, stop=_as_tuple(read.stop), logprobs=wants,
    )  # fmt: skip
    prompts = (tuple(body["messages"]),) if is_chat else tuple(as_messages(p) for p in _as_tuple(read.prompt))
    return Call(
        is_chat=is_chat, model=read.model, body=body, prompts=prompts, sampling=sampling,
        top_logprobs=(top or 0) if wants else 0, is_seeded=read.seed is not None, is_stream=bool(read.stream),
        with_usage=bool((read.stream_options or {}).get("include_usage")),
    )  # fmt: skip


def _as_tuple(given: str | list[str] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def _explain(error: ValidationError) -> Refused:
    """Say what is wrong with the first key that is."""
    first = error.errors(include_url=False, include_input=False)[0]
    param = ".".join(str(part) for part in first["loc"][:3]) or None
    return Refused(400, f"{param}: {first['msg']}", param=param, code="invalid_value")


def _require_text(message: Message, place: str) -> None:
    content = message.get("content")
    if isinstance(content, str):
        return
    parts = content if isinstance(content, list) else []
    if not parts or not all(p.get("type") == "text" and isinstance(p.get("text"), str) for p in parts):
        raise Refused(
            400, f"{place}.content: the in-process engine takes text alone: a string, or parts of type text", param=place,
            code="invalid_value",
        )  # fmt: skip


def _plain(message: Message) -> Message:
    content = message["content"]
    text = content if isinstance(content, str) else "".join(p["text"] for p in content)
    return {"role": "system" if message["role"] == "developer" else message["role"], "content": text}
