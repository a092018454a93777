"""The document path of the packaged recipe, end to end: files → chunks → questions → reasoning → critiques → revisions."""

import json

import pytest
import yaml
from support import run_cli, sql

TOPICS = ["river barges", "winter wheat", "stone bridges", "paper mills", "night trains", "salt pans"]
SECTION = """## {title}

{title} were first counted in the year {year} by a clerk of the province. Most of the {title} stood near the old road to the
coast. A tax of {n} coins was due for each of them every spring. The clerk wrote that {title} seldom lasted longer than
{m} years. His book about the {title} is kept in the town hall today.
"""


def make_project(folder, extra=None):
    run_cli(folder, "init", "--recipe", "documents", check=0)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    recipe["engine"] |= {"concurrency": 8, "patience_s": 0}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, **(extra or {})}, sort_keys=False))
    (folder / "docs").mkdir()
    for i in range(4):
        sections = [SECTION.format(title=t, year=1700 + 10 * i + k, n=3 + k, m=20 + i) for k, t in enumerate(TOPICS)]
        (folder / "docs" / f"province-{i}.md").write_text(f"# Province {i}\n\n" + "\n".join(sections))
    run_cli(folder, "ingest", str(folder / "docs"), "--chunk-tokens", "120", check=0)
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    from support import FakeEndpoint

    base = tmp_path_factory.mktemp("documents")
    (base / "none").write_text("")
    folder = make_project(base / "project")
    server = FakeEndpoint(base / "server", base / "none")
    dry = run_cli(folder, "generate", "--dry-run", env=server.env, check=0).stdout
    asked_dry = len(server.answered())
    shown = run_cli(folder, "generate", env=server.env, check=0).stdout
    server.stop()
    return folder, dry, asked_dry, shown


def test_each_step_makes_rows_and_the_funnel_adds_up(done):
    folder, dry, asked_dry, shown = done
    rows = {r["step"]: r for r in sql(folder, "select * from funnel where run_id <> 'project'")}
    assert set(rows) >= {"questions", "questions/items", "reasoned", "attempted", "criticised", "revised"}
    assert all(r["entered"] == r["kept"] + r["dropped"] for r in rows.values()), rows
    assert rows["questions"]["entered"] == sql(folder, "select count(*) as n from chunks")[0]["n"]
    assert "quote not in the text" in rows["questions/items"]["reason"]
    assert rows["revised/items"]["kept"] >= 5
    assert asked_dry == 0
    assert "Province" in dry
    assert "questions/items" in shown


def test_a_pair_is_walked_back_to_the_lines_of_its_document(done):
    folder, *_ = done
    (row,) = sql(
        folder,
        """
        select d.source, dc.line_start, dc.line_end, c.text, q.fields ->> 'quote' as quote, p.kind
        from pairs p join samples r on r.sample_id = p.chosen_sample_id
        join samples k on k.sample_id = r.input_id join samples t on t.sample_id = k.input_id
        join samples q on q.sample_id = t.input_id join chunks c on c.chunk_id = q.input_id
        join document_chunks dc on dc.chunk_id = c.chunk_id join documents d on d.document_id = dc.document_id
        where q.step = 'questions' limit 1
        """,
    )
    assert row["kind"] == "revised/original"
    assert row["quote"] in row["text"]
    lines = (folder / row["source"]).read_text().splitlines()
    assert row["text"] == "\n".join(lines[row["line_start"] - 1 : row["line_end"]])


def test_pairs_and_questions_export_in_trls_columns(done, tmp_path):
    folder, *_ = done
    run_cli(folder, "export", "--format", "trl-dpo", "--output", str(tmp_path / "pairs.jsonl"), check=0)
    pairs = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert len(pairs) == sql(folder, "select count(*) as n from pairs")[0]["n"]
    assert all(p["chosen"] != p["rejected"] for p in pairs)
    where = "step = 'questions'"
    run_cli(
        folder, "export", "--format", "trl", "--what", "samples", "--where", where, "--output",
        str(tmp_path / "questions.jsonl"), check=0,
    )  # fmt: skip
    n = sql(folder, "select count(*) as n from samples where step = 'questions'")[0]["n"]
    assert len((tmp_path / "questions.jsonl").read_text().splitlines()) == n


def test_a_changed_document_costs_only_its_changed_chunks(done, tmp_path):
    import shutil

    from support import FakeEndpoint

    folder = tmp_path / "copy"
    shutil.copytree(done[0], folder)
    page = folder / "docs" / "province-0.md"
    page.write_text(page.read_text().replace("3 coins", "4 coins"))
    run_cli(folder, "ingest", str(folder / "docs"), "--chunk-tokens", "120", check=0)
    (tmp_path / "none").write_text("")
    server = FakeEndpoint(tmp_path / "server", tmp_path / "none")
    run_cli(folder, "generate", env=server.env, check=0)
    server.stop()
    asked = sql(folder, "select count(*) as n from requests where step = 'questions'")[0]["n"]
    before = sql(done[0], "select count(*) as n from requests where step = 'questions'")[0]["n"]
    assert 1 <= asked - before <= 4, "the chunk that changed, and no whole document"
    rows = sql(folder, "select * from funnel where run_id <> 'project'")
    assert all(r["entered"] == r["kept"] + r["dropped"] for r in rows), rows


def test_status_of_a_project_without_suites(done):
    shown = run_cli(done[0], "status", check=0).stdout
    assert "questions/items" in shown
