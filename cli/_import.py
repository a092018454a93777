"""``flywheel import``."""

from pathlib import Path

import click

from ..config import require_file
from ..loop import summarize
from ._common import open_wheel, recipe_options
from ._tables import print_table


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@recipe_options
@click.option(
    "--format", "fmt", type=click.Choice(["gsm8k-solutions"]), default="gsm8k-solutions", show_default=True,
    help="gsm8k-solutions: problems with solutions of several models, as in GSM8K's example_model_solutions.jsonl.",
)  # fmt: skip
@click.pass_obj
def import_command(root: Path, file: Path, recipe_path: Path | None, seed: int | None, fmt: str) -> None:
    """Bring existing model solutions in as samples, verify them, and pair correct with incorrect ones.

    Lines that cannot be read become drops with their number and text.
    """
    require_file(file, f"import {file}", expected="a JSONL file", cure="check the path on the command line")
    with open_wheel(root, recipe_path, seed, "flywheel import") as wheel:
        wheel.import_solutions(file.absolute())
    rows = [f for f in summarize(wheel.store.project, wheel.run_id).funnel if f["iteration"] == 0]
    columns = ["step", "entered", "kept", "dropped", "reason"]
    print_table(columns, [[r[c] for c in columns] for r in rows])
