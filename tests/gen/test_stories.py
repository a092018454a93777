"""The document path with the embedded model alone, from ``flywheel init`` to pairs."""

import itertools
import re

import pytest
from flywheel.seed.stories import tell
from support import run_cli, sql
from support_flow import add_up

pytestmark = pytest.mark.slow
N = 30


def test_stories_become_questions_reasoning_critiques_revisions_and_pairs(tmp_path):
    folder = tmp_path / "p"
    told = run_cli(folder, "init", "--recipe", "stories", check=0).stderr
    assert f"ingest {folder / 'documents'}" in told
    files = sorted((folder / "documents").iterdir())
    assert len(files) == 120
    for file in files[N:]:
        file.unlink()
    run_cli(folder, "ingest", str(folder / "documents"), check=0)
    said = run_cli(folder, "generate", check=0).stderr
    assert all(int(done) <= int(total) for done, total in re.findall(r"(\d+) of (\d+) inputs done", said))
    rows = add_up(folder)
    assert rows["questions"]["entered"] == N
    assert list(rows)[-1] == "revised" or "revised" in rows
    (made,) = sql(
        folder, "select count(*) filter (engine = 'local' and model = 'seed') as own, count(*) as n from requests"
    )
    assert made["own"] == made["n"] > 3 * N
    (pairs,) = sql(
        folder,
        """
        select count(*) as n, count(distinct c.chunk_id) as chunks from pairs p
        join samples r on r.sample_id = p.chosen_sample_id and r.step = 'revised'
        join samples k on k.sample_id = r.input_id and k.step = 'criticised'
        join samples a on a.sample_id = k.input_id and a.step = 'attempted'
        join samples q on q.sample_id = a.input_id and q.step = 'questions'
        join chunks c on c.chunk_id = q.input_id
        where p.kind = 'revised/original' and contains(c.text, q.fields ->> 'quote')
        """,
    )
    assert pairs["n"] >= N / 10
    assert pairs["chunks"] >= N / 10
    shown = run_cli(folder, "status", check=0).stdout
    assert all(step in shown for step in ("questions", "reasoned", "attempted", "criticised", "revised"))


def test_the_recipes_stories_are_of_the_loops_split():
    """What is scored (the gate's and the report's stories) is not what the recipe ships."""
    from flywheel.cli._packaged import RECIPES

    shipped = [f.read_text().strip() for f in (RECIPES / "stories" / "documents").iterdir()]
    assert set(shipped) == {s.text for s in itertools.islice((s for s in tell("loop", 14) if len(s.text) >= 100), 120)}
