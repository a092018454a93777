"""Figures of real judges, through the real command, from the raw files."""

import json

import pytest
from support import run_cli

NATURAL = [f"{judge}__{how}" for judge in ("ChatGPT", "GPT-4") for how in ("Vanilla", "CoT", "Swap_CoT")]
WINNERS = (
    "--map", "label=label", "--map", 'verdict=results[-1]["swap = False"].winner',
    "--map", 'swapped=results[-1]["swap = True"].winner',
)  # fmt: skip
RAW = (
    "--map", "label=label", "--map", 'verdict=results[-1]["swap = False"].completion[0]',
    "--map", 'swapped_shown=results[-1]["swap = True"].completion[0]', "--parse", "better",
)  # fmt: skip


def calibrate(folder, *args, resamples=0):
    shown = run_cli(
        folder, "judge", "calibrate", *map(str, args), "--resamples", str(resamples), "--format", "json", check=0
    )
    return json.loads(shown.stdout)


def figure(found, name, *, ties=None, abstentions=None):
    moot = ("none occur", "there are none")
    chosen = [
        f for f in found["figures"]
        if f["name"] == name and (ties is None or f["ties"] in (ties, *moot))
        and (abstentions is None or f["abstentions"] in (abstentions, *moot))
    ]  # fmt: skip
    assert len(chosen) == 1, [(f["ties"], f["abstentions"]) for f in chosen]
    return chosen[0]["value"]


@pytest.fixture(scope="module")
def llmbar(tmp_path_factory):
    """Calibrations by file name, each made once."""
    found, folder = {}, tmp_path_factory.mktemp("llmbar")

    def get(path, *args):
        key = (path.name, args)
        if key not in found:
            found[key] = calibrate(folder, "--labels", path, *args)
        return found[key]

    return get


@pytest.fixture
def expected(shared_data):
    return json.loads((shared_data / "EXPECTED.json").read_text())


@pytest.mark.parametrize("name", NATURAL)
@pytest.mark.parametrize(
    ("key", "figure_name"),
    [
        ("accuracy swap = False", "accuracy in the given order"), ("accuracy swap = True", "accuracy in the swapped order"),
        ("same verdict in both orders", "same verdict in both orders"),
    ],
)  # fmt: skip
def test_llmbar_figures(shared_data, expected, llmbar, name, key, figure_name):
    file = f"llmbar/judge_outputs/Natural__{name}.result.json"
    found = llmbar(shared_data / file, *WINNERS)
    counting = "not the same" if "same" in key else "wrong"
    assert figure(found, figure_name, abstentions=counting) == pytest.approx(expected[file][key])
    assert found["n"] == expected[file]["n"]


@pytest.mark.parametrize("name", NATURAL)
def test_llmbar_unparsed_winners(shared_data, expected, llmbar, name):
    file = f"llmbar/judge_outputs/Natural__{name}.result.json"
    assert llmbar(shared_data / file, *WINNERS)["n_abstained"] == expected[file]["unparsed winners"]


@pytest.mark.parametrize("name", NATURAL)
def test_llmbar_published_statistics(shared_data, llmbar, name):
    found = llmbar(shared_data / f"llmbar/judge_outputs/Natural__{name}.result.json", *WINNERS)
    theirs = json.loads((shared_data / f"llmbar/judge_outputs/Natural__{name}.statistics.json").read_text())
    both = figure(found, "accuracy of both orders", ties="a verdict of their own", abstentions="wrong")
    assert 100 * both == pytest.approx(float(theirs["correct_both"].split("= ")[1][:-1]))
    mean = figure(found, "accuracy, mean of the two orders", abstentions="wrong")
    assert 100 * mean == pytest.approx(float(theirs["correct_average"][:-1]))


@pytest.mark.parametrize("name", [n for n in NATURAL if n != "ChatGPT__Swap_CoT"])
def test_llmbar_winners_read_from_the_raw_text(shared_data, llmbar, name):
    """The recorded winners of ChatGPT__Swap_CoT say otherwise than its own last words in 8 rows; the others agree."""
    file = shared_data / f"llmbar/judge_outputs/Natural__{name}.result.json"
    recorded, read = llmbar(file, *WINNERS), llmbar(file, *RAW)
    for kept in ("figures", "verdicts", "n_abstained", "table"):
        assert read[kept] == recorded[kept]


def test_llmbar_position_bias(shared_data, llmbar):
    found = llmbar(shared_data / "llmbar/judge_outputs/Natural__ChatGPT__CoT.result.json", *WINNERS)
    (bias,) = [f for f in found["figures"] if f["name"].startswith("position bias")]
    assert (bias["n"], bias["value"]) == (35, pytest.approx(34 / 35))
    assert bias["p_value"] == pytest.approx(2 * (1 + 35) / 2**35)


@pytest.mark.parametrize(("judge", "column"), [("gpt-3.5-turbo", "gpt_result"), ("pandalm-7b", "pandalm_result")])
def test_pandalm_agreement_with_the_majority(shared_data, expected, tmp_path, judge, column):
    folder, wanted = shared_data / "pandalm", expected["pandalm"][judge]
    found = calibrate(
        tmp_path, "--labels", folder / "testset-v1.json", "--verdicts", folder / f"{judge}-testset-v1.json", "--on", "idx",
        "--map", "label=annotator1,annotator2,annotator3", "--map", f"verdict={column}", "--kind", "pairwise",
    )  # fmt: skip
    own = figure(found, "accuracy", ties="a verdict of their own", abstentions="wrong")
    assert own == pytest.approx(wanted["agreement_with_majority(unparseable=wrong)"], abs=1e-6)
    assert found["n_abstained"] == wanted["unparseable_verdicts"]
    assert found["n"] == wanted["n"]
    assert sum(found["labels"].values()) == wanted["n_with_human_majority"]
    left_out = figure(found, "accuracy", ties="a verdict of their own", abstentions="left out")
    assert left_out == pytest.approx(own * found["n"] / (found["n"] - found["n_abstained"]))
    if found["n_abstained"]:
        assert {a["text"] for a in found["abstentions"]} == {"garbage"}


def test_alpaca_eval_win_rate(shared_data, expected, tmp_path):
    file, wanted = (
        "alpaca_eval/alpaca-7b_vs_davinci003_judged_by_gpt4.json",
        expected["alpaca_eval/alpaca-7b_vs_davinci003"],
    )
    found = calibrate(
        tmp_path, "--labels", shared_data / file, "--map", "verdict=preference", "--map", "first=output_1", "--map",
        "second=output_2", "--map", "first_model=generator_1", "--map", "second_model=generator_2",
    )  # fmt: skip
    name = f"win rate of the second, judge ({wanted['generator_2']})"
    assert figure(found, name, ties="half a win") == pytest.approx(wanted["generator_2_win_rate_ties_half"], abs=1e-6)
    counts = {"first": wanted["counts"]["1"], "second": wanted["counts"]["2"], "tie": wanted["counts"]["0"]}
    assert found["verdicts"] == counts
    assert found["n"] == wanted["n"]


def test_mr_gsm8k_a_grader_of_critiques(shared_data, tmp_path):
    """The grader's words need a reader: "- Wrong", "Correct"."""
    found = calibrate(
        tmp_path, "--labels", shared_data / "mr_gsm8k/gpt35_as_critic_graded.json", "--map", "label=error_reason_correctness",
        "--map", 'verdict=gpt4_error_reason_correctness_analysis["Final Decision"]', "--parse", r"\w+",
    )  # fmt: skip
    assert found["kind"] == "binary"
    assert figure(found, "accuracy") == pytest.approx((18 + 21 + 1) / 49)
    assert figure(found, "passed, of what people fail") == pytest.approx(3 / 25)
    assert figure(found, "failed, of what people pass") == pytest.approx(6 / 24)


def test_mr_gsm8k_error_steps_as_numbers(shared_data, tmp_path):
    found = calibrate(
        tmp_path, "--labels", shared_data / "mr_gsm8k/gpt35_as_critic_graded.json", "--kind", "label",
        "--map", "label=model_output_solution_first_error_step", "--map", "verdict=gpt3_5_eval_output.error_step_pred",
        "--parse", r"(\d+)",
    )  # fmt: skip
    assert (figure(found, "accuracy"), found["n"]) == (1.0, 49)


def test_prometheus_rubrics_are_asked_as_they_are(shared_data, endpoint, none):
    from flywheel.judge.judges import Rubric
    from support_judges import put

    url = endpoint(none).url
    rows = list(json.loads((shared_data / "prometheus/biggen_sample_evals.json").read_text()).values())[:3]
    for row in rows:
        rubric = row["score_rubric"]
        levels = {n: rubric[f"score{n}_description"] for n in range(1, 6)}
        judge = Rubric("biggen", rubric["criteria"], levels=levels, with_reference=True)
        asked = {"question": row["input"], "completion": "quality=4", "reference": row["reference_answer"]}
        judged, (reply,) = put(judge, asked, url)
        text = reply.request.messages[-1]["content"]
        assert all(
            part in text for part in (rubric["criteria"], *levels.values(), row["input"], row["reference_answer"])
        )
        assert judged.record.opinions[0].read == "tokens"
