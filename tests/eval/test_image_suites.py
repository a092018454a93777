"""Suites whose items show images: on an endpoint, on a vision-language model in this process, on a model that only reads."""

import json

import pytest
import yaml
from fake_endpoint import show_image
from PIL import Image
from support import refused, run_cli, sql, write_jsonl
from support_train import make_model

SUITE = """
match: relaxed
items:
- {prompt: "How many?", image: pics/red.png, expected: 100, tags: [red]}
- {prompt: "How many?", image: pics/blue.png, expected: 7}
- {prompt: "Which differs?", images: [pics/red.png, pics/blue.png], expected: the second}
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "p"
    (folder / "pics").mkdir(parents=True)
    for colour in ("red", "blue"):
        Image.new("RGB", (32, 32), colour).save(folder / "pics" / f"{colour}.png")
    (folder / "look.yaml").write_text(SUITE)
    recipe = {
        "name": "look",
        "model": "seed",
        "suites": [{"name": "look", "task": "prompts", "gate": "look.yaml", "max_gen_toks": 8}],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def scores(folder):
    rows = sql(folder, "select metric, score, n from scores")
    return {r["metric"].removesuffix(",none"): (round(r["score"], 3), r["n"]) for r in rows}


def test_an_endpoint_is_shown_the_images(folder, endpoint, tmp_path):
    red, blue = (show_image((folder / "pics" / f"{c}.png").read_bytes()) for c in ("red", "blue"))
    known = [
        {"question": f"How many?\n{red}", "answer": "97"},
        {"question": f"How many?\n{blue}", "answer": "8"},
        {"question": f"Which differs?\n{red}\n{blue}", "answer": "The second."},
    ]
    write_jsonl(tmp_path / "known.jsonl", known)
    served = endpoint(tmp_path / "known.jsonl", right=1.0)
    run_cli(folder, "eval", "--engine", "openai", env=served.env, check=0)
    assert scores(folder)["pass"] == (0.667, 3) and scores(folder)["pass[red]"] == (1.0, 1)
    (shown,) = sql(folder, "select any_value(messages) as m from requests where messages like '%Which differs%'")
    urls = [p["image_url"]["url"] for p in json.loads(shown["m"])[0]["content"] if "image_url" in p]
    assert len(urls) == 2 and all((folder / url).is_file() and url.startswith(".flywheel/media/") for url in urls)


def test_a_vision_model_in_this_process_is_shown_them_too(folder):
    """An untrained model answers anything; that it sees: two images under one question get prompts of their own, and answers."""
    make_model("llava", folder / "eyes", ["How many? Which differs?"])
    run_cli(folder, "eval", "--checkpoint", str(folder / "eyes"), check=0)
    assert scores(folder)["pass"][1] == 3
    rows = sql(folder, "select messages, completions, prompt_tokens, error from requests where step = 'eval'")
    assert len(rows) == 3 and not [r for r in rows if r["error"]]
    one, two = (
        sorted(r["prompt_tokens"] for r in rows if "How many" in r["messages"]),
        [r["prompt_tokens"] for r in rows if "Which differs" in r["messages"]],
    )
    assert two[0] > one[0] + 15, "an image of 32 pixels is 16 tokens, and there are two"
    before = sql(folder, "select suite_hash from scores limit 1")
    Image.new("RGB", (32, 32), "green").save(folder / "pics" / "blue.png")
    run_cli(folder, "eval", "--checkpoint", str(folder / "eyes"), check=0)
    hashes = {r["suite_hash"] for r in sql(folder, "select distinct suite_hash from scores")}
    assert len(hashes) == 2 and before[0]["suite_hash"] in hashes, "another picture is another measurement"


def test_a_model_that_only_reads_is_refused(folder):
    refused(run_cli(folder, "eval", "--checkpoint", "seed"), "vision-language model", "reads only text")


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("- {prompt: a, image: pics/none.png, expected: b}", ["look.yaml:1", "image pics/none.png", "no such image"]),
        ("- {prompt: a, image: ../../secret.png, expected: b}", ["an image outside the folder"]),
        ("- {prompt: a, image: recipe.yaml, expected: b}", ["no image: not PNG"]),
        (
            "- {prompt: a, image: pics/red.png, images: [pics/red.png], expected: b}",
            ["key items.0.image", "image or images"],
        ),
    ],
)
def test_an_image_that_cannot_be_shown_is_told(folder, line, parts):
    Image.new("RGB", (4, 4)).save(folder.parent.parent / "secret.png")
    (folder / "look.yaml").write_text(line)
    refused(run_cli(folder, "eval", "--checkpoint", "seed"), *parts)


def test_a_table_may_name_an_image(folder):
    (folder / "look.csv").write_text("prompt,image,relaxed\nHow many?,pics/red.png,7\n")
    write_jsonl(folder / "mine.jsonl", [{"completion": "7"}])
    run_cli(folder, "eval", "--suite", "look.csv", "--answers", str(folder / "mine.jsonl"), check=0)
    assert scores(folder)["pass"] == (1.0, 1)


def test_a_report_names_the_image_behind_the_question():
    from flywheel.loop._report import prompt_of

    content = [
        {"type": "image_url", "image_url": {"url": ".flywheel/media/img_a.png"}},
        {"type": "text", "text": "How many?"},
    ]
    assert (
        prompt_of(json.dumps([{"role": "user", "content": content}])) == "How many?\n[image .flywheel/media/img_a.png]"
    )
    assert prompt_of(json.dumps([{"role": "user", "content": "Why?"}])) == "Why?"
