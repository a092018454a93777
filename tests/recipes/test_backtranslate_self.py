"""``backtranslate-self``: texts get instructions, the pairs are scored, the best are learned, twice."""

import pytest
from support import sql

pytestmark = [pytest.mark.slow, pytest.mark.recipes]


def test_two_rounds_learn_the_texts_that_make_good_answers(miniature, none, endpoint):
    def prepare(folder):
        """Mark the texts for the scripted judge: two are middling, all others good."""
        for file in (folder / "documents").glob("*.txt"):
            score = 3 if file.stem in ("stars", "sleep") else 5
            file.write_text(f"{file.read_text().strip()} quality={score}\n")

    env = endpoint(none, models="writer").env
    made = miniature("backtranslate-self", page=True, prepare=prepare, env=env)
    assert [d["iteration"] for d in made.decisions] == [1, 2] and {d["stage"] for d in made.decisions} == {"sft"}
    assert made.drops["sft/curate: failed by curation"] == 4, "two texts, two rounds"
    assert made.drops["instructions: text does not stand alone"] == 2
    trained = sql(
        made.folder,
        "select x.iteration, count(*) as n, count(*) filter (c.source like '%parking%' or c.source like '%stars%' or c.source like '%sleep%') as bad, "
        "bool_and(s.completion = trim(c.text)) as is_text, bool_and(contains(s.prompt::varchar, 'step by step')) as asked "
        "from snapshots x join snapshot_rows using (snapshot_id) join samples s using (sample_id) join chunks c on c.chunk_id = s.input_id group by all order by 1",
    )
    assert [(t["iteration"], t["n"], t["bad"], t["is_text"], t["asked"]) for t in trained] == [
        (1, 8, 0, True, True),
        (2, 8, 0, True, True),
    ]
    assert all(last < first for _, first, last in made.losses)
    parents = sql(made.folder, "select distinct parent_id from checkpoints where stage = 'sft'")
    assert len(parents) == 1, "each round trains the first model anew"
