"""``flywheel generate``: the first stage of ``flywheel run``."""

import math
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import RecipeError
from ._common import open_wheel, recipe_options
from ._tables import print_funnel, print_table

if TYPE_CHECKING:  # loaded when the endpoint's client is on its way
    from ..config import Recipe
    from ..loop import Estimate, Wheel

KINDS = ("failed", "truncated")
SHOWN_PROMPTS = 2
SHOWN_URL = 80
"""Characters of an image's address, which may hold the image itself."""


@click.command("generate")
@recipe_options
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show prompts, and what the steps would ask and cost; ask nothing (but the --sample).",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Do only N inputs of each first step, and what follows from them; --dry-run then measures on these.",
)
@click.option(
    "--retry", "retry", default=None, metavar="KINDS",
    help="Do only these over: failed (every try of a request failed), truncated (met the limit of tokens), or both: "
    "failed,truncated.",
)  # fmt: skip
@click.option("--max-tokens", type=click.IntRange(min=1), default=None, help="With --retry: another limit of tokens.")
@click.pass_obj
def generate_command(
    root: Path,
    recipe_path: Path | None,
    seed: int | None,
    dry_run: bool,
    sample: int | None,
    retry: str | None,
    max_tokens: int | None,
) -> None:
    """Run the recipe's steps (generate:) and draw and verify completions of its problems.

    Ctrl-C once finishes what is in flight and saves it, twice stops at once; the same command goes on from there.
    """
    kinds = _check_kinds(retry, max_tokens, dry_run, sample)
    with open_wheel(root, recipe_path, seed, "flywheel generate") as wheel:
        if not wheel.recipe.generate and wheel.recipe.problems is None:
            raise RecipeError(
                f"recipe {wheel.recipe.name}", expected="steps of generate, or problems, for flywheel generate",
                received="neither", cure="flywheel eval scores its suites; or add generate or problems to the recipe",
            )  # fmt: skip
        with wheel.store.kept_open(will_write=True):
            iteration = wheel.iterations.current()
            wheel.begin_iteration(iteration)
        stopped = wheel.sample(iteration, sample) if sample is not None else None
        if dry_run and stopped is None:
            _print_estimates(wheel, iteration)
            return
        if sample is None:
            stopped = wheel.retry(iteration, kinds, max_tokens) if kinds else wheel.generate(iteration)
    from ..loop import summarize

    funnel = [f for f in summarize(wheel.store.project, wheel.run_id).funnel if f["iteration"] == iteration]
    print_funnel(funnel, [step.step for step in wheel.recipe.generate])
    if stopped:
        go_on = "Raise it in the recipe; then the" if stopped.signal is None else "The"
        click.echo(f"Stopped early: {stopped}. {go_on} same command goes on from here.")
        if stopped.signal is not None:
            signal.raise_signal(stopped.signal)
        click.get_current_context().exit(1)


def _check_kinds(retry: str | None, max_tokens: int | None, dry_run: bool, sample: int | None) -> list[str]:
    kinds = [k.strip() for k in (retry or "").split(",") if k.strip()]
    if wrong := [k for k in kinds if k not in KINDS]:
        raise RecipeError(
            "flywheel generate --retry", expected=f"one or both of {', '.join(KINDS)}", received=wrong[0],
            cure="for example --retry failed,truncated",
        )  # fmt: skip
    if kinds and (dry_run or sample is not None):
        raise RecipeError(
            "flywheel generate", expected="--retry, or --dry-run or --sample",
            received=f"--retry with {'--dry-run' if dry_run else '--sample'}",
            cure="give one after the other: what is retried is what \"flywheel status\" counts as failed or truncated",
        )  # fmt: skip
    if max_tokens is not None and not kinds:
        raise RecipeError(
            "flywheel generate", expected="--max-tokens only with --retry", received="--max-tokens alone",
            cure="set a step's max_tokens in the recipe, or add --retry truncated",
        )  # fmt: skip
    return kinds


def _print_estimates(wheel: "Wheel", iteration: int) -> None:
    estimates = wheel.estimate(iteration)
    for estimate in estimates:
        for request in estimate.prompts[:SHOWN_PROMPTS]:
            click.secho(f"── {estimate.step}: {request.input_id}", bold=True)
            for message in request.messages:
                click.echo(f"[{message['role']}]\n{_show(message['content'])}\n")
    print_estimates(estimates, wheel.recipe)


def print_estimates(estimates: Sequence["Estimate"], recipe: "Recipe") -> None:
    """Print what steps and judges would ask and cost, with their total."""
    columns = ["step", "inputs", "requests", "prompt tokens", "completion tokens", "US$", "time", "based on"]
    print_table(columns, [*_rows(estimates), _total(estimates)])
    if any(e.time_s is None and e.requests for e in estimates):
        click.echo(
            "note: time is not known before something was asked, and the rest is at most that: --sample 20 asks for 20 inputs and measures"
        )
    if _is_paid(recipe) and not (recipe.prices.prompt or recipe.prices.completion):
        click.echo(
            "note: US$ are 0, since the recipe names no prices (US$ for a million tokens): prices: {prompt: …, completion: …}"
        )
    for estimate in estimates:
        if estimate.lacking:
            click.echo(f"note: {estimate.step}: {estimate.lacking}: such inputs become drops, and ask nothing")


def _is_paid(recipe: "Recipe") -> bool:
    """Say whether an endpoint is asked by the steps or by a judge."""
    engines = [recipe.engine, *(judge.engine for judge in recipe.judges if judge.engine is not None)]
    return any(engine.kind == "openai" for engine in engines)


def _show(content: Any) -> str:
    """Return a message's content as text; images by the names that stand for them."""
    if not isinstance(content, list):
        return str(content)
    urls = [str((part.get("image_url") or {}).get("url", "")) if "image_url" in part else None for part in content]
    shown = [
        part.get("text", part) if url is None else f"[image {url[:SHOWN_URL]}]"
        for part, url in zip(content, urls, strict=True)
    ]
    return "\n".join(map(str, shown))


def _rows(estimates: Sequence["Estimate"]) -> list[list[object]]:
    return [
        [
            e.step, e.inputs, e.requests, e.prompt_tokens, e.completion_tokens, _show_usd(e.usd), _minutes(e.time_s),
            e.basis,
        ]
        for e in estimates
    ]  # fmt: skip


def _total(estimates: Sequence["Estimate"]) -> list[object]:
    times = [e.time_s for e in estimates]
    total_s = sum(t for t in times if t is not None) if None not in times else None
    return [
        "total", "", sum(e.requests for e in estimates), sum(e.prompt_tokens for e in estimates),
        sum(e.completion_tokens for e in estimates), _show_usd(sum(e.usd for e in estimates)), _minutes(total_s), "",
    ]  # fmt: skip


def _show_usd(usd: float) -> str:
    """Return money with its cents; of less than ten cents as many digits as two figures that count need."""
    digits = math.ceil(-math.log10(usd)) + 1 if 0 < usd < 0.1 else 2
    return f"{usd:.{digits}f}"


def _minutes(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
