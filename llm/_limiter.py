"""How many requests an endpoint gets at once: found out, not configured.

The limit starts low, doubles with every round trip of answers, and stops where the endpoint stops keeping up. What tells is

* a **share** of refusals (HTTP 429) above ``CONGESTED``: a limiter that really counts refuses nearly everything beyond
  its limit at once, while a gateway that refuses a few at random does so at any load, and must not make the client
  creep. When refusals are a share, what is still in flight beside the refused is what the endpoint accepts: the limit
  becomes that. This is judged once per round trip, when the first request sent since is answered. One more is then tried
  after as many answers as the limit, twice as many each time that the same limit is met again, half as many after each
  that went well: a limit that is gone is left behind within a few round trips.
* a refusal of **everything**, nothing left in flight: that is a pause and no limit. Nothing is sent for a while; then an
  eighth of the limit before, doubling again. Each further pause halves what is tried.
* **queueing**: latency that grew while answers per second did not. The limit is then lowered by a tenth, and the step
  is taken back when answers per second fell with it.
"""

import time
from collections import deque
from collections.abc import Callable

START = 64
RECENT = 50
CONGESTED = 0.2
MIN_SEEN = 8
LONGEST_INTERVAL = 64
"""Answers between two raises, at most, as a multiple of the limit."""
QUEUEING = 2.5
"""Mean latency of a round over the best one's, beyond which requests queue at the endpoint."""
RELAXED = 1.5
"""The same ratio, below which they do not any more."""


class Limiter:
    """Adaptive limit on requests in flight.

    Args:
        most: never more than this.
        peers: how many of them ask the same endpoint, this one included: together they begin with as many requests, and try one more as
            rarely, as one that is alone.
        clock: monotonic, in seconds.

    Attributes:
        pauses: how many times in a row everything was refused.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic, *, peers: int = 1) -> None:
        self.most = most
        self._peers = peers
        self._start = max(1, START // peers)
        self.in_flight = 0
        self._clock = clock
        self._sent = 0
        self.restart()

    def restart(self) -> None:
        """Forget what was learnt: the endpoint was away."""
        self.limit = min(self._start, self.most)
        self.pauses = 0
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._interval, self._since_raise = 1, 0
        self._cut_at: int | None = None
        self._limit_before = self.limit
        self._found, self._failed_interval = 0, 0
        self._is_queueing = False
        self._best_latency_s = float("inf")
        self._hold = 0
        self._tried: tuple[int, float] | None = None
        self._round = _Round(self._clock())

    def allow(self, most: int) -> None:
        """Set the most that it may find out, 0 for a while: what is in flight beyond it is waited for."""
        self.most = most
        self.limit = min(self.limit or self._start, most)

    def send(self) -> int:
        """Take a slot; return the request's number."""
        self.in_flight += 1
        self._sent += 1
        return self._sent

    def release(self) -> None:
        """Give a slot back without having learnt anything."""
        self.in_flight -= 1

    def on_answer(self, number: int, latency_s: float) -> None:
        """A request was answered: give its slot back and perhaps raise the limit."""
        self.in_flight -= 1
        if self._cut_at is not None:
            if number <= self._cut_at:
                return
            self._end_cut()
        self._recent.append(False)
        self._since_raise += 1
        if self._since_raise >= self._interval:
            self._raise()
        if self._round.add(latency_s) >= max(32, 2 * self.limit):
            self._end_round()

    def on_refusal(self) -> bool:
        """A request was refused for load (429): give its slot back, and lower the limit when the endpoint is congested.

        Returns:
            Whether everything is refused: then nothing should be sent for a while.
        """
        self.in_flight -= 1
        if self._cut_at is None:
            self._recent.append(True)
            seen = len(self._recent)
            if seen < MIN_SEEN or sum(self._recent) <= CONGESTED * seen:
                return False
            self._cut_at, self._limit_before = self._sent, self.limit
            self._forget_round()
        if self.in_flight:
            self.limit = min(self.limit, self.in_flight)
            return False
        self.pauses += 1
        self.limit = min(self.most, max(1, self._limit_before >> (self.pauses + 2)))
        return True

    @property
    def _round_trip(self) -> int:
        """Answers here while all peers together get as many as their limit."""
        return self.limit * self._peers

    def _raise(self) -> None:
        self._since_raise = 0
        self.limit = min(self.most, self.limit + 1)
        self._interval = max(self._round_trip if self._is_queueing else 1, self._interval // 2)

    def _end_cut(self) -> None:
        """A request sent since the limit fell is answered: see whether it is a limit, or was a pause."""
        self._cut_at = None
        self._recent.clear()
        self._since_raise = 0
        if self.pauses:
            self.pauses, self._interval = 0, 1
            return
        is_again = self._found / 2 <= self.limit <= 1.25 * self._found + 1
        longer = min(2 * self._failed_interval, LONGEST_INTERVAL * self._round_trip) if is_again else 0
        self._found = self.limit
        self._interval = self._failed_interval = max(self._round_trip, longer)

    def _end_round(self) -> None:
        latency_s, rate, tried = self._round.mean_latency_s, self._round.rate(self._clock()), self._tried
        self._forget_round()
        self._best_latency_s = min(self._best_latency_s * 1.01, latency_s)
        if tried is not None:
            before, best_rate = tried
            if rate < 0.95 * best_rate:
                self.limit, self._hold = min(before, self.most), 20
            return
        self._hold -= 1
        if latency_s <= RELAXED * self._best_latency_s:
            self._is_queueing = False
        elif latency_s > QUEUEING * self._best_latency_s and self._hold <= 0 and self.limit > 8:
            self._tried = (self.limit, rate)
            self.limit -= max(1, self.limit // 10)
            self._is_queueing = True
            self._interval = max(self._interval, self._round_trip)

    def _forget_round(self) -> None:
        self._round = _Round(self._clock())
        self._tried = None


class _Round:
    """Answers since the last look."""

    def __init__(self, now: float) -> None:
        self.n = 0
        self._latency_s = 0.0
        self._started = now

    def add(self, latency_s: float) -> int:
        self.n += 1
        self._latency_s += latency_s
        return self.n

    @property
    def mean_latency_s(self) -> float:
        return self._latency_s / self.n

    def rate(self, now: float) -> float:
        return self.n / max(1e-9, now - self._started)
