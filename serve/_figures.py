"""Figures for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Figures:
    """What one server has done."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "flywheel_serve_requests", "Requests by path and status.", ["path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "flywheel_serve_request_seconds",
            "From a request to the end of its reply.",
            registry=registry,
            buckets=BUCKETS,
        )
        self.tokens = Counter(
            "flywheel_serve_tokens", "Tokens of prompts and completions.", ["kind"], registry=registry
        )
        self.in_flight = Gauge("flywheel_serve_in_flight", "Requests in flight and waiting.", registry=registry)
        self.switches = Counter("flywheel_serve_switches", "Changes of the checkpoint that answers.", registry=registry)
        self.failures = Counter(
            "flywheel_serve_failures",
            "What went wrong beside requests: watch, switch, log.",
            ["what"],
            registry=registry,
        )
        self._champion = Gauge(
            "flywheel_serve_champion", "1 for the checkpoint that answers.", ["checkpoint"], registry=registry
        )

    def set_champion(self, checkpoint_id: str) -> None:
        """Say which checkpoint answers now."""
        self._champion.clear()
        self._champion.labels(checkpoint=checkpoint_id).set(1)

    def render(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self._registry)
