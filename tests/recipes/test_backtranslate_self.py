"""``backtranslate-self``: texts get instructions, the pairs are scored, the best are learned beside a seed set, twice; without an endpoint
by the model itself; and real texts, of which those that cannot be read make nothing."""

import json

import pytest
from support import sql
from support_recipes import BRIDGE, check_unreadable, put_hard_documents

pytestmark = [pytest.mark.slow, pytest.mark.recipes]
TRAINED = """
    SELECT x.iteration, count(*) FILTER (s.step = 'import') AS seeds, count(*) FILTER (s.step = 'instructions') AS made,
           count(*) FILTER (c.source LIKE '%parking%' OR c.source LIKE '%stars%' OR c.source LIKE '%sleep%') AS bad,
           bool_and(s.completion = trim(c.text)) AS is_text, bool_and(s.step = 'import' OR contains(s.prompt::VARCHAR, 'step by step')) AS asked
    FROM snapshots x JOIN snapshot_rows USING (snapshot_id) JOIN samples s USING (sample_id) LEFT JOIN chunks c ON c.chunk_id = s.input_id
    GROUP BY ALL ORDER BY 1
"""


def test_two_rounds_learn_the_texts_that_make_good_answers_beside_the_seed_set(miniature, none, endpoint):
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
    assert [tuple(t.values()) for t in sql(made.folder, TRAINED)] == [
        (1, 25, 8, 0, True, True),
        (2, 25, 8, 0, True, True),
    ]
    assert all(last < 0.7 * first for _, first, last in made.losses)
    parents = sql(made.folder, "select distinct parent_id from checkpoints where stage = 'sft'")
    assert len(parents) == 1, "each round trains the first model anew"
    if not made.decisions[0]["promoted"]:
        asked = sql(made.folder, "select distinct iteration from requests where step = 'instructions'")
        assert asked == [{"iteration": 1}], (
            "the same model asks the same: the second round's answers come from the store"
        )


def test_the_model_itself_asks_curates_and_learns_without_an_endpoint(miniature):
    made = miniature(
        "backtranslate-self", variant="self.yaml",
        bring=[("import", "./seed.jsonl", "--name", "seed", "--yes"), ("ingest", "./stories")],
    )  # fmt: skip
    assert made.rows["instructions"] >= 14 and 7 <= made.rows["agreed"] <= made.rows["instructions"]
    own = sql(made.folder, "select distinct engine, model from requests where step in ('instructions', 'agreed')")
    assert own == [{"engine": "local", "model": "seed"}]
    agreed = "select bool_and(ends_with(fields ->> 'answer', (fields ->> 'found') || '.')) as same from samples where step = 'agreed'"
    assert sql(made.folder, agreed) == [{"same": True}], "a second reading ended at the first answer"
    trained = sql(
        made.folder,
        "select s.step, count(*) as n from snapshot_rows join samples s using (sample_id) group by 1 order by 1",
    )
    kinds = {t["step"]: t["n"] for t in trained}
    assert kinds["import"] == 25 and 5 <= kinds["agreed"] <= made.rows["agreed"]
    ((_, first, last),) = made.losses
    assert last < first
    assert [d["stage"] for d in made.decisions] == ["sft"]


def test_real_texts_are_the_answers_and_those_that_cannot_be_read_make_none(miniature, shared_data, none, endpoint):
    def prepare(folder):
        for file in (folder / "documents").glob("*"):
            file.unlink()
        put_hard_documents(shared_data / "docs", folder / "documents", "rst/pep-0020.rst", "md/docling_wiki.md")

    made = miniature(
        "backtranslate-self", prepare=prepare, env=endpoint(none, models="writer").env, commands=["generate --sample 60"],
        bring=[("import", "./seed.jsonl", "--name", "seed", "--yes"), ("ingest", "./documents")],
    )  # fmt: skip
    check_unreadable(made.folder)
    rows = sql(
        made.folder,
        "select parse_filename(c.source) as name, s.completion, trim(c.text) as text from samples s "
        "join chunks c on c.chunk_id = s.input_id where s.step = 'instructions'",
    )
    assert {row["name"] for row in rows} == {"alice.txt", "latin.txt", "pep-0020.rst", "docling_wiki.md"}
    assert all(row["completion"] == row["text"] for row in rows), "the answer is the text itself"
    said = json.dumps(rows, ensure_ascii=False)
    assert "\ufeff" not in said and BRIDGE in said and "\ufffd" not in said, "no BOM, no broken letters"
