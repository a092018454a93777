"""``flywheel judge run``."""

import json
from pathlib import Path
from typing import Any

import click

from ..config import parse_yaml, read_text
from ..errors import RecipeError
from ..judge.judges import Panel, make_judge
from ._common import open_wheel, recipe_options
from ._tables import print_table

TOLD = """
    SELECT reason, count(*) AS n, count(passed) FILTER (passed) AS passed, avg(score) AS score,
           count(*) FILTER ((evidence ->> '$.disagreement') = 'true') AS disagreements
    FROM verdicts WHERE judge = ? GROUP BY reason ORDER BY n DESC, reason
"""

MEMBERS = """
    SELECT v.judge, count(*), count(*) FILTER (v.score IS NULL), count(*) FILTER (v.passed), avg(v.score),
           any_value(c.requests), any_value(c.prompt_tokens + c.completion_tokens)
    FROM verdicts v
    LEFT JOIN (SELECT step, sum(requests) AS requests, sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens
               FROM cost WHERE run_id = $1 GROUP BY step) c ON c.step = 'judge.' || translate(v.judge, '/@', '..')
    WHERE list_contains($2::VARCHAR[], v.judge) GROUP BY v.judge ORDER BY v.judge
"""


@click.command("run")
@click.option(
    "--judge", "file", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="The judge, as YAML: kind, name, criteria, …; or a grader of OpenAI's format, as JSON. See docs/judges.md.",
)  # fmt: skip
@click.option(
    "--step",
    "source",
    required=True,
    metavar="STEP",
    help="Whose samples are judged; imported: those of imported sets.",
)
@recipe_options
@click.pass_obj
def judge_run_command(root: Path, file: Path, source: str, recipe_path: Path | None, seed: int | None) -> None:
    """Let a model judge the samples of a step; the same command again goes on, and asks nothing twice."""
    text = read_text(file, f"--judge {file}", expected="a file with a judge")
    settings = _read_json(text) if file.suffix == ".json" else parse_yaml(text, str(file))[1]
    if not isinstance(settings, dict):
        received = settings if isinstance(settings, str) else type(settings).__name__
        raise RecipeError(f"--judge {file}", expected="a mapping of keys", received=received, cure="see docs/judges.md")
    judge = make_judge(settings, str(file))
    with open_wheel(root, recipe_path, seed, "flywheel judge run") as wheel:
        iteration = wheel.iterations.current()
        wheel.begin_iteration(iteration)
        bench = wheel.bench(iteration)
        filed, progress = bench.run(judge, source)
        rows = wheel.store.query(TOLD, [filed])
        members = list(bench.members(judge).values()) if isinstance(judge, Panel) else []
        said = wheel.store.query(MEMBERS, [wheel.run_id, members]) if members else []
    if said:
        columns = ["member", "verdicts", "abstained", "passed", "mean score", "requests", "tokens"]
        print_table(columns, said, f"members of {filed}")
    print_table(["reason", "verdicts", "passed", "mean score", "disagreements"], rows, f"judge {filed}")
    if progress.stopped:
        click.echo(f"Stopped early: {progress.stopped}. The same command goes on from here.")


def _read_json(text: str) -> Any:
    """Return the value of JSON, or what is wrong with it, as text."""
    try:
        return json.loads(text)
    except ValueError as error:
        return f"no JSON: {error}"
