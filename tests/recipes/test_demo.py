import pytest

pytestmark = pytest.mark.recipes


def test_every_stage_of_the_demo_turns(miniature):
    made = miniature("demo")
    assert made.rows == {"solve": 320, "on-policy": 240}
    assert made.pairs["correct/incorrect"] > 0
    assert [name for name, *_ in made.losses] == ["sft 1", "dpo 1"]
    assert [d["stage"] for d in made.decisions] == ["sft", "dpo"]
    before, after, n = made.score("heldout")
    assert n == 100 and after > before - 0.05  # 80 problems teach little: no fall is what can be asked
