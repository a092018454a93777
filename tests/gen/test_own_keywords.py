"""A template whose variable is called like an argument of ``ask()`` would be filled with nothing, and its value sent as that argument."""

import yaml
from support import refused, run_cli, write_jsonl

OWN = """
from flywheel.gen import generator


@generator("own", consumes=("question",), templates=("own",))
async def own(item, ask):
    \"\"\"Ask with the tools in the prompt.\"\"\"
    for completion in await ask("own", question=item.text("question"), tools=item.get("tools")):
        yield completion.made()
"""
TEMPLATE = "name: own\nengine: jinja\nvariables: [question, tools]\nuser: '{{question}} {{tools}}'\n"


def project(folder, **recipe):
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "own.yaml").write_text(TEMPLATE)
    (folder / "own.py").write_text(OWN)
    write_jsonl(folder / "rows.jsonl", [{"question": "2 and 2?", "answer": "4", "tools": [{"name": "add"}]}])
    (folder / "s.yaml").write_text("- {prompt: x, expected: y}")
    problems = {"source": "rows.jsonl", "format": {"question": "question", "answer": "answer"}}
    suites = [{"name": "s", "task": "prompts", "gate": "s.yaml"}]
    made = {"name": "own", "engine": {"kind": "openai"}, "problems": problems, "suites": suites, **recipe}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(made))
    return folder


PARTS = ("template own: variable 'tools'", "not n, temperature, draw", "given_tools")


def test_a_generator_of_ones_own_is_told(tmp_path, endpoint, none):
    steps = [{"step": "asked", "generator": "own.py", "source": "problems"}]
    folder = project(tmp_path / "p", generate=steps, select={"steps": ["asked"]}, train={"dpo": None})
    refused(run_cli(folder, "generate", env=endpoint(none).env), "step 'asked'", *PARTS)


def test_a_template_of_solve_is_told_before_anything_is_asked(tmp_path, endpoint, none):
    folder = project(tmp_path / "p", solve={"template": "own"})
    served = endpoint(none)
    refused(run_cli(folder, "generate", env=served.env), "solve", *PARTS)
    assert served.answered() == []


def test_by_another_name_it_is_a_value_like_any_other(tmp_path, endpoint, none):
    format_ = {"question": "question", "answer": "answer", "columns": {"given_tools": "tools"}}
    folder = project(tmp_path / "p", solve={"template": "own"}, problems={"source": "rows.jsonl", "format": format_})
    (folder / "prompts" / "own.yaml").write_text(TEMPLATE.replace("tools", "given_tools"))
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
