"""``flywheel judge run``."""

from pathlib import Path

import click

from ..config import parse_yaml, read_text
from ..errors import RecipeError
from ..judge.judges import make_judge
from ._common import open_wheel, recipe_options
from ._tables import print_table

TOLD = """
    SELECT reason, count(*) AS n, count(passed) FILTER (passed) AS passed, avg(score) AS score,
           count(*) FILTER ((evidence ->> '$.disagreement') = 'true') AS disagreements
    FROM verdicts WHERE judge = ? GROUP BY reason ORDER BY n DESC, reason
"""


@click.command("run")
@click.option(
    "--judge", "file", required=True, type=click.Path(path_type=Path), metavar="FILE.yaml",
    help="The judge: kind, name, criteria, …; see docs/judges.md.",
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
    _, settings = parse_yaml(read_text(file, f"--judge {file}", expected="a file with a judge"), str(file))
    if not isinstance(settings, dict):
        raise RecipeError(
            f"--judge {file}", expected="a mapping of keys", received=type(settings).__name__, cure="see docs/judges.md"
        )
    judge = make_judge(settings, str(file))
    with open_wheel(root, recipe_path, seed, "flywheel judge run") as wheel:
        iteration = wheel.iterations.current()
        wheel.begin_iteration(iteration)
        filed, progress = wheel.bench(iteration).run(judge, source)
        rows = wheel.store.query(TOLD, [filed])
    print_table(["reason", "verdicts", "passed", "mean score", "disagreements"], rows, f"judge {filed}")
    if progress.stopped:
        click.echo(f"Stopped early: {progress.stopped}. The same command goes on from here.")
