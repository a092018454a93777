"""``model:`` as a folder that only describes a model: its weights are drawn by the recipe's seed."""

import json

import yaml
from flywheel.config import Recipe
from flywheel.llm import hash_model
from flywheel.loop._run import resolve_first_model
from support import refused, run_cli, sql, write_jsonl

TINY = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 843, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip


def project(folder, **config):
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny" / "config.json").write_text(json.dumps({**TINY, **config}))
    write_jsonl(folder / "rows.jsonl", [{"prompt": f"{i} and 1?", "completion": f"{i + 1} it is."} for i in range(12)])
    recipe = {"name": "scratch", "model": "tiny", "seed": 3, "train": {"rows": "rows.jsonl", "sft": {"max_steps": 2}}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return recipe


def test_weights_are_drawn_by_the_seed_once_and_trained(tmp_path):
    recipe = Recipe.model_validate(project(tmp_path / "p"))
    assert "It can start" in run_cli(tmp_path / "p", "run", "--dry-run", check=0).stdout
    assert not (tmp_path / "p" / ".flywheel" / "models").exists()
    first = resolve_first_model(recipe, tmp_path / "p")
    made = (tmp_path / "p" / ".flywheel" / "models").iterdir()
    assert [str(m) for m in made] == [first.path] and first.name == "tiny"
    run_cli(tmp_path / "p", "train", check=0)
    assert resolve_first_model(recipe, tmp_path / "p") == first
    project(tmp_path / "q")
    assert resolve_first_model(recipe, tmp_path / "q").revision == first.revision
    other = resolve_first_model(recipe.model_copy(update={"seed": 4}), tmp_path / "q")
    assert other.revision != first.revision
    parent = sql(tmp_path / "p", "select parent_id from checkpoints where stage = 'sft'")[0]["parent_id"]
    assert sql(tmp_path / "p", f"select stage from checkpoints where checkpoint_id = '{parent}'") == [{"stage": "seed"}]
    assert hash_model(tmp_path / "p" / "tiny") != first.revision


def test_a_description_that_makes_no_model_is_refused(tmp_path):
    for name, config, said in (
        ("a", {"vocab_size": 100}, "vocab_size: 100"), ("b", {"architectures": ["NoSuchModel"]}, "NoSuchModel"),
        ("c", {"model_type": "no-such"}, "no-such"),
    ):  # fmt: skip
        project(tmp_path / name, **config)
        refused(run_cli(tmp_path / name, "train"), "tiny", said, "config.json")


def test_a_vision_language_model_is_drawn_with_its_processor(tmp_path):
    """That of a packaged recipe: it reads an image as the trained one does."""
    from flywheel.cli._packaged import RECIPES
    from flywheel.train._scratch import draw
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    job = {"config": str(RECIPES / "document-vision" / "mini" / "tiny"), "out": str(tmp_path / "drawn"), "seed": 1}
    draw(job, tmp_path, lambda event: None)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "drawn")
    processor = AutoProcessor.from_pretrained(tmp_path / "drawn")
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}]
    text = processor.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    inputs = processor(text=[text], images=[[Image.new("RGB", (96, 96))]], return_tensors="pt")
    assert (inputs["input_ids"] == model.config.image_token_id).sum() == 9
    assert model(**inputs).logits.shape[-1] == model.config.text_config.vocab_size
