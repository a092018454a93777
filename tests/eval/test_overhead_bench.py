"""The benchmark of ``flywheel eval`` against lm-eval ends where the two do not say the same: it would time two different things."""

import importlib.util
import json

import pytest
from flywheel.llm import seed_model_path
from support import HERE


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("eval_overhead", HERE.parent / "bench" / "eval_overhead.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_items_that_differ_end_the_benchmark(bench, tmp_path):
    n, limit, batch = 4, 64, 4
    bench.make_project(tmp_path, bench.make_rows(n), limit, batch)
    model = bench.make_model(seed_model_path(), tmp_path, 0)
    for suite in bench.METRICS:
        for make in (bench.flywheel_command, bench.plain_command):
            bench.run(make(tmp_path, suite, model, batch), tmp_path)
        score = bench.require_same_scores(tmp_path, suite, model, n)
        (logged,) = (tmp_path / "out").rglob(f"samples_{suite}_*.jsonl")
        samples = [json.loads(line) for line in logged.read_text().splitlines()]
        name, _, kind = bench.METRICS[suite].partition(",")
        assert score == sum(s[name] for s in samples if s["filter"] == kind) / n
        for sample in samples:
            sample[name] = 1 - sample[name]
        logged.write_text("".join(json.dumps(s) + "\n" for s in samples))
        with pytest.raises(SystemExit) as ended:
            bench.require_same_scores(tmp_path, suite, model, n)
        assert f"{n} items differ" in str(ended.value) and "item 0: flywheel" in str(ended.value)


def test_a_line_says_all_that_a_reader_needs(bench):
    line = bench.describe("ranked", {"flywheel": [2.0, 2.2, 2.1], "lm-eval": [2.0, 2.0, 2.0]}, {0.25}, 8)
    for part in (
        "2.10 (2.00 to 2.20)",
        "ratio of medians 1.050",
        "median of ratios 1.050 (1.000 to 1.100)",
        "0.2500, equal on all 8 items",
    ):
        assert part in line
