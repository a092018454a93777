import functools
import itertools
import json
import re

import numpy as np
import pytest
from flywheel.judge.curate import (
    CurateRow,
    MinHashIndex,
    choose_bands,
    curate,
    find_exact,
    find_near,
    find_semantic,
)
from flywheel.seed import generate

A = "Anna has 31 plums. Carla gives Anna 12 plums. How many plums does Anna have now?"
B = "Ben owns a very old green car. It cost him nine thousand dollars. What did he pay?"


@functools.cache
def bigrams(text):
    words = re.findall(r"[^\W_]+", text.casefold())
    return {tuple(words[i : i + 2]) for i in range(max(1, len(words) - 1))}


def jaccard(a, b):
    common = len(bigrams(a) & bigrams(b))
    return common / (len(bigrams(a)) + len(bigrams(b)) - common)


def test_exact_duplicates_ignore_case_and_space_and_the_best_score_stays():
    texts = [A, B, A.upper(), A.replace(" ", "  \n"), A.replace("31", "32")]
    assert [(d.row, d.kept) for d in find_exact(texts, [None] * 5)] == [(2, 0), (3, 0)]
    assert [(d.row, d.kept) for d in find_exact(texts, [0.1, None, 0.9, 0.9, 1.0])] == [(0, 2), (3, 2)]
    assert [(d.row, d.kept) for d in find_exact(texts, [0.1, 0.1, 0.9, 0.9, 1.0], n_earlier=1)] == [(2, 0), (3, 0)]


@pytest.mark.parametrize("threshold", [0.5, 0.65, 0.8])
def test_every_reported_pair_is_similar_and_nearly_all_similar_pairs_are_reported(threshold):
    rows = [p.question for _, p in zip(range(400), generate("loop", 3, {1: 0.5, 2: 0.5}), strict=False)]
    rows += [" ".join([*r.split()[:-2], "today", "then?"]) for r in rows[:150]]
    true = {
        (i, j): s
        for i, j in itertools.combinations(range(len(rows)), 2)
        if (s := jaccard(rows[i], rows[j])) >= threshold
    }
    with MinHashIndex(threshold) as index:
        index.add(rows[:100])
        index.add(rows[100:])
        edges = index.find()
    found = dict(zip(zip(edges.left.tolist(), edges.right.tolist(), strict=True), edges.jaccard.tolist(), strict=True))
    assert set(found) <= set(true)
    assert all(abs(true[p] - s) < 1e-9 for p, s in found.items())
    assert len(found) >= 0.97 * len(true) > 100
    assert len(edges.left) == len(found)


def test_bands_keep_what_they_promise():
    for threshold in (0.5, 0.7, 0.9):
        bands, rows = choose_bands(threshold)
        assert bands * rows <= 256
        assert 1 - (1 - threshold**rows) ** bands >= 0.95


def test_near_duplicates_numbers_labels_scores_and_earlier_rows():
    texts = [A, A.replace("many", "few"), A.replace("12", "13"), B, "", "", "!?"]
    none = [None] * len(texts)
    assert [(d.row, d.kept) for d in find_near(texts, none, 0.6)] == [(1, 0), (2, 0)]
    assert [(d.row, d.kept) for d in find_near(texts, none, 0.6, same_numbers=True)] == [(1, 0)]
    assert find_near(texts, none, 0.6, same_numbers=True, labels=["a", "b", *none[2:]]) == []
    assert [(d.row, d.kept) for d in find_near(texts, [0, 1, 0, 0, 0, 0, 0], 0.6, same_numbers=True)] == [(0, 1)]
    assert [(d.row, d.kept) for d in find_near(texts, [0, 1, 0, 0, 0, 0, 0], 0.6, same_numbers=True, n_earlier=1)] == [
        (1, 0)
    ]
    assert find_near([], [], 0.6) == []


def test_a_chain_of_small_steps_does_not_empty_a_set():
    words = [f"w{i}" for i in range(60)]
    chain = [" ".join(words[i : i + 30]) for i in range(0, 31, 5)]
    gone = {d.row for d in find_near(chain, [None] * len(chain), 0.6)}
    kept = [i for i in range(len(chain)) if i not in gone]
    assert len(kept) >= 3
    assert all(any(jaccard(chain[i], chain[k]) >= 0.6 for k in kept) for i in gone)
    assert all(jaccard(chain[i], chain[k]) < 0.6 for i, k in itertools.combinations(kept, 2))


def test_very_many_equal_rows_end_soon():
    assert len(find_near([A] * 5000 + [B], [None] * 5001, 0.7)) == 4999
    alike = [f"{A} {i}" for i in range(1000)]
    assert len(find_near(alike, [None] * 1000, 0.7)) == 999


def test_copies_of_a_near_duplicate_go_with_it():
    close = A.replace("many", "few")
    gone = find_near([close, close, A], [0, 0, 1], 0.6)
    assert [(d.row, d.kept) for d in gone] == [(0, 2), (1, 2)]
    assert gone[0].similarity == gone[1].similarity < 1


def test_near_duplicates_of_real_rows(shared_data):
    rows = json.loads((shared_data / "alpaca/alpaca_en_demo.json").read_text(encoding="utf-8"))
    texts = [f"{r['instruction']}\n{r['input']}\n{r['output']}" for r in rows]
    exact = find_exact(texts, [None] * len(texts))
    near = find_near(texts, [None] * len(texts), 0.6)
    assert {d.row for d in exact} <= {d.row for d in near}
    assert all(jaccard(texts[d.row], texts[d.kept]) >= 0.6 for d in near)


def test_semantic_duplicates_by_vectors_from_outside():
    vectors = np.array([[1, 0], [2, 0.1], [0, 1], [0, 0], [0, 0]], float)
    assert [(d.row, d.kept) for d in find_semantic(vectors, [None] * 5, 0.95)] == [(1, 0)]
    assert [(d.row, d.kept) for d in find_semantic(vectors, [0, 1, 0, 0, 0], 0.95, block=2)] == [(0, 1)]
    assert find_semantic(np.zeros((0, 2)), [], 0.9) == []


def test_two_solutions_of_one_long_problem_are_no_duplicates_unless_they_are_alike_themselves():
    problem = (
        "Emma bakes 5 trays with 3 cookies each , and Maria has 28 cookies more than Emma in her big blue box . " * 2
    )
    one, other = (
        "Emma has 5 * 3 = 15 . Maria has 15 + 28 = 43 . #### 43",
        "First 5 times 3 gives 15 , plus 28 is 43 . #### 43",
    )
    rows = [CurateRow("a", problem, one), CurateRow("b", problem, other), CurateRow("c", problem, one + " indeed")]
    assert curate(rows).kept == ["a", "b"]
