"""``flywheel train``: a stage of ``flywheel run``, alone."""

from pathlib import Path

import click

from ..errors import NotFoundError, RecipeError
from ..loop import Wheel, count
from ..train import Checkpoint
from ._common import open_wheel, recipe_options


@click.command("train")
@recipe_options
@click.option("--method", type=click.Choice(["sft", "dpo"]), default="sft", show_default=True, help="What to train.")
@click.option(
    "--imported",
    is_flag=True,
    help="With --method dpo: train the first champion on the pairs that flywheel import made.",
)
@click.pass_obj
def train_command(root: Path, recipe_path: Path | None, seed: int | None, method: str, imported: bool) -> None:
    """Train on what the iteration has: SFT on accepted samples, DPO on pairs drawn from the SFT checkpoint."""
    if imported and method != "dpo":
        raise RecipeError(
            "flywheel train --imported", expected="--method dpo beside it: imported solutions come as pairs",
            received=f"--method {method}", cure="flywheel train --method dpo --imported",
        )  # fmt: skip
    with open_wheel(root, recipe_path, seed, "flywheel train") as wheel:
        made = _train(wheel, method, imported)
    if made is None:
        raise RecipeError(
            f"flywheel train --method {method}",
            expected=f"{count(wheel.recipe.train.min_rows, 'row')} or more",
            received="fewer, see flywheel status",
            cure="generate or import more, or lower train.min_rows in the recipe",
        )
    click.echo(f"{made.checkpoint_id}\t{made.path}")


def _train(wheel: Wheel, method: str, imported: bool) -> Checkpoint | None:
    if imported:
        return wheel.train_imported()
    iteration = wheel.iterations.current()
    if method == "sft":
        return wheel.train_sft(iteration)
    sft = wheel.checkpoints.latest(iteration, "sft")
    if sft is None:
        raise NotFoundError(
            f"iteration {iteration}",
            expected="an SFT checkpoint, where DPO starts",
            received="none",
            cure="flywheel train --method sft",
        )
    return wheel.train_dpo(iteration, sft)
