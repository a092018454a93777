"""document-vision: pictures are answered by a teacher, checked by kind, learnt by a small vision-language model, and scored in process."""

import json
import re
import shutil

import pytest
from fake_endpoint import show_image
from flywheel.prompts import load_template
from support import run_cli, sql, write_jsonl
from support_recipes import drops, flywheel, init_recipe, read_rows

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


UNLABELLED = """
extends: documents.yaml
model: mini/tiny
engine: {model: null, concurrency: 8}
generate:
  - step: asked
    generator: backtranslate
    where: "media IS NOT NULL OR text LIKE '%|%'"
    options: {pairs: 2, types: [a value], difficulties: [easy], closed_book: false, check: model, min_chars: 20}
    templates: {backtranslate-qa: ask-about, backtranslate-check: check-about}
  - {step: answered, generator: solve, source: asked, options: {template: ask}, draws: 2, max_tokens: 24}
train: {sft: {max_steps: 2, per_device_train_batch_size: 4, max_length: 1000, learning_rate: 1.0e-3}, peft: null, min_rows: 3}
suites: [{name: questions, task: prompts, gate: "mini/questions.yaml[0:4]", max_gen_toks: 24}]
gate: {suite: questions, guards: []}
"""
PLAN = "1. type: a value; difficulty: easy\n2. type: a value; difficulty: easy"
TABLE = "| ferry | leaves | arrives | price |"


def asked_about(folder, text, tag="document", image=None):
    """Return the request for questions about a picture or a table, as the endpoint sees it."""
    said = load_template("ask-about", folder).render({"text": text, "tag": tag, "plan": PLAN})[-1]["content"]
    return said if image is None else f"{said}\n{show_image(image.read_bytes())}"


def pairs_of(*pairs):
    return json.dumps(
        {
            "pairs": [
                {"type": "a value", "difficulty": "easy", "quote": q, "question": asked, "answer": a}
                for q, asked, a in pairs
            ]
        }
    )


def test_pictures_and_tables_without_annotations_get_questions_that_are_checked_twice(tmp_path, endpoint):
    """A teacher asks, a second look drops what cannot be answered, and answers found anew have to agree with the first."""
    folder = init_recipe(tmp_path / "p", "document-vision")
    (folder / "unlabelled.yaml").write_text(UNLABELLED)
    pictures = [folder / "mini" / "images" / f"chart-{i:03}.png" for i in range(8)]
    told = run_cli(
        folder, "run", "--dry-run", "--recipe", str(folder / "documents.yaml"), check=2, env={"OPENAI_API_KEY": "x"}
    )
    assert "flywheel ingest" in told.stderr and "HuggingFaceM4/ChartQA" in told.stdout
    run_cli(folder, "ingest", *map(str, pictures), str(folder / "mini" / "documents" / "ferries.csv"), check=0)
    chunks = sql(folder, "select text, media from chunks")
    (table,) = [c["text"] for c in chunks if c["media"] is None]
    assert table.startswith(TABLE) and len(chunks) == 9
    labelled = {r["image"]: r for r in read_rows(folder / "mini" / "charts.jsonl") if r["question"].startswith("Which")}
    known = []
    for file in pictures:
        row = labelled[f"images/{file.name}"]
        pairs = pairs_of((row["answer"], row["question"], row["answer"]), ("x", "What is the value of purple?", "77"))
        known.append({"question": asked_about(folder, "", image=file), "answer": pairs, "wrong": ["{}"]})
        mark = show_image(file.read_bytes())
        known.append({"question": f"{row['question']}\n{mark}", "answer": row["answer"], "wrong": ["orange"]})
        known.append({"question": f"What is the value of purple?\n{mark}", "answer": "12", "wrong": ["13"]})
    row = next(line for line in table.split("\n") if "Heron" in line)
    asks = ("When does the Heron leave?", "11:30"), ("What does the Heron cost?", "9.80")
    known.append(
        {"question": asked_about(folder, table), "answer": pairs_of(*((row, *ask) for ask in asks)), "wrong": ["{}"]}
    )
    for question, answer in asks:
        over = load_template("question-over-text", folder).render(
            {"text": table, "tag": "document", "question": question}
        )
        known.append({"question": over[-1]["content"], "answer": answer, "wrong": ["12:34"]})
    write_jsonl(tmp_path / "known.jsonl", known)
    env = endpoint(tmp_path / "known.jsonl", right=0.9).env
    flywheel(folder, "run", recipe="unlabelled.yaml", env=env)
    gone = drops(folder)
    assert sum(n for (step, reason), n in gone.items() if step == "asked/items" and "not answerable" in reason) > 0, (
        gone
    )
    passed, failed = verdicts(folder)["agrees"]
    assert passed > 6 and failed > 6, "an answer that is not found again is no row"
    trained = sql(folder, "select prompt::varchar as prompt, completion::varchar as completion from sft")
    assert any(".flywheel/media/" in r["prompt"] for r in trained) and any(
        "Heron" in r["prompt"] and TABLE in r["prompt"] for r in trained
    )
    assert len(trained) > 4 and not any("purple" in r["prompt"] for r in trained)
    (made,) = sql(folder, "select metrics from checkpoints where stage = 'sft'")
    assert json.loads(made["metrics"])["n_rows"] > 4 and not any(step == "sft/preflight" for step, _ in gone), (
        "text beside pictures"
    )


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
