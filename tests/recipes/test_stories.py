import pytest

pytestmark = pytest.mark.recipes


def test_stories_become_questions_reasoning_critiques_and_pairs(miniature):
    made = miniature("stories", bring=[("ingest", "documents/0[01]*.txt")])
    assert list(made.rows) == ["questions", "reasoned", "attempted", "criticised", "revised"]
    assert made.rows["questions"] >= 19
    assert made.pairs["revised/original"] > 0
    assert made.losses == [] and made.scores == []
