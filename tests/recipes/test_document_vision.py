"""document-vision: pictures are answered by a teacher, checked by kind, learnt by a small vision-language model, and scored in process."""

import json
import shutil

import pytest
from fake_endpoint import show_image
from support import run_cli, sql, write_jsonl
from support_recipes import flywheel, init_recipe, read_rows

pytestmark = [pytest.mark.recipes, pytest.mark.timeout(600)]
VERDICTS = """
    SELECT split_part(judge, '@', 1) AS judge, count(*) FILTER (passed) AS passed, count(*) FILTER (NOT passed) AS failed
    FROM verdicts GROUP BY ALL ORDER BY ALL
"""


def known(folder, name):
    """Return what the endpoint knows of a file of rows: the right answer of each, and wrong ones of its kind."""
    for row in read_rows(folder / f"{name}.jsonl"):
        asked = f"{row['question']}\n{show_image((folder / row['image']).read_bytes())}"
        answer = row["answer"]
        if isinstance(answer, dict):
            wrong = [json.dumps(answer | {"total": "99.99"}), json.dumps(answer | {"company": "Old Mill Cafe"}), "The total is 7."]
            yield {"question": asked, "answer": json.dumps(answer), "wrong": wrong}
        else:
            text = answer[0] if isinstance(answer, list) else answer
            yield {"question": asked, "answer": text, "wrong": ["nothing of the kind", "1234567", "it is not to be seen"]}


def teach(folder, names, file):
    write_jsonl(file, [row for name in names for row in known(folder, name)])
    return file


def verdicts(folder):
    return {r["judge"]: (r["passed"], r["failed"]) for r in sql(folder, VERDICTS)}


def test_pictures_are_answered_checked_by_kind_and_learnt(miniature, endpoint, tmp_path):
    folder = init_recipe(tmp_path / "look", "document-vision")
    file = teach(folder / "mini", ("charts", "pages", "receipts"), tmp_path / "known.jsonl")
    made = miniature("document-vision", env=endpoint(file, right=0.8).env, page=True)
    assert made.rows == {"charts": 210, "pages": 42, "receipts": 36}
    said = verdicts(made.folder)
    assert all(said[name][0] > 20 and said[name][1] > 3 for name in ("relaxed", "anls", "fields")), said
    shown = sql(made.folder, "select count(distinct prompt) as n from sft where prompt::varchar like '%.flywheel/media/%'")
    assert shown[0]["n"] > 60
    ((_, first, last),) = made.losses
    assert last < first / 5
    before, after, n = made.score("questions")
    assert before < 0.1 and after > before + 0.2 and n == 37
    pages = next(s for s in made.scores if s["metric"].startswith("pass[page]"))
    assert pages["after"] > 0.6, "a sign is told by its colour: the model looks"
    receipts = next(s for s in made.scores if s["suite"] == "receipts" and s["metric"].startswith("score"))
    assert receipts["before"] == 0.0 and receipts["after"] > 0.4 and receipts["n"] == 10
    assert [d["promoted"] for d in made.decisions] == [True]
