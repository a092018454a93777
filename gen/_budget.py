"""What a run may spend, and has spent."""

from dataclasses import dataclass

from ..config import BudgetConfig, PricesConfig
from ..llm import Reply
from ..store import Store


@dataclass
class Meter:
    """Counts what is spent; starts with what the run spent before.

    Attributes:
        limits: the recipe's; prices: US dollars per million tokens.
    """

    limits: BudgetConfig
    prices: PricesConfig
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def load(self, store: Store, run_id: str) -> "Meter":
        """Add what ``run_id`` has spent already."""
        ((requests, prompt, completion),) = store.query(
            """
            SELECT coalesce(sum(attempts), 0)::BIGINT, coalesce(sum(prompt_tokens), 0)::BIGINT,
                   coalesce(sum(completion_tokens), 0)::BIGINT
            FROM requests WHERE run_id = ? AND engine = 'openai'
            """,
            [run_id],
        )
        self.requests, self.prompt_tokens, self.completion_tokens = int(requests), int(prompt), int(completion)
        return self

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.requests += reply.attempts
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens

    @property
    def usd(self) -> float:
        """Money spent."""
        return (self.prompt_tokens * self.prices.prompt + self.completion_tokens * self.prices.completion) / 1e6

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
