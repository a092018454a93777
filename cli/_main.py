"""The ``flywheel`` command: parse, call, show. Subcommands load only when they are used."""

import logging
import sys
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import NotFoundError
from ._boundary import Interrupts, leave_in_peace, leave_pipe, run_guarded
from ._lazy import LazyGroup

COMMANDS = {
    "init": ("_init", "Write a commented recipe (and its data) into the project folder."),
    "recipes": ("_recipes", "List the recipes that come with flywheel, or show one."),
    "run": ("_run", "Turn the wheel: generate, judge, train, evaluate, decide, repeat."),
    "schedule": (
        "_schedule",
        "Turn the wheel every night, or at any times; print units for systemd, cron, Kubernetes.",
    ),
    "generate": ("_generate", "Make data: documents to QA, reasoning, critiques; completions of problems, verified."),
    "judge": ("_judge", "Judge completions by code or by a model; measure judges against people."),
    "pairs": ("_pairs", "Make preference pairs of judged samples and imported sets."),
    "train": ("_stages", "Train on what was generated: SFT, then DPO."),
    "eval": ("_eval", "Score checkpoints, an endpoint's model or recorded answers; compare two of them."),
    "gate": ("_gate", "Show what was decided on each challenger, and why (--explain)."),
    "stop": ("_stop", "Let the run that is on finish what is in flight, save it and end."),
    "rollback": ("_stop", "Put an earlier champion back."),
    "serve": (
        "_serve",
        "Serve the current champion as an OpenAI-compatible endpoint; promotions take over by themselves.",
    ),
    "ingest": ("_ingest", "Bring documents in: files, folders, patterns and lists of URLs, cut into chunks."),
    "import": ("_import", "Bring existing data sets in: chats, preferences, scores, problems, solutions."),
    "export": ("_export", "Write rows for other tools: TRL, ShareGPT, Alpaca, OpenAI, Parquet, the Hugging Face hub."),
    "status": ("_status", "Show the run's funnel, iterations, champion and scores."),
    "report": ("_status", "Write report.md and its plots again."),
    "data": ("_data", "Write the data card: lengths, diversity, duplicates, drops; check rows before a training."),
    "sql": ("_sql", "Query the store, read-only, also while a run is on."),
    "ui": ("_ui", "A page to look at the data, the scores and why; accept, reject, edit and label rows."),
    "doctor": ("_doctor", "Say what works on this machine, and what to install for the rest."),
}


class _Commands(LazyGroup):
    lazy = COMMANDS

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        interrupts = Interrupts()
        interrupts.listen()
        parse: Any = super().main
        code = run_guarded(lambda: parse(*args, standalone_mode=False, **extra), interrupts)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            if not leave_pipe():
                raise
            return 0  # click would end with 1
        return result


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-C", "--project", "project", type=click.Path(path_type=Path), default=Path(), metavar="DIR",
    help="Project folder; default: the current one.",
)  # fmt: skip
@click.option("-v", "--verbose", count=True, help="Say more on standard error; twice for everything.")
@click.version_option(__version__, prog_name="flywheel")
@click.pass_context
def cli(ctx: click.Context, project: Path, verbose: int) -> None:
    """The data flywheel for language models: generate, judge, train, evaluate, and promote a new model only when it is
    measurably better.
    """
    logging.basicConfig(
        level=(logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)],
        format="%(levelname)s %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("httpx", "httpx2", "openai", "transformers"):
        logging.getLogger(noisy).setLevel(logging.WARNING if verbose < 2 else logging.DEBUG)
    ctx.obj = project.absolute()
    if project.exists() and not project.is_dir():
        raise NotFoundError(
            f"-C {project}", expected="a folder", received="a file", cure="name the folder of a project"
        )


def main() -> None:
    """Run the command line, as the whole of this process."""
    try:
        cli(prog_name="flywheel")
    finally:
        leave_in_peace()
