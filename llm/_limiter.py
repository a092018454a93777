"""How many requests an endpoint gets at once: found out, not configured.

The limit starts low, doubles with every round of answers, and stops where the endpoint stops keeping up. What tells is

* a **share** of refusals (HTTP 429) above ``CONGESTED``: a limiter that really counts refuses nearly everything beyond
  its limit at once, while a gateway that refuses a few at random does so at any load, and must not make the client
  creep. When refusals are a share, what is still in flight beside the refused is what the endpoint accepts: the limit
  becomes that. Trying one more is spaced out twice as far after each failure.
* **queueing**: latency that grew while answers per second did not. The limit is then lowered by a tenth, and the step
  is taken back when answers per second fell with it.
"""

import time
from collections import deque

START = 64
RECENT = 50
CONGESTED = 0.2
MIN_SEEN = 8
LONGEST_INTERVAL = 4096
QUEUEING = 2.5
"""Mean latency of a round over the best one's, beyond which requests queue at the endpoint."""


class Limiter:
    """Adaptive limit on requests in flight.

    Args:
        most: never more than this.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = min(START, most)
        self.in_flight = 0
        self.refused = 0
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._is_rising = True
        self._since_raise = 0
        self._interval = 0
        self._round = _Round()
        self._best_latency_s = float("inf")
        self._tried: tuple[int, float] | None = None
        self._hold = 0

    @property
    def is_free(self) -> bool:
        """Whether a request may be sent now."""
        return self.in_flight < self.limit

    def release(self) -> None:
        """Give a slot back without having learnt anything."""
        self.in_flight -= 1

    def restart(self) -> None:
        """Forget what was learnt: the endpoint was away."""
        self.__init__(self.most)  # type: ignore[misc]

    def on_answer(self, latency_s: float) -> None:
        """A request was answered: give its slot back and perhaps raise the limit."""
        self.in_flight -= 1
        self._recent.append(False)
        if self._is_rising:
            self.limit = min(self.most, self.limit + 1)
        else:
            self._since_raise += 1
            if self._since_raise >= max(self._interval, self.limit):
                self._since_raise = 0
                self.limit = min(self.most, self.limit + 1)
        if self._round.add(latency_s) >= max(32, 2 * self.limit):
            self._end_round()

    def on_refusal(self) -> bool:
        """A request was refused for load (429): give its slot back; say whether the endpoint is congested."""
        self.in_flight -= 1
        self.refused += 1
        self._recent.append(True)
        seen = len(self._recent)
        congested = seen >= MIN_SEEN and sum(self._recent) > CONGESTED * seen
        if congested:
            self.limit = max(1, min(self.limit, self.in_flight))
            if self._is_rising or self._since_raise > 0:
                self._interval = min(LONGEST_INTERVAL, max(2 * self._interval, 2 * self.limit))
            self._is_rising = False
            self._since_raise = 0
        return congested

    def _end_round(self) -> None:
        latency_s, rate = self._round.mean_latency_s, self._round.rate
        self._round = _Round()
        self._best_latency_s = min(self._best_latency_s * 1.01, latency_s)
        if self._tried is not None:
            before, best_rate = self._tried
            self._tried = None
            if rate < 0.95 * best_rate:
                self.limit, self._hold = before, 20
            return
        self._hold -= 1
        if latency_s > QUEUEING * self._best_latency_s and self._hold <= 0 and self.limit > 8:
            self._tried = (self.limit, rate)
            self._is_rising = False
            self.limit -= max(1, self.limit // 10)


class _Round:
    """Answers since the last look."""

    def __init__(self) -> None:
        self.n = 0
        self._latency_s = 0.0
        self._started = time.monotonic()

    def add(self, latency_s: float) -> int:
        self.n += 1
        self._latency_s += latency_s
        return self.n

    @property
    def mean_latency_s(self) -> float:
        return self._latency_s / self.n

    @property
    def rate(self) -> float:
        return self.n / max(1e-9, time.monotonic() - self._started)
