"""Rows of a snapshot as the trainer reads them: calls of tools with their tools, and answers of several messages."""

import json
from functools import partial

from flywheel.judge._training_rows import ABOVE, read_accepted, rows_of
from flywheel.schema import RequestRow, SampleRow, VerdictRow, canonical_json, utc_now
from flywheel.store import Project, Store
from support import run_cli, sql

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
ANSWER = [
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "4"},
    {"role": "assistant", "content": "It is 4."},
]
ASKED = [{"role": "user", "content": "2 + 2?"}]


def test_a_solution_by_tools_is_trained_on_with_its_calls_and_its_tools(tmp_path):
    store = Store(Project(tmp_path)).open()
    for i, fields in enumerate(({"completion_messages": ANSWER, "tools": [TOOL]}, {"tools": []}, {})):
        request = RequestRow(
            f"req_{i}", "run_1", 1, "called", f"chk_{i}", None, "openai", "m", None, canonical_json(ASKED), "{}", 1,
            canonical_json(["It is 4."]), 1, 3, 3, 0.1, utc_now(), utc_now(),
        )  # fmt: skip
        sample = SampleRow(
            f"smp_{i}", f"req_{i}", 0, "run_1", 1, "called", None, "It is 4.", "stop", None, "openai", input_id=f"chk_{i}",
            fields=canonical_json(fields), parser="tool_calls@1",
        )  # fmt: skip
        store.append([request, sample])
    store.fold()
    rows = {
        r.sample_id: json.loads(r.as_trl())
        for r in rows_of(read_accepted(store, "run_1", 1, "math@4", [], [], steps=("called",)))
    }
    store.close()
    assert rows["smp_0"] == {"prompt": ASKED, "completion": ANSWER, "tools": [TOOL]}
    plain = {"prompt": ASKED, "completion": [{"role": "assistant", "content": "It is 4."}]}
    assert rows["smp_1"] == rows["smp_2"] == plain


def test_a_seed_set_comes_beside_what_was_made_before_any_judges_score_and_no_other_set_does(tmp_path):
    store = Store(Project(tmp_path)).open()
    rows = [
        ("made", "run_1", "called", "m"),
        ("seed", "project", "import", "seed"),
        ("other", "project", "import", "other"),
    ]
    for name, run, step, model in rows:
        request = RequestRow(
            f"req_{name}", run, 0 if run == "project" else 1, step, None, None, "import", model, None, canonical_json(ASKED), "{}", 1,
            canonical_json([name]), 1, 3, 3, 0.1, utc_now(), utc_now(),
        )  # fmt: skip
        sample = SampleRow(
            f"smp_{name}",
            f"req_{name}",
            0,
            run,
            request.iteration,
            step,
            None,
            f"It is {name}.",
            "stop",
            None,
            "openai",
        )
        store.append(
            [request, sample, VerdictRow(f"vrd_{name}", f"smp_{name}", "curation@1", True, 0.75, "fine", None)]
        )
    store.fold()
    read = partial(read_accepted, store, "run_1", 1, "math@4", ["curation"], ["curation"], steps=("called",))
    assert [(r.text, r.score) for r in rows_of(read())] == [("It is made.", 0.75)]
    beside = {r.text: r.score for r in rows_of(read(imported=("seed",)))}
    assert beside == {"It is made.": 0.75, "It is seed.": ABOVE}
    store.close()


def test_of_equally_good_rows_that_of_the_step_named_first_is_better(tmp_path):
    store = Store(Project(tmp_path)).open()
    for name, step, score in (("a", "tried", 1.0), ("b", "known", 1.0), ("c", "tried", 0.5), ("d", "known", 0.25)):
        request = RequestRow(
            f"req_{name}", "run_1", 1, step, f"chk_{name}", None, "openai", "m", None, canonical_json(ASKED), "{}", 1,
            canonical_json([name]), 1, 3, 3, 0.1, utc_now(), utc_now(),
        )  # fmt: skip
        sample = SampleRow(f"smp_{name}", f"req_{name}", 0, "run_1", 1, step, None, name, "stop", None, "openai")
        store.append(
            [request, sample, VerdictRow(f"vrd_{name}", f"smp_{name}", "tests@1", score > 0.3, score, "", None)]
        )
    store.fold()
    for steps, best in ((("known", "tried"), "bacd"), (("tried", "known"), "abcd")):
        found = rows_of(read_accepted(store, "run_1", 1, "math@4", ["tests"], [], steps=steps))
        assert "".join(r.text for r in sorted(found, key=lambda r: -r.score)) == best
    store.close()


def test_an_export_has_the_calls_and_the_tools_too(tmp_path):
    store = Store(Project(tmp_path)).open()
    request = RequestRow(
        "req_0", "run_1", 1, "called", "chk_0", None, "openai", "m", None, canonical_json(ASKED), "{}", 1,
        canonical_json(["It is 4."]), 1, 3, 3, 0.1, utc_now(), utc_now(),
    )  # fmt: skip
    sample = SampleRow(
        "smp_0", "req_0", 0, "run_1", 1, "called", None, "add()\n→ 4\nIt is 4.", "stop", None, "openai", input_id="chk_0",
        fields=canonical_json({"completion_messages": ANSWER, "tools": [TOOL]}), parser="tool_calls@1",
    )  # fmt: skip
    verdict = VerdictRow("vrd_0", "smp_0", "human:ada", True, None, "accepted", None)
    store.append([request, sample, verdict])
    store.close()
    out = tmp_path / "rows.jsonl"
    run_cli(
        tmp_path,
        "export",
        "--format",
        "openai",
        "--what",
        "samples",
        "--include",
        "outdated",
        "--output",
        str(out),
        check=0,
    )
    assert json.loads(out.read_text()) == {"messages": [*ASKED, *ANSWER], "tools": [TOOL]}
    (row,) = sql(tmp_path, "select completion from sft")
    assert json.loads(row["completion"]) == ANSWER
