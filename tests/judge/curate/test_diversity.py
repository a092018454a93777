import numpy as np
from flywheel.judge.curate import (
    DifficultyConfig,
    cluster_topics,
    embed_lexically,
    measure_coverage,
    measure_diversity,
    name_topics,
    order_rows,
    select_diverse,
)

APPLES = [f"the apple tree gives {n} sweet red apple fruit" for n in ("ten", "two", "six", "four")]
CARS = [f"a fast car drives on the long road {n} hours" for n in ("ten", "two", "six", "four")]


def test_distinct_n_and_self_repetition_by_hand():
    d = measure_diversity(["a b c d e", "a b c d f", "g h i j"])
    assert (d.rows, d.words) == (3, 14)
    assert d.distinct[1] == 10 / 14
    assert d.distinct[2] == 8 / 11
    assert d.self_repetition == 2 / 3
    assert measure_diversity([]).self_repetition == 0.0


def test_many_distinct_words_are_estimated_closely():
    texts = [" ".join(f"{i}x{j}" for j in range(100)) for i in range(2000)]
    d = measure_diversity(texts, (1,))
    assert 0.98 <= d.distinct[1] <= 1.02


def test_lexical_embedding_puts_like_with_like():
    vectors = embed_lexically([*APPLES, *CARS])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    topics = cluster_topics(vectors, 2, seed=1)
    assert len(set(topics[:4])) == len(set(topics[4:])) == 1
    assert topics[0] != topics[4]
    names = name_topics([*APPLES, *CARS], topics)
    assert "apple" in names[topics[0]]
    assert "car" in names[topics[4]]
    assert measure_coverage(vectors[:4], vectors, cosine=0.5) == 0.5


def test_selection_takes_the_best_that_are_not_alike():
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [1, 1]], float)
    made = select_diverse(vectors, [0.5, 0.9, 0.1, None], 2, 0.1)
    assert made.chosen == [1, 2]
    assert made.alike[0][0] == 1
    assert select_diverse(vectors, [0.5, 0.9, 0.1, None], 9, 0.0).chosen == [1, 0, 2, 3]
    assert select_diverse(np.zeros((0, 2)), [], 3, 0.1).chosen == []


def test_curriculum_orders():
    rates = [0.2, 1.0, None, 0.6, 0.2, 0.9]
    assert order_rows(rates, DifficultyConfig(), 0) == list(range(6))
    assert order_rows(rates, DifficultyConfig(order="easy_to_hard"), 0) == [1, 5, 3, 0, 4, 2]
    rates = [i / 99 for i in range(100)]
    staged = order_rows(rates, DifficultyConfig(order="stages", stages=4, mixture=0.2), 7)
    assert sorted(staged) == list(range(100))
    assert staged == order_rows(rates, DifficultyConfig(order="stages", stages=4, mixture=0.2), 7)
    first = staged[:25]
    assert 20 <= sum(i >= 75 for i in first) < 25
    pure = order_rows(rates, DifficultyConfig(order="stages", stages=4, mixture=0.0), 7)
    assert set(pure[:25]) == set(range(75, 100))
