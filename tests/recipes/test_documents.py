import pytest
from support import HERE

pytestmark = pytest.mark.recipes


def test_pages_of_ours_become_questions_and_revised_answers_by_a_teacher(miniature, endpoint, none):
    """The fake endpoint answers by rule, sometimes wrongly, in the place of a capable teacher."""
    pages = [str(HERE.parent / "docs" / name) for name in ("gate.md", "pairs.md")]
    server = endpoint(none)
    made = miniature("documents", bring=[("ingest", *pages)], env=server.env)
    assert list(made.rows) == ["questions", "reasoned", "attempted", "criticised", "revised"]
    assert made.pairs["revised/original"] > 0 and made.drops
