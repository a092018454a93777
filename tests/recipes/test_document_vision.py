"""document-vision: pictures are answered by a teacher, checked by kind, learnt by a small vision-language model, and scored in process."""

import json
import re
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
            wrong = [
                json.dumps(answer | {"total": "99.99"}),
                json.dumps(answer | {"company": "Old Mill Cafe"}),
                "The total is 7.",
            ]
            yield {"question": asked, "answer": json.dumps(answer), "wrong": wrong}
        else:
            text = answer[0] if isinstance(answer, list) else answer
            yield {
                "question": asked,
                "answer": text,
                "wrong": ["nothing of the kind", "1234567", "it is not to be seen"],
            }


def teach(folder, names, file):
    write_jsonl(file, [row for name in names for row in known(folder, name)])
    return file


def verdicts(folder):
    return {r["judge"]: (r["passed"], r["failed"]) for r in sql(folder, VERDICTS)}


def test_pictures_are_answered_checked_by_kind_and_learnt(miniature, endpoint, tmp_path):
    folder = init_recipe(tmp_path / "look", "document-vision")
    file = teach(folder / "mini", ("charts", "pages", "receipts"), tmp_path / "known.jsonl")
    made = miniature("document-vision", env=endpoint(file, right=0.85).env, page=True)
    assert made.rows == {"charts": 144, "pages": 80, "receipts": 32}
    said = verdicts(made.folder)
    assert all(said[name][0] > 20 and said[name][1] > 0 for name in ("relaxed", "anls", "fields")), said
    shown = sql(
        made.folder, "select count(distinct prompt) as n from sft where prompt::varchar like '%.flywheel/media/%'"
    )
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


def test_real_charts_and_receipts_are_shown_and_judged_by_kind(tmp_path, endpoint, shared_data):
    """52 questions on 24 charts of ChartQA, 10 scanned receipts of SROIE: a number 3 % off passes and another year does not, a receipt
    fails by the field that is wrong; the same charts as a suite are scored by relaxed accuracy on the endpoint.
    """
    folder = init_recipe(tmp_path / "p", "document-vision")
    for name, images in (("chartqa", "chartqa/png"), ("sroie", "sroie/img")):
        shutil.copytree(shared_data / images, folder / name)
    charts = [
        {"question": r["question"], "answer": r["answer"], "image": r["image"].replace("png/", "chartqa/", 1)}
        for r in read_rows(shared_data / "chartqa" / "qa_with_images.jsonl")
    ]
    receipts = [
        {"question": "Read the receipt.", "answer": json.loads(path.read_text()), "image": f"sroie/{path.stem}.jpg"}
        for path in sorted((shared_data / "sroie" / "key").glob("*.json"))
    ]
    write_jsonl(folder / "real-charts.jsonl", charts)
    write_jsonl(folder / "real-receipts.jsonl", receipts)
    asked = [f"{r['question']}\n{show_image((folder / r['image']).read_bytes())}" for r in (*charts, *receipts)]
    said = [
        near(r["answer"]) if isinstance(r["answer"], str) else json.dumps(r["answer"]) for r in (*charts, *receipts)
    ]
    wrong = [
        ["1 of many things"] if isinstance(r["answer"], str) else [json.dumps({**r["answer"], "date": "01/01/2001"})]
        for r in (*charts, *receipts)
    ]
    rows = [{"question": q, "answer": a, "wrong": w} for q, a, w in zip(asked, said, wrong, strict=True)]
    write_jsonl(tmp_path / "known.jsonl", [*rows, *known(folder / "mini", "pages")])
    format_ = "format: {question: question, answer: answer, images: image}"
    (folder / "real.yaml").write_text(
        f"extends: mini.yaml\nproblems:\n  source: real-charts.jsonl\n  {format_}\n  more:\n  - {{source: real-receipts.jsonl, {format_}}}\n"
        f"  - {{source: mini/pages.jsonl, {format_}}}\n"
    )
    env = endpoint(tmp_path / "known.jsonl", right=0.7).env
    flywheel(folder, "generate", recipe="real.yaml", env=env)
    judged = verdicts(folder)
    years = sum(YEAR.fullmatch(r["answer"]) is not None for r in charts)
    assert sum(judged["relaxed"]) == 2 * len(charts) and sum(judged["fields"]) == 2 * len(receipts)
    assert years > 2 and judged["relaxed"][0] > 40 and judged["relaxed"][1] > 15 and judged["fields"][0] > 8
    reasons = {r["reason"] for r in sql(folder, "select distinct reason from verdicts")}
    assert {"near enough", "correct", "too far", "wrong: date"} <= reasons
    items = [{"prompt": r["question"], "image": r["image"], "expected": r["answer"]} for r in charts]
    (folder / "charts.yaml").write_text(json.dumps({"match": "relaxed", "items": items}))
    run_cli(
        folder,
        "eval",
        "--suite",
        "charts.yaml",
        "--engine",
        "openai",
        "--recipe",
        str(folder / "real.yaml"),
        env=env,
        check=0,
    )
    (score,) = sql(folder, "select score, n from scores where suite = 'charts' and metric = 'pass,none'")
    right = sql(
        folder,
        "select count(*) filter (value = 1) as n from score_items i join scores using (score_id) where suite = 'charts' and metric = 'pass,none'",
    )
    assert (
        score["n"] == len(charts)
        and score["score"] == pytest.approx(right[0]["n"] / len(charts))
        and 0.4 < score["score"] < 1
    )


YEAR = re.compile(r"1[89]\d\d|20\d\d")


def near(answer):
    """Return a number 3 % off, which a year is not allowed to be; any other text as it is."""
    try:
        return f"{float(answer) * 1.03:.4f}"
    except ValueError:
        return answer
