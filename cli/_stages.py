"""``flywheel train``: a stage of ``flywheel run``, alone."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import Recipe
from ..errors import NotFoundError, RecipeError
from ..store import Project
from ..train import METHODS, Checkpoint, join_trainings, trainer_ahead
from ._common import open_wheel, recipe_options

if TYPE_CHECKING:  # loaded when the training process is on its way
    from ..loop import Wheel


@click.command("train")
@recipe_options
@click.option(
    "--method", type=click.Choice(list(METHODS)), default="sft", show_default=True,
    help="; ".join(f"{m.name}: {m.title}" for m in METHODS.values()) + ".",
)  # fmt: skip
@click.option(
    "--export", "export", default=None, metavar="ID",
    help="Train nothing: copy this checkpoint (an id, its beginning, champion or trained) to --output, adapters merged.",
)  # fmt: skip
@click.option("--adapter", is_flag=True, help="With --export: the adapter alone.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=None, metavar="DIR", help="With --export: a new folder."
)
@click.option(
    "--imported",
    is_flag=True,
    help="With --method dpo: train the first champion on the pairs that flywheel import made.",
)
@click.option(
    "--join", type=click.IntRange(1), default=None, metavar="N",
    help="Take part as machine N, from 1, in what the first machine trains (train.accelerate with num_machines), until it is stopped.",
)  # fmt: skip
@click.pass_obj
def train_command(
    root: Path,
    recipe_path: Path | None,
    seed: int | None,
    method: str,
    export: str | None,
    adapter: bool,
    output: Path | None,
    imported: bool,
    join: int | None,
) -> None:
    """Train on what the iteration has: SFT on accepted samples, DPO on pairs drawn from the SFT checkpoint, KTO on all
    verified samples, GRPO on the problems; or any method on the recipe's own train.rows.

    A training that was killed goes on from its last saved state when the same command is given again.
    """
    if join is not None:
        join_trainings(Project(root).work, join, lambda note: click.echo(note, err=True))
    if export is not None or output is not None:
        _export(root, recipe_path, seed, export, output, adapter)
        return
    if imported and method != "dpo":
        raise RecipeError(
            "flywheel train --imported", expected="--method dpo beside it: imported solutions come as pairs",
            received=f"--method {method}", cure="flywheel train --method dpo --imported",
        )  # fmt: skip

    def ahead(recipe: Recipe) -> AbstractContextManager[None]:
        is_own = recipe.train.python is not None or recipe.train.accelerate is not None
        return nullcontext() if is_own else trainer_ahead(method)

    with open_wheel(root, recipe_path, seed, "flywheel train", method=method, ahead=ahead) as wheel:
        made = _train(wheel, method, imported)
    if made is None:
        from ..loop import count

        raise RecipeError(
            f"flywheel train --method {method}",
            expected=f"{count(wheel.recipe.train.min_rows, 'row')} or more",
            received="fewer, see flywheel status",
            cure="generate or import more, or lower train.min_rows in the recipe",
        )
    click.echo(f"{made.checkpoint_id}\t{made.path}")


def _export(
    root: Path, recipe_path: Path | None, seed: int | None, name: str | None, output: Path | None, adapter: bool
) -> None:
    if output is None or output.exists():
        raise RecipeError(
            "flywheel train --export", expected="--output with a folder that does not exist yet",
            received="none" if output is None else f"{output}, which exists", cure="--output my-model",
        )  # fmt: skip
    with open_wheel(root, recipe_path, seed, "flywheel train") as wheel:
        found = wheel.checkpoints.find(None if name in (None, "champion") else name)
        wheel.checkpoints.export(found.checkpoint_id, output, as_adapter=adapter)
        trained = wheel.checkpoints.last_trained() if found.stage == "seed" else None
    if trained is not None:
        click.echo(
            f"note: that is the first model, untrained: no gate has promoted another; the training that ended last is {trained} "
            f"(flywheel train --export {trained} --output DIR)",
            err=True,
        )
    click.echo(f"{found.checkpoint_id}\t{output}")


def _train(wheel: "Wheel", method: str, imported: bool) -> Checkpoint | None:
    if imported:
        return wheel.train_imported()
    if wheel.recipe.train.rows is not None:
        return wheel.train_own(method)
    iteration = wheel.iterations.current()
    if method == "sft":
        return wheel.train_sft(iteration)
    if method != "dpo":
        return wheel.train_by(iteration, method)
    sft = wheel.checkpoints.latest(iteration, "sft")
    if sft is None:
        raise NotFoundError(
            f"iteration {iteration}",
            expected="an SFT checkpoint, where DPO starts",
            received="none",
            cure="flywheel train --method sft",
        )
    return wheel.train_dpo(iteration, sft)
