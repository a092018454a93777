"""Every figure of EXPECTED.json that concerns a verifier, by the real command on the real files."""

import json

import pytest
from support import refused, write_jsonl
from support_verify import confusion, figures, run_here


@pytest.fixture
def expected(shared_data):
    return json.loads((shared_data / "EXPECTED.json").read_text())


def verify(folder, file, *args):
    return figures(run_here(folder, "judge", "verify", str(file), *args, check=0).stdout)


def read(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


@pytest.mark.parametrize("model", ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"])
def test_gsm8ks_model_solutions(tmp_path, shared_data, expected, model):
    known = expected["gsm8k/example_model_solutions.jsonl"][model]
    found = verify(
        tmp_path, shared_data / "gsm8k" / "example_model_solutions.jsonl", "--verifier", "math",
        "--map", f"completion={model}.solution", "--map", "expected=ground_truth", "--truth", f"{model}.is_correct",
    )  # fmt: skip
    assert (found["completions"][0], found["passed"][0]) == (str(known["n"]), str(known["is_correct_recorded"]))
    assert found["accuracy"][0].startswith(f"{known['accuracy_recorded']:.4f}"[:6])
    assert found[f"agreement with {model}.is_correct"] == ["1.000000", "660 of 660; 0 abstained or unrecorded"]


def test_samples_of_math(tmp_path, shared_data, expected):
    known = expected["math/math_qwen_cot_100x8.jsonl"]
    found = verify(
        tmp_path, shared_data / "math" / "math_qwen_cot_100x8.jsonl", "--verifier", "math", "--option", "markers=boxed",
        "--map", "completion=code", "--map", "expected=gt", "--truth", "score",
    )  # fmt: skip
    assert (int(found["completions"][0]), int(found["rows"][0])) == (known["samples"], known["problems"])
    assert found["accuracy"][0].startswith(str(known["sample_accuracy"]))
    assert int(found["rows with any passed"][0]) == known["pass@8_any_correct"]
    assert int(found["rows with both"][0]) == known["problems_with_both_correct_and_incorrect"]
    assert found["agreement with score"][1].startswith("376 of 376")


def test_predictions_for_fever(tmp_path, shared_data, expected):
    known, fever = expected["fever/kgat_predictions"], shared_data / "fever"
    done = run_here(
        tmp_path, "judge", "verify", str(fever / "kgat_predictions__paper_dev.jsonl"), "--join", str(fever / "paper_dev.jsonl"),
        "--verifier", "label", "--option", "preset=fever", "--map", "completion=predicted_label", "--map", "expected=label", check=0,
    )  # fmt: skip
    found = figures(done.stdout)
    assert int(found["completions"][0]) == known["n"]
    assert found["accuracy"][0].startswith(str(known["label_accuracy"]))
    assert float(found["macro-F1"][0]) == known["macro_f1"]
    assert confusion(done.stdout) == known["confusion(pred|gold)"]


@pytest.mark.parametrize("task", ["date_understanding", "object_counting"])
def test_codex_on_bbh(tmp_path, shared_data, expected, task):
    known = expected[f"bbh/codex_cot_outputs/{task}"]
    found = verify(
        tmp_path, shared_data / "bbh" / "codex_cot_outputs" / f"{task}.json", "--rows", "outputs", "--verifier", "exact",
        "--option", "after=the answer is", "--map", "completion=prediction", "--map", "expected=target",
    )  # fmt: skip
    assert int(found["completions"][0]) == known["n"]
    assert float(found["accuracy"][0].split()[0]) == known['recomputed_exact_match_after_"the answer is"']


def test_rows_of_bbh_without_the_phrase(tmp_path, shared_data, expected):
    verdicts = tmp_path / "verdicts.jsonl"
    for task in ("date_understanding", "object_counting"):
        verify(
            tmp_path, shared_data / "bbh" / "codex_cot_outputs" / f"{task}.json", "--rows", "outputs", "--verifier", "exact",
            "--option", "after=the answer is", "--map", "completion=prediction", "--map", "expected=target",
            "--output", str(verdicts), "--force",
        )  # fmt: skip
        without = [v for v in read(verdicts) if v["reason"] == "no answer"]
        assert len(without) == expected[f"bbh/codex_cot_outputs/{task}"]["rows_without_that_phrase"]


def test_medmcqs_grader_is_refused_before_anything_runs(tmp_path, shared_data):
    folder = shared_data / "ms_foundry_ft" / "Reinforcement_Fine_Tuning" / "MedMCQ"
    done = run_here(
        tmp_path, "judge", "verify", str(folder / "medmcq_validation.jsonl"), "--verifier", "grader",
        "--option", f"spec=@{folder / 'stringcheck_grader.json'}", "--output", str(tmp_path / "v.jsonl"),
    )  # fmt: skip
    refused(done, "'reference_answer'", "columns messages")
    assert not (tmp_path / "v.jsonl").exists()


def test_a_suffix_that_all_answers_have_changes_none(tmp_path, shared_data):
    path = shared_data / "ms_foundry_ft" / "Supervised_Fine_Tuning" / "Text-GSM8K" / "chat_validation.jsonl"
    turns = [row["messages"] for row in read(path)]
    rows = [
        {"completion": t[-1]["content"], "expected": t[-1]["content"].rpartition("####")[2].strip("! \n")}
        for t in turns
    ]
    assert rows
    write_jsonl(tmp_path / "chat.jsonl", rows)
    assert verify(tmp_path, tmp_path / "chat.jsonl", "--verifier", "math")["passed"][0] == str(len(rows))


FILES = ("simple_python", "multiple", "parallel")


def first(values):
    return next((v for v in values if v != ""), None)


def plain(value):
    """Return one right value of a possible answer."""
    if isinstance(value, dict):
        return {
            k: plain(first(v)) if isinstance(v, list) else v
            for k, v in value.items()
            if not isinstance(v, list) or first(v) is not None
        }
    return [plain(v) for v in value] if isinstance(value, list) else value


def python_of(calls):
    return (
        "[" + ", ".join(f"{name}({', '.join(f'{k}={v!r}' for k, v in given.items())})" for name, given in calls) + "]"
    )


def json_of(calls):
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": n, "arguments": json.dumps(g)}} for n, g in calls]}  # fmt: skip


def bfcl(folder, name):
    return [
        (row["id"], [(n, plain(given)) for call in row["ground_truth"] for n, given in call.items()])
        for row in read(folder / "possible_answer" / f"BFCL_v4_{name}.jsonl")
    ]


def verify_bfcl(tmp_path, folder, name, rows):
    # a row of BFCL has its functions in one file and its possible answers in another
    tools = {r["id"]: r["function"] for r in read(folder / f"BFCL_v4_{name}.jsonl")}
    write_jsonl(tmp_path / "calls.jsonl", [{"id": i, "said": said, "function": tools[i]} for i, said in rows])
    return verify(
        tmp_path, tmp_path / "calls.jsonl", "--join", str(folder / "possible_answer" / f"BFCL_v4_{name}.jsonl"), "--verifier", "tool_calls",
        "--map", "completion=said", "--map", "expected=ground_truth", "--map", "tools=function",
    )  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_possible_answer_of_bfcl_is_a_correct_call(tmp_path, shared_data, name):
    folder = shared_data / "bfcl"
    right = bfcl(folder, name)
    said = [(i, spell(order)) for i, calls in right for spell in (python_of, json_of) for order in (calls, calls[::-1])]
    found = verify_bfcl(tmp_path, folder, name, said)
    assert (int(found["completions"][0]), int(found["passed"][0])) == (4 * len(right), 4 * len(right))


@pytest.mark.parametrize("name", FILES)
def test_wrong_calls_of_bfcl_fail(tmp_path, shared_data, name):
    folder = shared_data / "bfcl"
    said = []
    for i, calls in bfcl(folder, name):
        (function, given), *others = calls
        said += [
            (i, python_of([(function + "x", given), *others])),
            (i, python_of([*calls, calls[0]])),
            (i, "I cannot do that."),
        ]
        said += [(i, python_of([(function, {**given, "surplus": 1}), *others]))]
        said += [
            (i, python_of([(function, {**given, k: ["no", "such", {"value": 1}]}), *others])) for k in list(given)[:1]
        ]
    found = verify_bfcl(tmp_path, folder, name, said)
    assert (found["passed"][0], found["abstained"][0], int(found["failed"][0])) == ("0", "0", len(said))


def test_irrelevance_of_bfcl(tmp_path, shared_data):
    ids = [row["id"] for row in read(shared_data / "bfcl" / "BFCL_v4_irrelevance.jsonl")]
    write_jsonl(
        tmp_path / "said.jsonl",
        [{"id": i, "completion": [["I have no tool for that."], ["f(x=1)"]][n % 2]} for n, i in enumerate(ids)],
    )
    found = verify(tmp_path, tmp_path / "said.jsonl", "--verifier", "tool_calls", "--option", "expect=none")
    assert (int(found["passed"][0]), int(found["failed"][0])) == ((len(ids) + 1) // 2, len(ids) // 2)
