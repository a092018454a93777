"""One interface to every model: a request in, a reply out.

An engine is given an ordered source of requests and yields replies in groups, in the order in which they finish. A
group goes on record as a whole. Engines bound what they keep in flight; they read the source only as they go.
"""

from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import orjson

from ..schema import Message, hash_id


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn.

    Attributes:
        n: completions per request.
        temperature: 0 = greedy.
        top_p: 1 = disabled.
        max_tokens: most tokens of one completion.
        seed: of the random generator; equal requests give equal draws.
        stop: texts that end a completion, not included in it.
        logprobs: also return the summed log-probability of each completion.
    """

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int = 0
    stop: tuple[str, ...] = ()
    logprobs: bool = False


@dataclass(frozen=True)
class ModelIdentity:
    """Which weights answer: part of every request's id."""

    engine: str
    model: str
    revision: str
    """Hash of the weights for a local model. A remote one is known by its name alone, wherever it is served: this is empty, or
    marks a name that is only a deployment's, or keys added to each request."""
    checkpoint_id: str | None = None


@dataclass(frozen=True)
class Request:
    """A prompt on its way to a model. ``input_id`` and ``template_id`` say where it came from; they do not shape it."""

    messages: tuple[Message, ...]
    sampling: Sampling
    model: ModelIdentity
    input_id: str | None = None
    template_id: str | None = None
    raw_prompt: bool = False
    """The single message's content is the finished prompt; no chat template is applied."""
    scope: str = ""
    """Keeps equal calls apart where each is wanted for itself: the iteration and step of a run."""
    response_schema: Mapping[str, Any] | None = None
    """JSON schema that the answer must have, for endpoints that can hold a model to one."""
    step: str | None = None
    """The step that asks; does not shape the call."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Tool definitions, in OpenAI's shape."""
    top_logprobs: int = 0
    """So many of the likeliest tokens are wanted at each place, with their log-probabilities; 0 = none. OpenAI and vLLM
    give 20 at most."""

    @cached_property
    def request_id(self) -> str:
        """Tagged hash of everything that shapes the call."""
        model = self.model
        shape: tuple[Any, ...] = (
            self.messages, self.sampling, model.engine, model.model, model.revision, self.raw_prompt, self.scope,
            self.response_schema, self.tools,
        )  # fmt: skip
        if self.top_logprobs:  # left out otherwise: requests that were answered before keep their ids
            shape = (*shape, self.top_logprobs)
        return hash_id("req", orjson.dumps(shape, option=orjson.OPT_SORT_KEYS))


TokenChances = tuple[str, tuple[tuple[str, float], ...]]
"""One token of a completion, and the likeliest tokens in its place with their log-probabilities (natural log)."""


@dataclass(frozen=True)
class Choice:
    """One completion. ``logprob``: natural log, summed over tokens, at temperature 1. ``tokens``: what was likely in the
    place of each token, where ``top_logprobs`` were asked for and given.
    """

    text: str
    finish_reason: str
    n_tokens: int
    logprob: float | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    tokens: tuple[TokenChances, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What became of a request: its choices, or the error that every attempt ended in."""

    request: Request
    choices: tuple[Choice, ...]
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    created_at: str
    answered_at: str | None
    error: str | None = None
    raw: str | None = field(default=None, repr=False)
    """The body that could not be used, when there is one."""
    is_transient: bool = False
    """The error may be an outage of the endpoint: the request itself gave no cause for it."""


Progress = Callable[[int, int], None]
"""Called with (requests finished, completion tokens made) since the last call."""


class Source(Protocol):
    """Requests that come up as replies come in, for engines that answer them one by one."""

    def attach(self, wake: Callable[[int], None]) -> None:
        """Call ``wake(n)`` whenever n more requests have come up, and ``wake(0)`` when none will come any more."""
        ...

    def take(self) -> Request | None:
        """Return the next request; None while there is none."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether none will come any more."""
        ...

    @property
    def is_stopped(self) -> bool:
        """Whether of those taken only what is in flight is still wanted."""
        ...


class Engine(Protocol):
    """Answers requests. Closing it frees the model or the connections."""

    identity: ModelIdentity
    is_batched: bool
    """Whether requests are decoded together: then the order and number of those given matters to the last bit."""

    def stream(self, requests: Iterable[Request] | Source, answered: Container[str]) -> AsyncIterator[list[Reply]]:
        """Yield groups of replies to the requests whose ids are not in ``answered``.

        The source must hold the answered requests too, in the same order each time: an engine that decodes in
        batches then forms the same batches after an interruption as without one.

        Raises:
            EndpointError: the endpoint refuses every request; unlike a fault of one request, which is a reply.
        """
        ...

    async def close(self) -> None:
        """Free what the engine holds."""
        ...


def as_messages(prompt: str) -> tuple[dict[str, Any], ...]:
    """Wrap a finished prompt for a :class:`Request` with ``raw_prompt``."""
    return ({"role": "user", "content": prompt},)
