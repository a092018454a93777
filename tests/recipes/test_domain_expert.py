"""``domain-expert``: questions and conversations with quoted proof of three domains, none of the held-out documents, by the CLI."""

from pathlib import Path

import pytest
from support import run_cli, sql

pytestmark = [pytest.mark.slow, pytest.mark.recipes]


def test_documents_become_answers_that_quote_their_proof(miniature, none, endpoint):
    env = endpoint(none).env
    made = miniature("domain-expert", page=True, env=env)
    assert made.rows["questions"] >= 15 and made.rows["talks"] >= 4
    assert made.drops["questions/items: quote not in the text"] >= 1
    assert made.drops["questions/items: not answerable from the text"] >= 1
    quoted = sql(
        made.folder,
        "select bool_and(contains(c.text, s.fields ->> 'quote') and contains(s.completion, s.fields ->> 'quote')) as proved from samples s "
        "join chunks c on c.chunk_id = s.input_id where s.step = 'questions'",
    )
    assert quoted == [{"proved": True}]
    trained = sql(
        made.folder,
        "select distinct split_part(split_part(c.source, 'documents/', 2), '/', 1) as domain from snapshot_rows join samples s using (sample_id) "
        "join chunks c on c.chunk_id = s.input_id order by 1",
    )
    assert [t["domain"] for t in trained] == ["gaming", "legal", "medical"]
    first, last = made.losses[0][1:]
    assert last < first
    assert [d["stage"] for d in made.decisions] == ["sft"]

    own = Path(made.folder, "questions-of-heldout.yaml")
    own.write_text(own.read_text().replace("extends: recipe.yaml", "extends: mini.yaml"))  # no model of the hub here
    run_cli(made.folder, "generate", "--recipe", str(own), env=env, check=0)
    suite = sql(
        made.folder,
        "select s.prompt -> -1 ->> 'content' as prompt, s.fields ->> 'answer' as expected from samples s where s.step = 'suite'",
    )
    assert len(suite) >= 4 and all("<document" in row["prompt"] and row["expected"] for row in suite)


def test_real_documents_without_text_make_nothing(miniature, shared_data, none, endpoint):
    """Markdown and a PDF beside random bytes: these are a drop with its reason, and no question comes of them."""
    docs = shared_data / "docs"
    some = [sorted((docs / kind).glob("*"))[0] for kind in ("md", "pdf", "bin")]
    made = miniature(
        "domain-expert",
        bring=[("ingest", *map(str, some))],
        commands=["generate --dry-run --sample 3"],
        env=endpoint(none).env,
    )
    (lost,) = sql(made.folder, "select input_id, reason from drops where step = 'ingest'")
    assert "random.bin" in lost["input_id"] and lost["reason"]
    assert made.rows["questions"] > 0
    of = sql(made.folder, "select distinct c.source from samples s join chunks c on c.chunk_id = s.input_id")
    assert of and not [c for c in of if c["source"].endswith(".bin")]
