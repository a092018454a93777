"""The limiter against simulated endpoints on a simulated clock: nothing here waits."""

import heapq
import random

import pytest
from flywheel.llm._limiter import Limiter

REFUSAL_S = 0.002


class Simulation:
    """An endless supply of requests to one endpoint.

    Args:
        accepts: of (seconds, requests that the endpoint has): whether it takes one more.
        latency: of the same: seconds until the answer.
    """

    def __init__(self, accepts=lambda t, n: True, latency=lambda t, n: 0.2, most=128, pause_s=0.5):
        self.now, self.at_endpoint, self.paused_until = 0.0, 0, 0.0
        self.limiter = Limiter(most, clock=lambda: self.now)
        self.accepts, self.latency, self.pause_s = accepts, latency, pause_s
        self.answered, self.refused, self.limits, self._events, self._n = [], [], [], [], 0

    def run(self, seconds):
        end = self.now + seconds
        self._fill()
        while self._events and self._events[0][0] <= end:
            self.now, _, finish = heapq.heappop(self._events)
            finish()
            self._fill()
            self.limits.append((self.now, self.limiter.limit))
        self.now = end
        return self

    def rate(self, start, stop):
        return sum(start <= t < stop for t in self.answered) / (stop - start)

    def limits_between(self, start, stop):
        return [limit for t, limit in self.limits if start <= t < stop]

    def _later(self, seconds, act):
        self._n += 1
        heapq.heappush(self._events, (self.now + seconds, self._n, act))

    def _fill(self):
        limiter = self.limiter
        while self.now >= self.paused_until and limiter.in_flight < limiter.limit:
            number = limiter.send()
            if not self.accepts(self.now, self.at_endpoint):
                self._later(REFUSAL_S, self._refuse)
                continue
            self.at_endpoint += 1
            latency_s = self.latency(self.now, self.at_endpoint)
            self._later(latency_s, lambda number=number, latency_s=latency_s: self._answer(number, latency_s))

    def _answer(self, number, latency_s):
        self.at_endpoint -= 1
        self.answered.append(self.now)
        self.limiter.on_answer(number, latency_s)

    def _refuse(self):
        self.refused.append(self.now)
        if self.limiter.on_refusal():
            self.paused_until = self.now + self.pause_s
            self._later(self.pause_s, lambda: None)


def test_an_endpoint_without_limits_gets_all_slots_within_a_second():
    simulation = Simulation().run(3)
    assert simulation.limiter.limit == 128
    assert simulation.rate(1, 3) > 0.95 * 128 / 0.2


@pytest.mark.parametrize("away_s", [0.1, 2, 30])
def test_after_everything_was_refused_for_a_while_the_rate_is_back_within_seconds(away_s):
    simulation = Simulation(accepts=lambda t, n: not 3 <= t < 3 + away_s).run(3 + away_s + 8)
    back = 3 + away_s
    assert simulation.rate(1, 3) > 600
    assert simulation.rate(back + 4, back + 8) > 0.95 * simulation.rate(1, 3)
    asked_in_vain = len([t for t in simulation.refused if t > 3.5])
    assert asked_in_vain <= 20 + 4 * away_s, "a pause is a pause"


@pytest.mark.parametrize(("cap", "latency_s"), [(32, 0.2), (32, 2.0), (4, 0.2), (100, 0.5)])
def test_a_true_limiter_is_met_at_its_limit_with_few_refusals(cap, latency_s):
    simulation = Simulation(accepts=lambda t, n: n < cap, latency=lambda t, n: latency_s).run(40)
    ideal = cap / latency_s
    assert simulation.rate(0, 40) > ideal / 1.2
    assert len(simulation.refused) < 0.2 * len(simulation.answered) + 128
    late = [t for t in simulation.refused if t > 20]
    assert len(late) < 0.1 * ideal * 20, "trying one more is spaced out"


def test_a_limiter_that_goes_away_is_left_behind():
    simulation = Simulation(accepts=lambda t, n: n < 16 or t > 20).run(40)
    assert simulation.limiter.limit == 128


def test_a_limiter_is_found_again_after_a_pause():
    simulation = Simulation(accepts=lambda t, n: n < 32 and not 10 <= t < 12).run(30)
    assert simulation.rate(16, 30) > 32 / 0.2 / 1.2


@pytest.mark.parametrize("seed", range(5))
def test_refusals_at_random_do_not_lower_the_concurrency(seed):
    draw = random.Random(seed)
    simulation = Simulation(accepts=lambda t, n: draw.random() > 0.05).run(20)
    assert min(simulation.limits_between(3, 20)) > 100
    assert simulation.rate(3, 20) > 0.9 * 128 / 0.2


def test_with_one_slot_refusals_neither_block_nor_flood():
    simulation = Simulation(accepts=lambda t, n: t > 5, most=1).run(10)
    assert len(simulation.refused) < 30
    assert simulation.rate(6, 10) > 4.5


def queue(slots, service_s=0.2):
    """Latency of an endpoint that serves so many at once and lets the others wait."""
    return lambda t, n: service_s * max(1.0, n / slots(t))


def test_where_requests_queue_the_concurrency_falls_and_the_rate_does_not():
    simulation = Simulation(latency=queue(lambda t: 80 if t < 4 else 20), most=256).run(80)
    assert max(simulation.limits_between(2, 4)) == 256
    assert max(simulation.limits_between(70, 80)) < 140
    assert simulation.rate(20, 80) > 0.95 * 20 / 0.2


def test_an_endpoint_that_is_fast_again_gets_more_again():
    slots = lambda t: 80 if t < 4 or t > 80 else 20  # noqa: E731
    simulation = Simulation(latency=queue(slots), most=256).run(110)
    assert max(simulation.limits_between(70, 80)) < 140
    assert simulation.rate(100, 110) > 0.9 * 80 / 0.2
    assert max(simulation.limits_between(100, 110)) > 140


def test_an_endpoint_that_was_away_keeps_count_of_what_is_still_in_flight():
    limiter = Limiter(8)
    limiter.send()
    limiter.restart()
    assert limiter.in_flight == 1


def test_a_share_that_is_taken_back_and_given_again_is_kept_to():
    """A worker of a cluster: its head says how much of the whole limit it has."""
    endpoint = Simulation(latency=lambda t, n: 0.2 + (0.8 if n > 30 else 0)).run(10)
    endpoint.limiter.allow(8)
    endpoint.run(2)
    before = len(endpoint.answered)
    endpoint.run(10)
    assert max(endpoint.limits_between(12, 22)) <= 8 and len(endpoint.answered) - before == pytest.approx(
        8 / 0.2 * 10, rel=0.1
    )
    endpoint.limiter.allow(0)
    endpoint.run(2)
    assert endpoint.limiter.in_flight == 0
    endpoint.limiter.allow(24)
    endpoint.run(5)
    assert 8 < endpoint.limiter.in_flight <= 24


def test_several_that_ask_together_begin_as_one_would():
    assert sum(Limiter(64, peers=4).limit for _ in range(4)) == Limiter(64).limit
