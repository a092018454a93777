"""One endpoint as a pool sees it: whether it is there, what it gets, what it can; and a request on its way there."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..schema import utc_now
from ._address import Address
from ._faults import Fault
from ._limiter import Limiter
from ._types import Choice, Reply, Request

SCHEMA_PROOFS = 3
"""So many schemas refused and answered without, and none ever taken, and an endpoint has no JSON-schema mode."""


@dataclass(eq=False, slots=True)
class Job:
    """A request on its way, over all its attempts.

    Attributes:
        is_plain: asked without its schema.
        schema_fault: what an endpoint said of its schema, and which one.
        refused_since: when it was first refused for load; None when it was not.
    """

    request: Request
    created_at: str
    started: float
    choices: list[Choice] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 0
    failures: int = 0
    refusals: int = 0
    refused_since: float | None = None
    is_plain: bool = False
    schema_fault: "tuple[Endpoint, Fault] | None" = None
    fault: Fault | None = None

    def begin_again(self) -> "Job":
        """Forget its faults: they were not its own."""
        self.failures, self.fault = 0, None
        return self

    def as_reply(self) -> Reply:
        """Return what became of it."""
        fault = self.fault
        complete = len(self.choices) >= self.request.sampling.n
        return Reply(
            self.request, tuple(self.choices), self.attempts, self.prompt_tokens, self.completion_tokens,
            time.monotonic() - self.started, self.created_at, utc_now() if complete else None,
            None if fault is None else fault.text, None if fault is None else fault.raw,
            fault is not None and fault.is_transient,
        )  # fmt: skip


class SchemaMode:
    """Which JSON schemas an endpoint takes, as found out by asking."""

    def __init__(self) -> None:
        self.is_missing = False
        self._works = False
        self._refused: set[bytes] = set()
        self._proofs = 0

    def takes(self, schema: Mapping[str, Any]) -> bool:
        """Return whether to send ``schema``."""
        return not self.is_missing and (not self._refused or _key(schema) not in self._refused)

    def may_be_refused(self, fault: Fault) -> bool:
        """Return whether a request with a schema that was refused is worth asking without."""
        return fault.status in (400, 422) and (fault.names_schema or not self._works)

    def on_answer(self) -> None:
        """A request with a schema was answered."""
        self._works = True

    def on_plain_answer(self, schema: Mapping[str, Any], fault: Fault) -> bool:
        """A request that was refused with its schema is answered without; return whether this is news."""
        known = len(self._refused)
        if fault.names_schema:
            self._refused.add(_key(schema))
        else:
            self._proofs += 1
        is_news = len(self._refused) > known
        if not self._works and not self.is_missing and len(self._refused) + self._proofs >= SCHEMA_PROOFS:
            self.is_missing = is_news = True
        return is_news


@dataclass
class Endpoint:
    """One endpoint.

    Attributes:
        is_paused: it refused everything for load a moment ago.
        has_answered: some request; before that, what it rejects may be the fault of all of them.
        down: why it is away, or was; since ``down_since``.
        held: requests that failed for good since its last answer: perhaps an outage, so not on record yet.
        rejected: requests that it rejected before it answered any, not on record either.
    """

    address: Address
    limiter: Limiter
    is_up: bool = True
    is_given_up: bool = False
    is_paused: bool = False
    has_answered: bool = False
    answered_at: float = field(default_factory=time.monotonic)
    down: Fault | None = None
    down_since: float = 0.0
    held: list[Job] = field(default_factory=list)
    rejected: list[Job] = field(default_factory=list)
    schemas: SchemaMode = field(default_factory=SchemaMode)

    def __post_init__(self) -> None:
        self.headers = {**self.address.headers, "Content-Type": "application/json"}
        self._url: str | None = None

    def url(self, model: str) -> str:
        """Return where chat completions are asked for."""
        if self._url is None:
            self._url = self.address.chat_url(model)
        return self._url

    def go_down(self, fault: Fault) -> None:
        """Take it out until it answers again. Being back without having answered anything does not count."""
        if self.down is None or self.answered_at > self.down_since:
            self.down_since = time.monotonic()
        self.is_up, self.down = False, fault

    def give_up(self) -> None:
        """Take it out for good."""
        self.is_up, self.is_given_up = False, True

    def take_held(self) -> list[Job]:
        """Return what failed there and is not on record, and forget it."""
        held, self.held, self.rejected = [*self.held, *self.rejected], [], []
        return held


def _key(schema: Mapping[str, Any]) -> bytes:
    return orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)
