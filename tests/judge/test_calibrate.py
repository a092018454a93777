"""``flywheel judge calibrate`` on small files: every counting, every bias, what is refused."""

import json
import re

import pytest
from flywheel.config import FIGURES as FIGURES_BY_KIND
from flywheel.config import JudgeConfig, find_figure_name
from flywheel.errors import RecipeError
from flywheel.files import ABSENT, read_path
from flywheel.judge.calibration import (
    Figure,
    Minimum,
    Reading,
    find_shortfall,
    make_parser,
    meets,
    read_examples,
    require,
)
from flywheel.judge.calibration import calibrate as measure
from flywheel.judge.calibration._values import canonical
from flywheel.schema import SampleRow, VerdictRow
from flywheel.store import Project, Store
from support import refused, run_cli, write_jsonl

FAST = ("--resamples", "0")


def calibrate(folder, rows, *args, name="labels.jsonl"):
    write_jsonl(folder / name, rows)
    done = run_cli(
        folder, "judge", "calibrate", "--labels", str(folder / name), *args, *FAST, "--format", "json", check=0
    )
    return json.loads(done.stdout)


def values(found, name):
    return {(f["ties"], f["abstentions"]): f["value"] for f in found["figures"] if f["name"] == name}


LABEL = ("--map", "label=human", "--map", "verdict=judge")

PAIRS = [
    {"human": "A", "judge": "A"}, {"human": "A", "judge": "B"}, {"human": "B", "judge": "B"}, {"human": "B", "judge": "tie"},
    {"human": "tie", "judge": "tie"}, {"human": "tie", "judge": "A"}, {"human": "A", "judge": "I cannot say"},
    {"human": "A", "judge": None},
]  # fmt: skip


def test_each_counting_of_ties_and_abstentions_is_there_and_says_so(tmp_path):
    found = calibrate(tmp_path, PAIRS, *LABEL, "--kind", "pairwise")
    assert values(found, "accuracy") == {
        ("a verdict of their own", "wrong"): pytest.approx(3 / 8),
        ("half right against a winner", "wrong"): pytest.approx((3 + 2 * 0.5) / 8),
        ("left out", "wrong"): pytest.approx(2 / 5),
        ("a verdict of their own", "left out"): pytest.approx(3 / 6),
        ("half right against a winner", "left out"): pytest.approx((3 + 2 * 0.5) / 6),
        ("left out", "left out"): pytest.approx(2 / 3),
    }
    assert found["n_abstained"] == 2
    assert found["abstentions"] == [{"line": 7, "text": "I cannot say"}, {"line": 8, "text": "no verdict"}]


def test_one_counting_can_be_chosen(tmp_path):
    found = calibrate(tmp_path, PAIRS, *LABEL, "--kind", "pairwise", "--ties", "half", "--abstentions", "left out")
    assert values(found, "accuracy") == {("half right against a winner", "left out"): pytest.approx(4 / 6)}


def test_without_ties_and_abstentions_there_is_one_figure(tmp_path):
    found = calibrate(tmp_path, PAIRS[:3], *LABEL, "--kind", "pairwise")
    assert values(found, "accuracy") == {("none occur", "none occur"): pytest.approx(2 / 3)}


ORDERS = [  # what was said of each order, in terms of what was shown: A stood first
    {"human": 1, "one": "[[A]]", "two": "[[B]]"},  # first twice
    {"human": 2, "one": "[[A]]", "two": "[[A]]"},  # whichever stands first
    {"human": 2, "one": "[[A]]", "two": "[[A]]"},
    {"human": 2, "one": "[[B]]", "two": "[[A]]"},  # second twice
    {"human": 1, "one": "[[B]]", "two": "[[B]]"},  # whichever stands second
    {"human": 1, "one": "[[C]]", "two": "[[C]]"},
    {"human": 1, "one": "[[A]]", "two": "no idea"},
]
SHOWN = ("--map", "label=human", "--map", "verdict=one", "--map", "swapped_shown=two", "--parse", "winner")


def test_the_order_that_was_shown_is_turned_back(tmp_path):
    found = calibrate(tmp_path, ORDERS, *SHOWN)
    assert values(found, "same verdict in both orders") == {
        ("a verdict of their own", "not the same"): pytest.approx(3 / 7),
        ("a verdict of their own", "left out"): pytest.approx(3 / 6),
    }
    assert values(found, "accuracy in the given order")[("a verdict of their own", "none occur")] == pytest.approx(
        3 / 7
    )
    assert values(found, "accuracy in the swapped order")[("a verdict of their own", "wrong")] == pytest.approx(5 / 7)
    assert values(found, "accuracy of both orders")[("a verdict of their own", "wrong")] == pytest.approx(2 / 7)
    (bias,) = [f for f in found["figures"] if f["name"].startswith("position bias")]
    assert (bias["value"], bias["n"], bias["p_value"]) == (pytest.approx(2 / 3), 3, 1.0)


def test_swapped_in_terms_of_the_row_is_taken_as_it_is(tmp_path):
    rows = [{"human": 1, "one": 1, "two": 1}, {"human": 2, "one": 2, "two": 1}]
    found = calibrate(tmp_path, rows, "--map", "label=human", "--map", "verdict=one", "--map", "swapped=two")
    assert values(found, "same verdict in both orders") == {("none occur", "none occur"): 0.5}


def test_length_bias_is_the_judges_beyond_that_of_people(tmp_path):
    rows = [{"human": h, "judge": j, "a": "x" * 9, "b": "x"} for h, j in ((1, 1), (2, 1), (2, 1), (2, 2))]
    rows += [{"human": 1, "judge": 2, "a": "x", "b": "y"}, {"human": 1, "judge": 0, "a": "x" * 9, "b": "y"}]
    found = calibrate(tmp_path, rows, *LABEL, "--map", "first=a", "--map", "second=b")
    (bias,) = values(found, "length bias: longer one wins, judge minus people").values()
    assert bias == pytest.approx(3 / 4 - 1 / 4)
    (f,) = [f for f in found["figures"] if f["name"] == "longer one wins, judge"]
    assert (f["value"], f["n"]) == (0.75, 4)


def test_self_preference_is_the_judges_beyond_that_of_people(tmp_path):
    rows = [
        {"human": 2, "judge": 1, "m1": "gpt", "m2": "llama"}, {"human": 1, "judge": 2, "m1": "llama", "m2": "gpt"},
        {"human": 1, "judge": 1, "m1": "gpt", "m2": "qwen"}, {"human": 1, "judge": 1, "m1": "qwen", "m2": "llama"},
        {"human": 1, "judge": 1, "m1": "gpt", "m2": "gpt"},
    ]  # fmt: skip
    models = ("--map", "first_model=m1", "--map", "second_model=m2", "--map", "judge_model=GPT")
    found = calibrate(tmp_path, rows, *LABEL, *models)
    (f,) = [f for f in found["figures"] if f["name"].startswith("self-preference")]
    assert (f["value"], f["n"]) == (pytest.approx(1 - 1 / 3), 3)


def test_annotators_are_settled_by_majority_and_the_rest_is_counted(tmp_path):
    rows = [{"a": 1, "b": 1, "c": 2, "judge": 1}, {"a": 0, "b": 1, "c": 2, "judge": 1}, {"a": None, "b": 2, "c": 2, "judge": 2},
            {"a": "?", "b": None, "c": None, "judge": 2}]  # fmt: skip
    found = calibrate(tmp_path, rows, "--map", "label=a,b,c", "--map", "verdict=judge", "--kind", "pairwise")
    assert values(found, "accuracy") == {("none occur", "none occur"): 1.0}
    assert found["left_out"] == {"no majority of people": 1, "no label that can be read": 1}
    (people,) = values(found, "agreement of two people").values()
    assert people == pytest.approx((1 / 3 + 0 + 1) / 3)


def test_scores(tmp_path):
    rows = [
        {"human": h, "judge": f"Because.\nScore: {j}", "text": "x" * n}
        for h, j, n in ((1, 1, 1), (2, 3, 5), (4, 4, 3), (5, 4, 9))
    ]
    rows.append({"human": 3, "judge": "no score", "text": "x"})
    found = calibrate(tmp_path, rows, *LABEL, "--parse", "score", "--map", "completion=text")
    assert found["kind"] == "score"
    assert values(found, "accuracy") == {("there are none", "wrong"): 2 / 5, ("there are none", "left out"): 2 / 4}
    assert values(found, "Spearman") == {("there are none", "left out"): pytest.approx(0.9486832980505138)}
    assert values(found, "mean score, judge minus people") == {("there are none", "left out"): pytest.approx(0.0)}
    assert values(found, "Cohen's kappa, quadratic weights") == {("there are none", "left out"): pytest.approx(0.875)}
    assert found["n_abstained"] == 1


@pytest.mark.parametrize("blank", ["", " ", "N/A", None])
def test_an_empty_cell_does_not_change_what_the_labels_are(tmp_path, blank):
    rows = [{"human": str(h), "judge": j} for h, j in ((1, 1), (2, 3), (4, 4), (5, 4))]
    found = calibrate(tmp_path, [*rows, {"human": blank, "judge": 2}], *LABEL)
    assert (found["kind"], found["left_out"]) == ("score", {"no label that can be read": 1})
    assert values(found, "Spearman") == {("there are none", "none occur"): pytest.approx(0.9486832980505138)}
    found = calibrate(tmp_path, [{"human": "yes", "judge": "no"}, {"human": blank, "judge": "no"}], *LABEL)
    assert found["kind"] == "binary"


def test_verdicts_in_a_file_of_their_own(tmp_path):
    write_jsonl(
        tmp_path / "verdicts.jsonl", [{"id": 3, "judge": "no"}, {"id": 1, "judge": "yes"}, {"id": 9, "judge": "yes"}]
    )
    rows = [{"id": 1, "human": True}, {"id": 2, "human": True}, {"id": 3, "human": True}]
    found = calibrate(tmp_path, rows, *LABEL, "--verdicts", str(tmp_path / "verdicts.jsonl"), "--on", "id")
    assert found["n"] == 2
    assert values(found, "accuracy") == {("there are none", "none occur"): 0.5}
    assert found["left_out"] == {"a label without a verdict": 1, "a verdict without a label": 1}


def test_verdicts_of_a_judge_in_the_store(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    store = Store(Project(folder)).open()
    for i, (passed, score) in enumerate([(True, 0.9), (False, 0.2), (None, None)]):
        store.append([
            SampleRow(f"smp_{i}", None, 0, "r", 1, "s", None, "text", "stop", None, "x"),
            VerdictRow(f"vrd_{i}", f"smp_{i}", "quality@abc", passed, score, "good", None),
            VerdictRow(f"vrd_x{i}", f"smp_{i}", "math@1", True, 1.0, "correct", None),
        ])  # fmt: skip
    store.close()
    rows = [{"sample_id": f"smp_{i}", "human": h} for i, h in enumerate(["good", "good", "bad"])]
    found = calibrate(folder, rows, "--judge", "quality", "--map", "label=human")
    assert values(found, "accuracy") == {
        ("there are none", "wrong"): pytest.approx(1 / 3),
        ("there are none", "left out"): 0.5,
    }
    write_jsonl(folder / "l.jsonl", rows)
    done = run_cli(
        folder, "judge", "calibrate", "--labels", str(folder / "l.jsonl"), "--judge", "nobody", "--map", "label=human"
    )
    refused(done, "--judge nobody", "one judge with verdicts")


def test_a_report_with_plots(tmp_path):
    write_jsonl(tmp_path / "l.jsonl", PAIRS)
    args = (
        "judge",
        "calibrate",
        "--labels",
        str(tmp_path / "l.jsonl"),
        *LABEL,
        "--kind",
        "pairwise",
        "--resamples",
        "20",
    )
    shown = run_cli(tmp_path, *args, "--output", str(tmp_path / "calibration.md"), check=0).stdout
    assert "a verdict of their own" in shown
    text = (tmp_path / "calibration.md").read_text()
    assert "| accuracy | 0.3750 | " in text
    assert "I cannot say" in text
    for plot in ("figures", "verdicts"):
        assert f"calibration/{plot}.png" in text
        assert (tmp_path / "calibration" / f"{plot}.png").stat().st_size > 1000
    refused(run_cli(tmp_path, *args, "--output", str(tmp_path / "calibration.md")), "a new file", "--force")


def test_rows_that_cannot_be_read_are_counted(tmp_path):
    (tmp_path / "l.jsonl").write_text('{"human": "yes", "judge": "yes"}\nnot JSON\n')
    done = run_cli(tmp_path, "judge", "calibrate", "--labels", str(tmp_path / "l.jsonl"), *LABEL, *FAST, check=0)
    assert "a row of l.jsonl that cannot be read" in done.stdout


@pytest.mark.parametrize(
    ("rows", "args", "part"),
    [
        (PAIRS, ("--map", "label=human"), "verdict=PATH"), (PAIRS, ("--map", "labels=human"), "targets:"),
        (PAIRS, ("--map", "verdict=nope"), "columns human, judge"), ([{"human": 1, "judge": "??"}], LABEL, "none that can be read"),
        ([{"human": i, "judge": i} for i in range(3)], LABEL, "--kind pairwise"), (PAIRS, (*LABEL, "--parse", "("), "regular expression"),
        (PAIRS, (*LABEL, "--value", "x"), "RAW=NAME"), (PAIRS, (*LABEL, "--verdicts", "x.jsonl"), "--on"),
        (PAIRS, (*LABEL, "--kind", "pairwise", "--minimum", "accuracy"), "FIGURE=VALUE"),
        (PAIRS, (*LABEL, "--kind", "pairwise", "--minimum", "acuracy=0.5"), "a figure: accuracy"),
        (PAIRS, (*LABEL, "--kind", "pairwise", "--minimum", "spearman=0.5"), "a figure of kind pairwise"),
    ],
)  # fmt: skip
def test_what_cannot_be_calibrated_is_refused(tmp_path, rows, args, part):
    write_jsonl(tmp_path / "l.jsonl", rows)
    refused(run_cli(tmp_path, "judge", "calibrate", "--labels", str(tmp_path / "l.jsonl"), *args), part)


def test_a_minimum_that_is_not_met_fails_with_the_figure(tmp_path):
    write_jsonl(tmp_path / "l.jsonl", PAIRS)
    args = (
        "judge",
        "calibrate",
        "--labels",
        str(tmp_path / "l.jsonl"),
        *LABEL,
        "--kind",
        "pairwise",
        "--resamples",
        "50",
    )
    refused(run_cli(tmp_path, *args, "--minimum", "accuracy=0.9"), "minimum agreement with people", "accuracy 0.375")
    run_cli(tmp_path, *args, "--minimum", "accuracy=0.01", "--minimum-n", "8", check=0)
    refused(run_cli(tmp_path, *args, "--minimum", "accuracy=0.01"), "50 rows or more", "rests on 8 rows")
    write_jsonl(tmp_path / "l.jsonl", [{"human": "A", "judge": "A"}])
    refused(run_cli(tmp_path, *args, "--minimum", "accuracy=0.7", "--minimum-n", "1"), "interval 0.025 to 1.000, n = 1")


# --- minimum, values, paths --------------------------------------------------------------------------------------

FIGURES = [
    Figure("accuracy", 0.8, 0.72, 0.88, 100, "none occur", "wrong"), Figure("accuracy", 0.9, 0.85, 0.95, 90, "none occur", "left out"),
]  # fmt: skip


def test_a_minimum_takes_the_lower_end_and_the_stricter_counting():
    assert meets(Minimum(at_least=0.7), FIGURES)
    assert not meets(Minimum(at_least=0.75), FIGURES)
    assert meets(Minimum(at_least=0.75, by="value"), FIGURES)
    assert meets(Minimum(at_least=0.85, abstentions="left out"), FIGURES)
    assert not meets(Minimum(at_least=0.7, n=200), FIGURES)
    assert "there are accuracy" in find_shortfall(Minimum("Spearman"), FIGURES)
    all_right = [Figure("accuracy", 1.0, 1.0, 1.0, n, "none occur", "wrong") for n in (10, 50)]
    assert [meets(Minimum(at_least=0.9, n=10), [f]) for f in all_right] == [False, True]
    with pytest.raises(RecipeError, match="lower end of the interval"):
        require(Minimum(at_least=0.75), FIGURES, "quality")


@pytest.mark.parametrize(
    ("given", "figure"),
    [
        ("Accuracy", "accuracy"), ("kappa", "Cohen's kappa"), ("cohens_kappa", "Cohen's kappa"), ("COHEN’S KAPPA", "Cohen's kappa"),
        ("spearman", "Spearman"), ("qwk", "Cohen's kappa, quadratic weights"), ("kappa of both orders", "Cohen's kappa of both orders"),
        ("mean", None), ("length bias: correlation, judge minus people", None), ("", None),
    ],
)  # fmt: skip
def test_figures_are_known_by_short_names_in_any_case(given, figure):
    assert find_figure_name(given) == figure


@pytest.mark.parametrize(
    ("minimum", "changes", "said"),
    [
        ({"kapa": 0.5}, {}, "'kapa'"), ({"spearman": 0.5}, {}, "a figure of binary labels: accuracy, Cohen's kappa"),
        ({"kappa of both orders": 0.5}, {"kind": "pairwise"}, "a figure of pairwise labels"),
    ],
)  # fmt: skip
def test_a_recipe_that_demands_what_no_calibration_measures_is_refused_on_reading(minimum, changes, said):
    judge = {"name": "q", "kind": "rubric", "of": ["answers"], **changes}
    with pytest.raises(ValueError, match=re.escape(said)):
        JudgeConfig.model_validate({**judge, "calibration": {"labels": "l.jsonl", "minimum": minimum}})
    ready = {"labels": "l.jsonl", "minimum": {"KAPPA": 0.4, "qwk": 0.5}, "kind": "score"}
    found = JudgeConfig.model_validate({**judge, "kind": "rubric", "calibration": ready}).calibration.minimum
    assert found == {"Cohen's kappa": 0.4, "Cohen's kappa, quadratic weights": 0.5}


def test_every_figure_that_may_be_demanded_is_one_that_is_measured():
    scores = [(i, {"label": i % 4, "verdict": (i + i % 2) % 4}) for i in range(20)]
    pairs = [(i, {"label": "AB"[i % 2], "verdict": "ABA"[i % 3], "swapped": "BA"[i % 2]}) for i in range(20)]
    words = [(i, {"label": ("pass", "fail")[i % 2], "verdict": ("pass", "fail")[i % 3 > 0]}) for i in range(20)]
    measured = {}
    for kind, rows in (("score", scores), ("pairwise", pairs), ("binary", words), ("label", words)):
        reading = Reading({name: [name] for name in rows[0][1]}, kind)
        measured[kind] = {f.name for f in measure(read_examples(rows, reading, "x"), resamples=10).figures}
    one_order = {"accuracy", "Cohen's kappa"}
    assert all(set(names) <= measured[kind] | one_order for kind, names in FIGURES_BY_KIND.items())


def test_an_abstention_of_the_store_is_shown_in_the_judges_words():
    rows = [
        (1, {"label": "pass", "passed": None, "said": "unparsable: I like it"}),
        (2, {"label": "pass", "passed": True, "said": "x"}),
    ]
    found = measure(
        read_examples(rows, Reading({"label": ["label"], "verdict": ["passed"], "said": ["said"]}, "binary"), "x"),
        resamples=0,
    )
    assert found.abstentions == ((1, "unparsable: I like it"),)


@pytest.mark.parametrize(
    ("value", "kind", "meaning"),
    [
        (1, "pairwise", "first"), ("2", "pairwise", "second"), (2.0, "pairwise", "second"), ("Tie", "pairwise", "tie"), (1.5, "pairwise", "tie"),
        ("model_a", "pairwise", "first"), ("Output (b)", "pairwise", "second"), ("tie (bothbad)", "pairwise", "tie"),
        ("lose", "pairwise", "second"), ("[[C]]", "pairwise", "tie"), ("garbage", "pairwise", None), ("", "pairwise", None),
        (True, "binary", "pass"), ("Incorrect", "binary", "fail"), (0, "binary", "fail"), ("maybe", "binary", None),
        ("4.5", "score", 4.5), ("nan", "score", None), ("SUPPORTS", "label", "supports"), (3.0, "label", "3"), (None, "label", None),
    ],
)  # fmt: skip
def test_usual_values_are_known(value, kind, meaning):
    assert canonical(value, kind, {}) == meaning


def test_names_given_by_the_user_come_first():
    assert canonical(1, "pairwise", {"1": "second"}) == "second"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Output (a)", "a"), ("[B]", "B"), ("So Output (a) is good. Therefore, Output (b) is better.", "b"), ("Response 2 is better", "2"),
        ("Both are similar.", None), ("Winner: A", "A"), ("A better answer is needed", None),
    ],
)  # fmt: skip
def test_better_is_read_from_raw_text(text, said):
    assert make_parser("better")(text) == said


def test_paths_reach_into_lists_and_objects():
    row = {"a": [{"b = c": {"d.e": 1}}, {"x": 2}], "a.b": 3}
    assert read_path(row, 'a[0]["b = c"]["d.e"]') == 1
    assert read_path(row, "a.-1.x") == read_path(row, "a[-1].x") == read_path(row, "a.1.x") == 2
    assert read_path(row, "a.b") == 3
    assert read_path(row, "a[5].x") is ABSENT
    assert read_path(row, "a.x") is ABSENT
    assert read_path({"a": None}, "a") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Output (a) is slightly better", "a"), ("Output (a) is not better than Output (b)", None), ("Output (a) is no better", None),
        ("Output (a) is hardly better", None), ("It is unclear if Output (a) is better", None), ("Output (a) is best avoided", None),
        ("It is false that Output (a) is better", None), ("Output (b) is better than Output (a)", "b"),
    ],
)  # fmt: skip
def test_better_is_read_where_it_is_meant(text, said):
    assert make_parser("better")(text) == said
