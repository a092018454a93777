"""Problems about images: kept by content, shown to who answers, told apart, and trained on as files."""

import base64
import json

import pytest
import yaml
from fake_endpoint import show_image
from flywheel.config import ProblemsConfig
from flywheel.gen import read_problems
from flywheel.store import Project
from PIL import Image
from support import run_cli, sql, write_jsonl

FORMAT = {"question": "question", "answer": "answer", "images": "image"}
RECIPE = {
    "name": "look", "model": "seed", "engine": {"kind": "openai"}, "problems": {"source": "data/rows.jsonl", "format": FORMAT},
    "solve": {"template": "solve", "draws": 1}, "verifier": "relaxed", "train": {"sft": {}, "dpo": None}, "suites": [{"name": "s", "task": "prompts", "gate": "s.yaml"}],
}  # fmt: skip


def picture(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "p"
    red, blue = picture(folder / "data" / "a" / "red.png", "red"), picture(folder / "data" / "blue.png", "blue")
    url = f"data:image/png;base64,{base64.b64encode(red).decode()}"
    ask = "What colour?"
    rows = [
        {"question": ask, "answer": "red", "image": "a/red.png"},
        {"question": ask, "answer": "blue", "image": ["blue.png"], "question_images": ["../secret.png"]},
        {"question": "Which is warmer?", "answer": "red", "image": [url, {"bytes": None, "path": "blue.png"}]},
        {"question": "2 and 2?", "answer": "4", "image": None},
        {"question": ask, "answer": "red", "image": "../../secret.png"},
        {"question": ask, "answer": "red", "image": "none.png"},
        {"question": ask, "answer": "red", "image": "rows.jsonl"},
        {"question": ask, "answer": "red", "image": "https://example.org/a.png"},
        {"question": ask, "answer": "red"},
    ]
    write_jsonl(folder / "data" / "rows.jsonl", rows)
    picture(tmp_path / "secret.png", "green")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return folder, show_image(red), show_image(blue)


def test_images_are_read_from_beside_the_rows_and_nowhere_else(folder):
    root = folder[0]
    config = ProblemsConfig.model_validate(RECIPE["problems"])
    found = read_problems(config, root, Project(root))
    kept = [json.loads(p.fields).get("question_images") for p in found.problems]
    assert [len(names or ()) for names in kept] == [1, 1, 2, 0]
    assert kept[2] == [kept[0][0], kept[1][0]], "an image is known by its content, however the row has it"
    assert (root / kept[0][0]).read_bytes() == (root / "data" / "a" / "red.png").read_bytes()
    assert [fault for _, _, fault in found.faults] == [
        "image: an image outside the folder of its rows", "image: no such image", "image: no image: not PNG, JPEG, GIF, WebP, BMP or TIFF",
        "image: an image's address, not a file: fetch it first", "nothing under 'image'",
    ]  # fmt: skip


def test_problems_about_images_are_solved_seeing_them_and_one_question_of_two_images_is_no_conflict(
    folder, endpoint, tmp_path
):
    root, red, blue = folder
    known = [
        {"question": f"What colour?\n{red}", "answer": "red"},
        {"question": f"What colour?\n{blue}", "answer": "blue"},
        {"question": f"Which is warmer?\n{red}\n{blue}", "answer": "red"},
        {"question": "2 and 2?", "answer": "4"},
    ]
    write_jsonl(tmp_path / "known.jsonl", known)
    (root / "s.yaml").write_text("- {prompt: x, expected: y}")
    (root / "prompts").mkdir()
    (root / "prompts" / "bare.yaml").write_text("name: bare\nvariables: [question]\nuser: '{{question}}'\n")
    (root / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "solve": {"template": "bare", "draws": 1}}))
    run_cli(root, "generate", env=endpoint(tmp_path / "known.jsonl", right=1.0).env, check=0)
    said = sql(root, "select passed, count(*) as n from verdicts group by all")
    assert said == [{"passed": True, "n": 4}]
    drops = sql(root, "select count(*) as n from drops where step = 'problems' and reason like '%image%'")
    assert drops == [{"n": 5}]


def test_the_questions_of_two_images_are_two_questions(folder):
    """In the query of what is trained on: the same words with two answers are a conflict only over the same image."""
    from flywheel.judge import _training_rows

    root = folder[0]
    config = ProblemsConfig.model_validate(RECIPE["problems"])
    red, blue, *_ = read_problems(config, root, Project(root)).problems
    values = ", ".join(f"('{p.question}', '{p.fields}'::JSON)" for p in (red, blue, red))
    import duckdb

    asked = duckdb.sql(
        f"SELECT DISTINCT {_training_rows._show(_training_rows._ASKED, ())} AS a FROM (VALUES {values}) p(question, fields)"
    ).fetchall()
    assert len(asked) == 2 and all(a.startswith("what colour?") for (a,) in asked)
