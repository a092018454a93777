import random

from flywheel.judge._pairs import Judged, pair_up


def judged(text, passed, reason=None):
    return Judged(f"s_{text}_{passed}", "p", text, passed, reason or ("correct" if passed else "wrong answer"))


def test_pairs_are_correct_over_incorrect_and_distinct():
    rows = [judged("a", True), judged("b", True), judged("x", False), judged("y", False), judged("z", False)]
    pairs = pair_up(rows, 2, random.Random(0))
    assert len(pairs) == 2
    assert all(c.passed and not r.passed for c, r in pairs)
    assert len({c.completion for c, _ in pairs}) == len({r.completion for _, r in pairs}) == 2


def test_equal_texts_count_once():
    rows = [judged("a", True), Judged("other", "p", "a", True, "correct"), judged("x", False)]
    assert len(pair_up(rows, 5, random.Random(0))) == 1


def test_one_sided_problems_give_no_pair():
    assert pair_up([judged("a", True)], 3, random.Random(0)) == []
    assert pair_up([judged("a", False)], 3, random.Random(0)) == []


def test_a_wrong_answer_is_preferred_to_an_unfinished_one():
    rows = [judged("a", True), judged("t", False, "truncated"), judged("w", False)]
    ((_, rejected),) = pair_up(rows, 1, random.Random(1))
    assert rejected.completion == "w"
