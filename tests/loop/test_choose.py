"""Which problems an iteration tries, by how they were solved before; and that without the key nothing is chosen otherwise."""

import pytest
from flywheel.config import ChooseConfig, ProblemsConfig, Recipe
from flywheel.gen import Pool, Step, choose_problems, read_problems
from flywheel.loop._choose import Tried, choose_by_history
from flywheel.loop._draws import plan_problems
from flywheel.schema import SampleRow, VerdictRow
from support import MINI, refuse_recipe, write_jsonl

MATH = "math@4"
ORDER = [f"p{i:02}" for i in range(40)]
POOLS = [Pool(1.0, tuple(ORDER))]
HALF = ChooseConfig(sometimes=0.5, always=0.1, never=0.1)


def choose(history, n=10, config=HALF, beside=(), order=ORDER, seed="s"):
    return choose_by_history(order, history, set(beside), config, n, seed)


def reasons(choices):
    return [c.reason for c in choices if c.chosen]


def tried(rates, iteration=1):
    return {f"p{i:02}": Tried(iteration, rate) for i, rate in enumerate(rates)}


def test_shares_are_kept_and_new_problems_make_up_the_rest():
    history = tried([0.5] * 8 + [1.0] * 8 + [0.0] * 8)
    assert reasons(choose(history)) == ["sometimes"] * 5 + ["always"] + ["never"] + ["new"] * 3
    told = choose(history)
    assert len(told) == 24 + 3, "every one that was tried before, and the new ones that are tried now"
    assert [c.problem_id for c in told if c.reason == "new"] == ["p24", "p25", "p26"], "in their order"
    assert all((c.tried_in, c.pass_rate) == history.get(c.problem_id, (None, None)) for c in told)


def test_the_bounds_are_the_recipes():
    history = tried([0.1, 0.2, 0.5, 0.8, 0.9])
    found = {c.problem_id: c.reason for c in choose(history, config=HALF.model_copy(update={"low": 0.1, "high": 0.8}))}
    assert [found[f"p{i:02}"] for i in range(5)] == ["never", "sometimes", "sometimes", "always", "always"]


def test_those_tried_longest_ago_come_first():
    history = tried([0.5] * 10, iteration=2) | {f"p{i:02}": Tried(1, 0.5) for i in range(10, 14)}
    chosen = [c for c in choose(history, config=ChooseConfig(sometimes=0.4)) if c.chosen and c.reason == "sometimes"]
    assert {c.tried_in for c in chosen} == {1}


def test_without_new_problems_others_stand_in_and_none_comes_twice():
    history = tried([0.5] * 4 + [1.0] * 30 + [0.0] * 6)
    chosen = choose(history, n=20)
    picked = [c.problem_id for c in chosen if c.chosen]
    assert len(picked) == len(set(picked)) == 20
    assert reasons(chosen).count("sometimes") == 4
    assert reasons(chosen).count("never") == 6, "before those that are always solved"


def test_what_the_other_step_tries_comes_last():
    history = tried([0.5] * 10)
    chosen = choose(history, beside=["p00", "p30"])
    assert {c.problem_id: (c.chosen, c.reason) for c in chosen if c.problem_id in ("p00", "p30")} == {
        "p00": (False, "tried"), "p30": (False, "tried"),
    }  # fmt: skip
    everything = choose(history, n=40, beside=["p00", "p30"])
    assert sum(c.chosen for c in everything) == 40


def test_an_abstention_is_no_pass_rate():
    (told,) = [c for c in choose(tried([None])) if c.problem_id == "p00"]
    assert (told.reason, told.pass_rate) == ("tried", None)


def recipe(**more):
    return Recipe.model_validate({**MINI, "solve": {"problems": 10, "draws": 2}, "on_policy": {"problems": 4}, **more})


def planned(store, iteration, step="solve"):
    sql = "SELECT input_id FROM plans WHERE iteration = ? AND step = ? ORDER BY ordinal"
    return [i for (i,) in store.query(sql, [iteration, step])]


def solve(store, iteration, rates):
    """Put on record how the problems of an iteration were solved, two draws each."""
    rows = []
    for problem, rate in zip(planned(store, iteration), rates, strict=True):
        for draw in range(2):
            name = f"{iteration}_{problem}_{draw}"
            rows.append(SampleRow(f"smp_{name}", None, draw, "run", iteration, "solve", problem, "x", "stop", None, "local"))  # fmt: skip
            rows.append(VerdictRow(f"v_{name}", f"smp_{name}", MATH, draw < 2 * rate, None, "r", None))
    store.append(rows)
    store.fold()


def test_without_the_key_the_next_of_one_order_are_taken_as_ever(store):
    for iteration in (1, 2, 3):
        for step, offset, n in (("solve", 0, 10), ("on-policy", 10, 4)):
            plan_problems(store, recipe(), POOLS, Step("run", iteration, step), MATH)
            expected = choose_problems(ORDER, MINI["seed"], (iteration - 1) * 14 + offset, n)
            assert planned(store, iteration, step) == expected
    assert store.query("SELECT * FROM problem_choices") == []


def test_the_first_iteration_is_the_same_with_and_without_the_key(store):
    plan_problems(store, recipe(choose={"sometimes": 0.5}), POOLS, Step("run", 1, "solve"), MATH)
    assert planned(store, 1) == choose_problems(ORDER, MINI["seed"], 0, 10)
    assert store.query("SELECT DISTINCT chosen, reason FROM problem_choices") == [(True, "new")]


def test_the_second_iteration_goes_by_the_first_and_again_chooses_the_same(store):
    known = recipe(choose={"sometimes": 0.3, "always": 0.1})
    plan_problems(store, known, POOLS, Step("run", 1, "solve"), MATH)
    solve(store, 1, [1.0] * 4 + [0.5] * 4 + [0.0] * 2)
    plan_problems(store, known, POOLS, Step("run", 2, "solve"), MATH)
    first, chosen = planned(store, 1), planned(store, 2)
    assert [first.index(p) for p in chosen[:3]] == sorted({first.index(p) for p in chosen[:3]} & {4, 5, 6, 7}, key=lambda i: chosen.index(first[i]))  # fmt: skip
    assert chosen[3] in first[:4]
    assert not set(chosen[4:]) & set(first)
    choices = store.query("SELECT * EXCLUDE created_at FROM problem_choices ORDER BY ALL")
    with store.write() as connection:  # as after a kill between the two
        connection.execute("DELETE FROM plans WHERE iteration = 2").fetchall()
    plan_problems(store, known, POOLS, Step("run", 2, "solve"), MATH)
    assert planned(store, 2) == chosen
    assert store.query("SELECT * EXCLUDE created_at FROM problem_choices ORDER BY ALL") == choices


def test_keys_at_their_default_make_no_other_run():
    plain = recipe().identity()
    assert "choose" not in plain
    assert "replay_pairs" not in plain["select"]
    assert recipe(choose={"sometimes": 0.0}).identity() == plain
    assert recipe(choose={"sometimes": 0.1}).identity() != plain
    assert recipe(select={"replay_pairs": 0.5}).identity() != plain


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sometimes": 0.7, "always": 0.4}, "sum to at most 1"),
        ({"low": 0.5, "high": 0.5}, "below high"),
        ({"sometime": 0.7}, "did you mean 'sometimes'"),
        ({"sometimes": 2}, "choose.sometimes"),
    ],
)
def test_wrong_keys_are_refused(tmp_path, keys, said):
    refuse_recipe(tmp_path, said, choose=keys)


SHARED = [Pool(0.8, tuple(ORDER)), Pool(0.2, ("a", "b", "c"))]


def shares(problems):
    return sum(p in "abc" for p in problems), len(problems)


@pytest.mark.parametrize("choose", [{}, {"sometimes": 0.5}])
def test_a_set_with_a_share_gives_that_share_of_every_iteration(store, choose):
    known = recipe(choose=choose)
    for iteration in (1, 2, 3):
        plan_problems(store, known, SHARED, Step("run", iteration, "solve"), MATH)
        assert shares(planned(store, iteration)) == (2, 10)
        plan_problems(store, known, SHARED, Step("run", iteration, "on-policy"), MATH)
        assert shares(planned(store, iteration, "on-policy")) == (1, 4)
        if choose:
            assert store.query("SELECT count(*) FROM problem_choices WHERE chosen AND iteration = ?", [iteration]) == [
                (14,)
            ]
        else:
            assert len({*planned(store, iteration), *planned(store, iteration, "on-policy")} & set("abc")) == 3
    ours = [p for i in (1, 2, 3) for step in ("solve", "on-policy") for p in planned(store, i, step) if p not in "abc"]
    assert len(set(ours)) == len(ours) == 33 or choose, "the large set is walked through without repetition"


def test_a_set_too_small_for_its_share_keeps_the_share_and_says_so(store, caplog):
    pools = [Pool(0.5, tuple(ORDER)), Pool(0.5, ("a", "b", "c"))]
    plan_problems(store, recipe(), pools, Step("run", 1, "solve"), MATH)
    assert shares(planned(store, 1)) == (3, 6)
    assert "6 problems instead of 10: a set of 3 is to be 50 % of them" in caplog.text


def test_shares_of_a_recipe_are_read_by_set_and_refused_where_they_cannot_be(tmp_path, project):
    for name, n in (("a", 3), ("b", 5), ("c", 4)):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"question": f"{name}{i}?", "answer": f"#### {i}"} for i in range(n)])
    more = [{"source": "b.jsonl", "share": 0.25}, {"source": "c.jsonl"}]
    config = ProblemsConfig.model_validate({"source": "a.jsonl", "more": more})
    found = read_problems(config, tmp_path, project)
    assert [(p.share, len(p.ids)) for p in found.pools] == [(0.75, 7), (0.25, 5)]
    for first, second, said in ((None, 1.0, "less than 1 together"), (0.7, 0.7, "at most 1 together"), (0.2, 0.2, "shares of 1 together")):  # fmt: skip
        problems = {"source": "a.jsonl", "share": first, "more": [{"source": "b.jsonl", "share": second}]}
        refuse_recipe(tmp_path, said, problems=problems)


def test_a_recipe_without_shares_is_the_run_that_it_was():
    with_more = {"source": "a.jsonl", "more": [{"source": "b.jsonl"}]}
    content = recipe(problems=with_more).identity()["problems"]
    assert "share" not in content and "share" not in content["more"][0]
