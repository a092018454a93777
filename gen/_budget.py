"""What a run may spend, and has spent."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..config import BudgetConfig, PricesConfig
from ..llm import Reply, Request
from ..schema import Message
from ..store import Store

CHARS_PER_TOKEN = 4.0
"""Of a prompt whose tokens nobody has counted."""


IMAGE_TOKENS = 1000.0
"""Of an image: models differ by far, from 85 for a thumbnail to some 2,500 for a scanned page."""


def guess_tokens(request: Request) -> float:
    """Return about how many tokens a prompt has: its text by its length, an image by a round figure whatever its size."""
    return guess_message_tokens(request.messages)


def guess_message_tokens(messages: Iterable[Message]) -> float:
    """Return about how many tokens the messages of a prompt have."""
    return sum(_guess(m.get("content")) for m in messages)


def _guess(content: Any) -> float:
    if not isinstance(content, list):
        return len(str(content)) / CHARS_PER_TOKEN if content is not None else 0.0
    texts = [str(part.get("text", "") if isinstance(part, dict) else part) for part in content if not is_image(part)]
    return sum(map(len, texts)) / CHARS_PER_TOKEN + IMAGE_TOKENS * (len(content) - len(texts))


def is_image(part: Any) -> bool:
    """Say whether a part of a message's content is an image."""
    return isinstance(part, dict) and str(part.get("type")).startswith("image")


@dataclass
class Meter:
    """Counts what is spent; starts with what the run spent before.

    Attributes:
        limits: the recipe's; prices: US dollars per million tokens.
    """

    limits: BudgetConfig
    prices: PricesConfig
    is_new: bool = True
    """Whether nothing of this process has been answered: what a request costs is not known then."""
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def load(self, store: Store, run_id: str) -> "Meter":
        """Add what ``run_id`` has spent already."""
        ((requests, prompt, completion),) = store.query(
            """
            SELECT coalesce(sum(attempts), 0)::BIGINT, coalesce(sum(prompt_tokens), 0)::BIGINT,
                   coalesce(sum(completion_tokens), 0)::BIGINT
            FROM requests WHERE run_id = ? AND engine <> 'local'
            """,
            [run_id],
        )
        self.requests, self.prompt_tokens, self.completion_tokens = int(requests), int(prompt), int(completion)
        return self

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.is_new = False
        self.requests += reply.attempts
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens

    @property
    def usd(self) -> float:
        """Money spent."""
        return self.prices.usd(self.prompt_tokens, self.completion_tokens)

    def is_unsure(self, in_flight: int, request: Request) -> bool:
        """Say whether one request more might go over a limit, as long as no answer has shown what requests cost."""
        b = self.limits
        if not self.is_new or not (b.tokens or b.usd):
            return False
        prompt = guess_tokens(request)
        completion = request.sampling.n * request.sampling.max_tokens
        n = in_flight + 1
        tokens = self.prompt_tokens + self.completion_tokens + n * (prompt + completion)
        usd = self.usd + n * self.prices.usd(prompt, completion)
        return bool(b.tokens and tokens > b.tokens) or bool(b.usd and usd > b.usd)

    def spent(self, in_flight: int = 0) -> str | None:
        """Return which limit is reached; None while there is room. Requests in flight count as sent, at the mean price."""
        b = self.limits
        share = 1 + in_flight / self.requests if self.requests else 1.0
        tokens = self.prompt_tokens + self.completion_tokens
        if b.requests and self.requests + in_flight >= b.requests:
            return f"budget.requests = {b.requests:,} is spent"
        if b.tokens and tokens * share >= b.tokens:
            return f"budget.tokens = {b.tokens:,} is spent"
        if b.usd and self.usd * share >= b.usd:
            return f"budget.usd = {b.usd:g} is spent"
        return None
