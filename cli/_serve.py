"""``flywheel serve``."""

from pathlib import Path

import click

from ..store import Store
from ._common import end_by_signal, open_project, open_recipe, recipe_options, say_with_time


@click.command("serve")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Any other than loopback demands FLYWHEEL_SERVE_TOKEN."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free one.")
@click.option(
    "--run", "run", default="", metavar="RUN_ID", help="Only this run's champion; default: whichever changed last."
)
@click.option(
    "--poll", "poll_s", type=click.FloatRange(min=0.05), default=2.0, show_default=True, metavar="SECONDS",
    help="How often to look for a new champion.",
)  # fmt: skip
@recipe_options
@click.pass_obj
def serve_command(
    root: Path, host: str, port: int, run: str, poll_s: float, recipe_path: Path | None, seed: int | None
) -> None:
    """Serve the current champion as an OpenAI-compatible endpoint, until a signal ends it.

    A promotion or a rollback changes who answers: requests in flight finish on the former champion, and the model in a reply
    says which checkpoint gave it. Before the first run it is the recipe's model. By engine: vllm it is a vLLM server, else
    transformers in this process. Ctrl-C finishes what is in flight; a second one ends at once.
    """
    recipe, base = open_recipe(root, recipe_path, seed)
    project = open_project(root)
    Store(project).upgrade()
    from ..serve import Place, serve

    place = Place(host, port, poll_s)
    end_by_signal(serve(project, recipe, base, place, say_with_time, run=run))
