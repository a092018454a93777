import json
import random
import time
from itertools import islice

import pytest
from flywheel.config import PairConfig, PairKind
from flywheel.judge import MATH_JUDGE, Scope, make_pairs
from flywheel.judge._rank import (
    Compared,
    Judged,
    explain_no_winner,
    explain_none,
    find_alike,
    pair_up,
    rank_by_score,
    rank_compared,
)
from flywheel.schema import PROJECT_RUN, RequestRow, SampleRow, VerdictRow, utc_now


def judged(text, passed, reason=None, score=None):
    return Judged(f"s_{text}_{passed}", "p", text, passed, reason or ("correct" if passed else "wrong answer"), score)


def best(rows, most, seed=0):
    return list(islice(pair_up(rows, random.Random(seed)), most))


def test_pairs_are_correct_over_incorrect_and_distinct():
    rows = [judged("a", True), judged("b", True), judged("x", False), judged("y", False), judged("z", False)]
    pairs = best(rows, 2)
    assert len(pairs) == 2
    assert all(c.passed and not r.passed for c, r in pairs)
    assert len({c.completion for c, _ in pairs}) == len({r.completion for _, r in pairs}) == 2


def test_equal_texts_count_once():
    rows = [judged("a", True), Judged("other", "p", "a", True, "correct"), judged("x", False)]
    assert len(best(rows, 5)) == 1


def test_one_sided_problems_give_no_pair():
    kind = PairKind(kind="correct/incorrect")
    for passed, reason in ((True, "all correct"), (False, "none correct")):
        assert best([judged("a", passed)], 3) == []
        assert explain_none([judged("a", passed)], kind) == reason


def test_a_wrong_answer_is_preferred_to_an_unfinished_one():
    rows = [judged("a", True), judged("t", False, "truncated"), judged("w", False)]
    ((_, rejected),) = best(rows, 1, seed=1)
    assert rejected.completion == "w"


def test_scores_pair_by_the_largest_margin_first_and_use_no_text_twice_on_a_side():
    rows = [judged(t, None, score=s) for t, s in (("a", 1.0), ("b", 0.7), ("c", 0.6), ("d", 0.1), ("e", None))]
    pairs = [(c.completion, r.completion) for c, r in rank_by_score(rows, 0.2)]
    assert pairs == [("a", "d")]
    both = [(c.completion, r.completion) for c, r in rank_by_score([*rows, judged("f", None, score=0.2)], 0.2)]
    assert both == [("a", "d"), ("b", "f")]
    assert rank_by_score(rows, 0.95) == []
    kind = PairKind(kind="higher/lower", judge="q", margin=0.95)
    assert explain_none(rows, kind) == "no margin of 0.95"
    assert explain_none(rows[:1], kind) == "one scored completion"


def test_texts_that_differ_in_numbers_are_never_alike():
    right = "Tom has 3 apples and buys 4 more , so he has 7 apples in all #### 7"
    assert find_alike(right, right.replace("7", "8"), 0.9) is None
    assert find_alike(right, right.replace("more ,", "more,").upper(), 0.9) == 1.0
    assert find_alike(right, right.replace("buys", "gets"), 0.9) > 0.9
    assert find_alike(right, "3 4 7 7 is what I think", 0.9) is None
    assert find_alike(right, right, 0) is None


def test_a_text_that_is_judged_both_ways_is_in_no_pair():
    kind = PairKind(kind="correct/incorrect")
    rows = [judged("a", True), judged("a", False), judged("b", False)]
    assert best(rows, 3) == []
    assert explain_none(rows, kind) == "judged both ways"
    assert [(c.completion, r.completion) for c, r in best([*rows, judged("c", True)], 3)] == [("c", "b")]


def test_many_completions_of_one_prompt_are_ranked_in_no_time():
    rows = [judged(f"text {i}", None, score=(i * 7919 % 10_007) / 10_007) for i in range(10_000)]
    started = time.perf_counter()
    pairs = rank_by_score(rows, 0.25)
    assert time.perf_counter() - started < 2  # all pairs of them are fifty million
    assert 3700 < len(pairs) < 3800  # the nth best over the nth worst, as long as they are a quarter apart
    assert len({c.completion for c, _ in pairs} | {r.completion for _, r in pairs}) == 2 * len(pairs)


def test_margins_of_judges_end_at_one_and_recorded_ones_do_not():
    assert PairKind(kind="higher/lower", judge="recorded", margin=2).margin == 2
    with pytest.raises(ValueError, match="0 to 1"):
        PairKind(kind="higher/lower", judge="quality", margin=2)


@pytest.mark.parametrize(
    ("scores", "margin", "pairs", "reason"),
    [
        ((("a", 8), ("a", 2), ("b", 5)), 1, [], "judged both ways"),
        ((("a", 8), ("a", 2), ("b", 5), ("c", 3)), 1, [("b", "c")], None),
        ((("a", 8), ("a", 7.5), ("b", 7)), 1, [], "no margin of 1"),  # 7.5 over 7, at the worst
        ((("a", 8), ("a", 7.5), ("b", 5), ("b", 5.5)), 1, [("a", "b")], None),
    ],
)
def test_of_a_text_with_several_scores_the_one_against_the_pair_counts(scores, margin, pairs, reason):
    rows = [Judged(f"s{i}", "p", t, None, "", s) for i, (t, s) in enumerate(scores)]
    found = rank_by_score(rows, margin)
    assert [(c.completion, r.completion) for c, r in found] == pairs
    assert all(c.score - r.score >= margin for c, r in found)
    if reason:
        assert explain_none(rows, PairKind(kind="higher/lower", judge="recorded", margin=margin)) == reason


def test_two_texts_that_won_over_each_other_make_no_pair():
    def won(a, b, n):
        return Compared(Judged(f"{n}a", "p", a, True, "", 1.0), Judged(f"{n}b", "p", b, False, "", 0.0), True)

    rows = [won("x", "y", 1), won("y", "x", 2)]
    assert rank_compared(rows, 0.2) == [] and explain_no_winner(rows, 0.2) == "judged both ways"
    ((chosen, _),) = rank_compared([*rows, won("z", "x", 3)], 0.2)
    assert chosen.completion == "z"


READY = (
    ("p", "aaa bbb", "ccc ddd", "conflicting preferences"), ("p", "CCC  ddd", "aaa bbb", "conflicting preferences"),
    ("q", "ccc ddd", "aaa bbb", None), ("r", " ", "zzz", "empty chosen"), ("r", "same", "same", "near-identical"),
    ("t", {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]}, "no idea", None),
)  # fmt: skip


def bring(store, prompts, *, run_id=PROJECT_RUN, iteration=0, step="import", parser="import-trl", first=0):
    """Put prompts and their completions (texts, or messages) into the store; the ids of completions are ``s_PROMPT_PLACE``, the prompts
    counted from ``first``.
    """
    rows, now = [], utc_now()
    for i, (prompt, *texts) in enumerate(prompts, first):
        messages = json.dumps([{"role": "user", "content": prompt}])
        known = (run_id, iteration, step)
        rows.append(
            RequestRow(
                f"req_{i}", *known, "x", None, "import", "set", None, messages, "{}", 1, "[]", 1, 1, 1, 0.0, now, now
            )
        )
        for j, text in enumerate(texts):
            said = "" if isinstance(text, dict) else text
            fields = json.dumps({"message": text}) if isinstance(text, dict) else None
            rows.append(
                SampleRow(
                    f"s_{i}_{j}",
                    f"req_{i}",
                    j,
                    *known,
                    None,
                    said,
                    None,
                    None,
                    "set",
                    now,
                    "x",
                    0,
                    None,
                    fields,
                    parser,
                )
            )
    store.append(rows)
    store.fold()


def pair_first(store, n, *, run_id=PROJECT_RUN, iteration=0, kind="imported", since=0):
    """Let the first completion of each prompt from number ``since`` to ``n`` be chosen over the second."""
    known = {"run_id": run_id, "iteration": iteration, "problem_id": None, "kind": kind, "created_at": utc_now()}
    rows = [
        {**known, "pair_id": f"pair_{i}", "chosen_sample_id": f"s_{i}_0", "rejected_sample_id": f"s_{i}_1"}
        for i in range(since, n)
    ]
    store.insert("pairs", rows, key="pair_id")


def judge_all(store, said, judge="safe@1"):
    """File verdicts: passed, failed or none, by sample."""
    now = utc_now()
    store.append(
        [
            VerdictRow(f"{judge}_{s}", s, judge, passed, None, f"{judge} says {passed}", None, now)
            for s, passed in said.items()
        ]
    )
    store.fold()


def test_pairs_that_come_ready_go_where_they_contradict_each_other_or_the_chosen_one_is_empty(store):
    bring(store, [row[:-1] for row in READY])
    pair_first(store, len(READY))
    n = make_pairs(
        store, Scope(PROJECT_RUN, 0, ("import",)), PairConfig(kinds=("imported",)), verifier=MATH_JUDGE, seed=1
    )
    gone = dict(store.query("SELECT input_id, reason FROM drops"))
    assert [gone.get(f"pair_{i}") for i in range(len(READY))] == [reason for *_, reason in READY]
    assert store.query("SELECT count(*) FROM dpo") == [(n,)] == [(2,)]


def test_an_iteration_takes_its_turn_of_the_pairs_that_come_ready_and_the_funnel_counts_the_others(store):
    bring(store, [(f"prompt {i}", f"good {i}", f"other {i}" if i else "") for i in range(10)])
    pair_first(store, 10)
    config = PairConfig(kinds=({"kind": "imported", "limit": 4},))

    def take(iteration, run_id="run_a"):
        n = make_pairs(store, Scope(run_id, iteration, ()), config, verifier=MATH_JUDGE, seed=iteration)
        sql = (
            f"SELECT input_id FROM plans WHERE step = 'pair/items' AND run_id = '{run_id}' AND iteration = {iteration}"
        )
        taken = {i for (i,) in store.query(sql)}
        assert n == len(taken) == 4
        return taken

    first, second, third = take(1), take(2), take(3)
    assert not first & second and len(first | second | third) == 10, "the next ones, until all had their turn"
    assert take(1) == first and take(1, "run_b") != first
    lines = store.query(
        "SELECT entered, kept, dropped, reason FROM funnel WHERE step = 'pair/limit' AND run_id = 'run_a'"
    )
    assert lines == [(10, 4, 6, "left to other iterations: 6")] * 3
    assert store.query("SELECT count(*) FROM drops") == [(0,)], "nothing is wrong with the others"
    make_pairs(store, Scope("run_a", 1, ()), PairConfig(kinds=("imported",)), verifier=MATH_JUDGE, seed=1)
    assert store.query("SELECT step, kept FROM funnel WHERE run_id = 'run_a' AND iteration = 1") == [("pair/items", 10)]


def test_pairs_that_are_imported_between_two_iterations_cost_no_other_one_its_turn(store):
    bring(store, [(f"prompt {i}", f"good {i}", f"other {i}") for i in range(23)])
    config = PairConfig(kinds=({"kind": "imported", "limit": 4},))

    def take(iteration):
        make_pairs(store, Scope("run_a", iteration, ()), config, verifier=MATH_JUDGE, seed=iteration)
        sql = f"SELECT input_id FROM plans WHERE step = 'pair/items' AND iteration = {iteration}"
        return [i for (i,) in store.query(sql)]

    pair_first(store, 10)
    taken = take(1)
    pair_first(store, 20, since=10)  # they stand before, between and behind those that were there
    taken += take(2)
    pair_first(store, 23, since=20)
    for iteration in (3, 4, 5):
        taken += take(iteration)
    assert len(taken) == len(set(taken)) == 20, "none twice before all had their turn"
    last = take(6)
    again = set(last) & set(taken)
    assert len({*taken, *last}) == 23 and len(again) == 1 and again <= set(taken[:4]), "then whose turn is longest ago"


def test_only_pairs_that_come_ready_are_taken_by_turns():
    with pytest.raises(ValueError, match="limit: of pairs that come ready"):
        PairKind(kind="correct/incorrect", limit=3)


def test_a_ready_pair_stays_where_every_judge_named_passed_the_chosen_one(store):
    bring(
        store, [(f"prompt {i}", f"good {i}", f"bad {i}") for i in range(5)], run_id="run_a", iteration=1, step="revised"
    )
    pair_first(store, 5, run_id="run_a", iteration=1, kind="revised/original")
    judge_all(store, {"s_0_0": False, "s_3_0": True}, "safe@0")  # under settings of before
    judge_all(store, {"s_0_0": True, "s_1_0": False, "s_2_0": True, "s_2_1": False, "s_4_0": None, "s_1_1": True})
    judge_all(store, {"s_2_0": False, **{f"s_{i}_0": True for i in (0, 1, 3, 4)}}, "kind@1")
    config = PairConfig(kinds=({"kind": "revised/original", "chosen_passes": ("safe", "kind")},))
    assert make_pairs(store, Scope("run_a", 1, ("revised",)), config, verifier=MATH_JUDGE, seed=1) == 1
    gone = {place: rest for place, *rest in store.query("SELECT input_id, reason, evidence FROM drops")}
    assert gone == {
        "pair_1": ["chosen failed by safe", "safe@1 says False"], "pair_2": ["chosen failed by kind", "kind@1 says False"],
        "pair_3": ["chosen not judged by safe", "no verdict"], "pair_4": ["chosen not judged by safe", "safe@1 says None"],
    }  # fmt: skip
    judge_all(store, {"s_1_0": True}, "human:ann")
    assert make_pairs(store, Scope("run_a", 1, ("revised",)), config, verifier=MATH_JUDGE, seed=1) == 2, (
        "a person counts more"
    )


def test_what_another_recipes_judge_of_that_name_says_of_other_samples_takes_no_verdict_away(store):
    """Pairs of a run, of an imported set, and a set without pairs: each judged under other settings, one after the other."""
    bring(store, [(f"own {i}", f"good {i}", f"bad {i}") for i in range(2)], run_id="run_a", iteration=1, step="revised")
    bring(store, [(f"given {i}", f"fine {i}", f"poor {i}") for i in range(4)], first=2)
    pair_first(store, 2, run_id="run_a", iteration=1, kind="revised/original")
    pair_first(store, 4, since=2)
    kinds = tuple({"kind": kind, "chosen_passes": ("safe",)} for kind in ("revised/original", "imported"))
    for judge, said in (
        ("safe@1", {"s_0_0": True, "s_1_0": False}), ("safe@2", {"s_2_0": False, "s_3_0": True}), ("safe@3", {"s_4_0": True}),
    ):  # fmt: skip
        judge_all(store, said, judge)
    n = make_pairs(store, Scope("run_a", 1, ("revised",)), PairConfig(kinds=kinds), verifier=MATH_JUDGE, seed=1)
    gone = dict(store.query("SELECT input_id, reason FROM drops"))
    assert n == 2 and gone == dict.fromkeys(("pair_1", "pair_2"), "chosen failed by safe")


def test_of_two_that_are_correct_the_one_that_the_other_judge_passed_is_chosen(store):
    prompts = [("a", "right", "right and plain", "wrong"), ("b", "right", "wrong"), ("c", "wrong", "wronger")]
    bring(store, prompts, run_id="run_a", iteration=1, step="translated", parser="transform")
    judge_all(
        store,
        {"s_0_0": True, "s_0_1": True, "s_0_2": False, "s_1_0": True, "s_1_1": False, "s_2_0": False, "s_2_1": False},
        "same@1",
    )
    judge_all(store, {"s_0_0": False, "s_0_1": True, "s_0_2": True, "s_1_0": False}, "idiom@1")
    kind = {"kind": "correct/incorrect", "judge": "same", "chosen_passes": ("idiom",)}
    scope = Scope("run_a", 1, ("translated",))
    assert make_pairs(store, scope, PairConfig(kinds=(kind,)), verifier=MATH_JUDGE, seed=1) == 1
    assert store.query("SELECT chosen_sample_id, rejected_sample_id FROM dpo") == [("s_0_1", "s_0_2")]
    reasons = dict(store.query("SELECT step, reason FROM funnel WHERE step LIKE 'pair%'"))
    assert reasons == {
        "pair": "chosen failed by idiom: 1; none correct: 1", "pair/items": "chosen failed by idiom: 2",
    }  # fmt: skip
