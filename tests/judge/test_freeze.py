"""Snapshots from a store that is filled by hand: curation, replay, curriculum, and what their ids hold."""

import json

import pytest
from flywheel.config import CurationConfig, PairConfig, SelectConfig
from flywheel.judge import MATH_JUDGE, Scope, make_pairs
from flywheel.schema import VerdictRow, utc_now
from support_filled import ITEM, Filled


@pytest.fixture
def filled(store):
    return Filled(store)


def lines(snapshot):
    return [json.loads(line) for line in snapshot.path.read_text().splitlines()]


def said(snapshot):
    return [row["completion"][0]["content"] for row in lines(snapshot)]


def test_curation_runs_before_the_snapshot_and_everything_that_goes_is_a_drop(filled):
    filled.add(
        1,
        0,
        ("2 + 3 = 5 #### 0", True),
        ("2 + 3 = 5  #### 0", True),
        ("It is 5 of them #### 0", True),
        ("three plus two #### 0", True),
        ("no", False),
    )
    filled.add(1, 1, ("I'm sorry, but I cannot help with that. #### 1", True))
    filled.add(1, ITEM, ("41 + 7 = 48 #### 48", True))
    made = filled.freezer().freeze_sft("ckpt_seed")
    assert said(made) == ["2 + 3 = 5 #### 0", "It is 5 of them #### 0"]
    assert filled.drops("sft/curate") == {
        "smp_1_solve_0_1": "exact duplicate", "smp_1_solve_0_3": "more than select.per_problem", "smp_1_solve_1_0": "refusal",
        f"smp_1_solve_{ITEM}_0": "contaminated: gsm/gate",
    }  # fmt: skip
    assert filled.funnel() == {(1, "sft/curate"): (6, 2), (1, "sft/snapshot"): (2, 2)}
    evidence = dict(filled.store.query("SELECT input_id, evidence FROM drops WHERE step = 'sft/curate'"))
    assert evidence["smp_1_solve_0_1"] == "exact: of smp_1_solve_0_0, similarity 1.00"
    assert evidence[f"smp_1_solve_{ITEM}_0"].startswith("decontaminate: gsm/gate 1: ngram")
    again = filled.freezer().freeze_sft("ckpt_seed")
    assert (again, filled.funnel()[1, "sft/curate"]) == (made, (6, 2))


def test_what_a_problem_set_answers_in_two_ways_is_not_trained_on(filled):
    filled.add(1, "How many are they?", ("so 3 #### 3", True))
    filled.add(
        1, "how many  are they?", ("so 4 #### 4", False)
    )  # not even accepted: the set contradicts itself all the same
    filled.add(1, 0, ("2 + 3 = 5 #### 0", True))
    record_set(filled.store)
    assert said(filled.freezer().freeze_sft("ckpt_seed")) == ["2 + 3 = 5 #### 0"]
    assert filled.drops("sft/curate") == {"smp_1_solve_How many are they?_0": "conflicting labels"}
    off = filled.freezer(curate={"conflicts": False}).freeze_sft("ckpt_seed")
    assert off.n_rows == 2


@pytest.mark.parametrize(
    ("shown", "kept", "dropped"),
    [
        (("sources",), ["a", "b", "c", "d"], ["e", "f"]),
        ((), ["c"], ["a", "b", "d", "e", "f"]),
        (("sources", "page"), ["a", "b", "c", "d", "e", "f"], []),
    ],
)
def test_a_question_with_other_sources_is_another_question(filled, shown, kept, dropped):
    """Only what prompts show tells problems apart: a column that they leave out does not."""
    rows = {
        "a": ("It is so.", "SUPPORTS", ["It is so indeed."], "x"), "b": ("It is so.", "REFUTES", ["It is not so."], "x"),
        "c": ("It rains.", "SUPPORTS", ["Rain falls."], "x"), "d": ("It snows.", "SUPPORTS", ["Snow."], "x"),
        "e": ("it  snows.", "SUPPORTS", ["None."], "x"), "f": ("It snows.", "REFUTES", ["None."], "y"),
    }  # fmt: skip
    for key, (question, answer, sources, page) in rows.items():
        fields = {"sources": sources, "page": page}
        prompt = "\n".join([question.lower(), *(str(fields[name]) for name in shown)])
        draw = (f"what {key} is said to be", True)
        filled.add(1, question, draw, key=key, answer=answer, fields=fields, prompt=prompt)
    record_set(filled.store)
    freezer = filled.freezer(curate={"duplicates": {"near": 0}}, shown=shown)
    assert sorted(text.split()[1] for text in said(freezer.freeze_sft("ckpt_seed"))) == kept
    assert filled.drops("sft/curate") == {f"smp_1_solve_{key}_0": "conflicting labels" for key in dropped}


def record_set(store):
    """Say that a run works through all problems of the store."""
    run = {
        "run_id": "run_a", "name": "a", "seed": 0, "model": "m", "base_checkpoint_id": "c", "recipe": "{}", "versions": "{}",
        "started_at": utc_now(), "problem_set_id": "set",
    }  # fmt: skip
    store.insert("runs", [run], key="run_id")
    ids = [i for (i,) in store.query("SELECT problem_id FROM problems ORDER BY 1")]
    members = [{"problem_set_id": "set", "ordinal": i, "problem_id": k} for i, k in enumerate(ids)]
    store.insert("problem_sets", members, key="problem_id")


def test_the_id_of_a_snapshot_holds_the_rules_that_made_it(filled):
    filled.add(1, 0, ("2 + 3 = 5 #### 0", True))
    plain = filled.freezer().freeze_sft("ckpt_seed")
    other = filled.freezer(curate={"pii": "drop"}).freeze_sft("ckpt_seed")
    assert plain.path.read_bytes() == other.path.read_bytes()
    assert plain.snapshot_id != other.snapshot_id


def test_off_keeps_everything_but_evaluation_items(filled):
    filled.add(1, 0, ("Sure <|im_end|>", True), ("Sure <|im_end|>", True))
    filled.add(1, ITEM, ("41 + 7 = 48 #### 48", True))
    off = CurationConfig.off().model_dump()
    made = filled.freezer(curate=off).freeze_sft("ckpt_seed")
    assert said(made) == ["Sure <|im_end|>"] * 2
    assert set(filled.drops("sft/curate").values()) == {"contaminated: gsm/gate"}


def test_what_the_model_was_trained_on_goes_and_what_is_replayed_stays(filled):
    for problem in range(4):
        filled.add(1, problem, (f"Old answer of {problem} #### {problem}", True))
    first = filled.freezer().freeze_sft("ckpt_seed")
    trained = filled.train(1, first)
    for problem in range(2, 6):
        filled.add(2, problem, (f"Old answer of {problem} #### {problem}", True))
    second = filled.freezer(2).freeze_sft(trained)
    assert filled.drops("sft/curate") == {f"smp_2_solve_{i}_0": "exact duplicate" for i in (2, 3)}
    assert sorted(said(second)) == sorted(f"Old answer of {i} #### {i}" for i in (0, 1, 2, 3, 4, 5)), (
        "each once, replay and fresh"
    )
    none = filled.freezer(2, select=SelectConfig(replay=0)).freeze_sft("ckpt_other")
    assert sorted(said(none)) == sorted(f"Old answer of {i} #### {i}" for i in (2, 3, 4, 5)), (
        "another model never saw them"
    )
    kept = filled.freezer(2, {"duplicates": {"earlier": False}}, SelectConfig(replay=0)).freeze_sft(trained)
    assert len(said(kept)) == 4
    assert filled.funnel()[2, "sft/curate"] == (4, 4), "another rule takes the old drops back"


def test_pass_rates_bound_and_order_the_rows_replay_included(filled):
    rates = {0: 4, 1: 2, 2: 1, 3: 3}
    for problem, right in rates.items():
        draws = [(f"Way {i} of {problem} in words {'abcd'[i] * 3} #### {problem}", i < right) for i in range(4)]
        filled.add(1, problem, *draws)
    curate = {"difficulty": {"order": "easy_to_hard", "max_pass_rate": 0.9}}
    made = filled.freezer(curate=curate, select=SelectConfig(per_problem=1)).freeze_sft("ckpt_seed")
    assert [text.split(" of ")[1][0] for text in said(made)] == ["3", "1", "2"]
    assert set(filled.drops("sft/curate").values()) == {"too easy", "more than select.per_problem"}


def test_a_judge_of_solutions_keeps_out_what_it_fails_and_ranks_the_rest(filled):
    for problem in range(3):
        filled.add(1, problem, (f"Answer to {problem} in some words #### {problem}", True))
    scores = [(0, False, 0.1), (1, True, 0.6), (2, None, None)]
    filled.store.append(
        [VerdictRow(f"vrd_q{i}", f"smp_1_solve_{i}_0", "quality@abc", p, s, "said", None) for i, p, s in scores]
    )
    filled.store.fold()
    judged = {"judges": ("quality",), "must_pass": ("quality",)}
    made = filled.freezer(curate={"selection": {"n": 1}}, **judged).freeze_sft("ckpt_seed")
    assert said(made) == ["Answer to 1 in some words #### 1"]
    reasons = filled.drops("sft/curate")
    assert reasons["smp_1_solve_0_0"] == "failed by quality"
    assert reasons["smp_1_solve_2_0"] == "beyond selection.n", "an abstention fails nothing, and ranks last"
    assert filled.funnel()[1, "sft/curate"] == (3, 1)


def test_pairs_are_curated_whole_and_balanced(filled):
    for problem in range(6):
        longer = " and more words than that one has" if problem < 4 else ""
        shorter = " " + "or so, I think, not quite sure at all of it" if problem >= 4 else ""
        filled.add(
            1,
            problem,
            (f"Right {problem}{longer} #### {problem}", True),
            (f"Wrong{shorter} #### {90 + problem}", False),
            step="on-policy",
        )
    filled.add(1, 6, ("Both alike #### 6", True), ("both  alike: #### 6", False), step="on-policy")
    filled.add(1, 7, ("Fine #### 7", True), step="on-policy")
    scope = Scope("run_a", 1, ("on-policy",))
    n = make_pairs(filled.store, scope, PairConfig(length_balanced=True), verifier=MATH_JUDGE, seed=1)
    assert n == 4
    assert sorted(filled.drops("pair/items").values()) == ["length balance", "length balance", "near-identical"]
    assert sorted(filled.drops("pair").values()) == ["all correct", "near-identical"]
    made = filled.freezer().freeze_dpo("ckpt_1")
    assert [set(row) for row in lines(made)] == [{"prompt", "chosen", "rejected"}] * 4
    assert filled.funnel()[1, "dpo/curate"] == (4, 4)
    counted = filled.store.query("SELECT entered, kept, dropped FROM funnel WHERE step LIKE 'pair%' ORDER BY step")
    assert counted == [(8, 6, 2), (7, 4, 3)]
    (row,) = filled.store.query("SELECT pairs, longer, shorter FROM length_preference")
    assert row == (4, 2, 2)
    plain = make_pairs(filled.store, scope, PairConfig(), verifier=MATH_JUDGE, seed=1)
    assert plain == 6
    assert filled.store.query("SELECT count(*) FROM dpo") == [(6,)]


def test_pairs_of_earlier_iterations_are_replayed_where_the_recipe_says_so(filled):
    made = {}
    for iteration in (1, 2):
        for problem in range(4):
            draws = [(f"Right {problem} in turn {iteration} #### {problem}", True), (f"Wrong {'abcd'[problem]} then #### 9{problem}", False)]  # fmt: skip
            filled.add(iteration, problem + 10 * iteration, *draws, step="on-policy")
        scope = Scope("run_a", iteration, ("on-policy",))
        assert make_pairs(filled.store, scope, PairConfig(), verifier=MATH_JUDGE, seed=1) == 4
        made[iteration] = filled.freezer(iteration).freeze_dpo("ckpt_1")
    assert len(lines(made[2])) == 4, "none by default"
    mixed = filled.freezer(2, select=SelectConfig(replay_pairs=0.5)).freeze_dpo("ckpt_1")
    turns = [row["chosen"][0]["content"].split(" #")[0][-1] for row in lines(mixed)]
    assert turns == ["2"] * 4 + ["1"] * 2, "half as many of the earlier ones as there are new ones"
    assert filled.funnel()[2, "dpo/snapshot"] == (6, 6)
    first = filled.freezer(1, select=SelectConfig(replay_pairs=0.5)).freeze_dpo("ckpt_1")
    assert len(lines(first)) == 4, "the first iteration has nothing to replay"
    again = filled.freezer(2).freeze_dpo("ckpt_1")
    assert again.snapshot_id == made[2].snapshot_id
