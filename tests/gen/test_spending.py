"""What counts as asked of an endpoint: a server of flywheel's own too, the model in process not."""

from flywheel.config import BudgetConfig, PricesConfig
from flywheel.gen import Meter
from flywheel.gen._retry import retire_failures
from flywheel.schema import RequestRow


def request(engine, run_id="run_1", error=None):
    return RequestRow(
        f"req_{engine}_{run_id}", run_id, 1, "notes", "chk_1", None, engine, "m", None, "[]", "{}", 1, "[]", 2, 10, 20, 0.1,
        "2026-01-01T00:00:00Z", None if error else "2026-01-01T00:00:01Z", error,
    )  # fmt: skip


def test_requests_to_any_endpoint_are_spent(store):
    store.append([request(engine) for engine in ("openai", "vllm", "local")] + [request("openai", "run_2")])
    store.fold()
    meter = Meter(BudgetConfig(), PricesConfig()).load(store, "run_1")
    assert (meter.requests, meter.prompt_tokens, meter.completion_tokens) == (4, 20, 40)


def test_failed_requests_of_other_runs_give_way_whichever_endpoint_it_was(store):
    store.append([request(engine, "run_2", "HTTP 500") for engine in ("openai", "vllm", "local")])
    store.fold()
    retire_failures(store, "run_1")
    assert store.query("SELECT engine FROM requests") == [("local",)]
    assert store.query("SELECT count(*) FROM retired") == [(2,)]
