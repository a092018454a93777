"""What the commands share: recipe options, the project, and progress on a terminal or in a log."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ..config import RECIPE_FILE, Recipe, load_recipe
from ..errors import NotFoundError
from ..store import Project

if TYPE_CHECKING:  # half a second, in which a training process is on its way already
    from ..loop import Reporter, Wheel

PLAIN_INTERVAL_S = 10.0


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --recipe and --seed to a command."""
    command = click.option("--seed", type=int, default=None, help="Override the recipe's seed.")(command)
    return click.option(
        "--recipe", "recipe_path", type=click.Path(path_type=Path), default=None, metavar="FILE",
        help=f"Recipe file; default: {RECIPE_FILE} in the project folder.",
    )(command)  # fmt: skip


def open_recipe(root: Path, recipe_path: Path | None, seed: int | None) -> tuple[Recipe, Path]:
    """Return the recipe and the folder that its paths start from."""
    path = recipe_path or root / RECIPE_FILE
    cure = "check --recipe" if recipe_path else f"write one with: flywheel -C {root} init"
    return load_recipe(path, {} if seed is None else {"seed": seed}, cure=cure), path.parent


def open_project(root: Path) -> Project:
    """Return the project in ``root``.

    Raises:
        NotFoundError: there is no such folder.
    """
    if not root.is_dir():
        raise NotFoundError(
            f"project folder {root}",
            expected="a folder",
            received="no such folder",
            cure=f"check the path, or make it: mkdir -p {root}, or with a recipe: flywheel -C {root} init",
        )
    return Project(root)


def make_wheel(root: Path, recipe_path: Path | None, seed: int | None, without: Recipe | None = None) -> "Wheel":
    """Return the wheel of a project's recipe (of ``without`` where it has none), with progress on standard error."""
    return _make_wheel(root, *_find_recipe(root, recipe_path, seed, without))


def _find_recipe(root: Path, recipe_path: Path | None, seed: int | None, without: Recipe | None) -> tuple[Recipe, Path]:
    if without is not None and recipe_path is None and root.is_dir() and not (root / RECIPE_FILE).exists():
        return without, root
    return open_recipe(root, recipe_path, seed)


def _make_wheel(root: Path, recipe: Recipe, base: Path) -> "Wheel":
    from ..loop import Wheel

    return Wheel(open_project(root), recipe, base, make_reporter())


def _client_ahead(recipe: Recipe) -> AbstractContextManager[None]:
    """Let the client of an endpoint be imported while the rest is."""
    if recipe.engine.kind != "local":
        from ..llm import import_ahead

        import_ahead()
    return nullcontext()


@contextmanager
def open_wheel(
    root: Path, recipe_path: Path | None, seed: int | None, what: str, *, method: str = "sft",
    without: Recipe | None = None, tells: bool = False,
    ahead: Callable[[Recipe], AbstractContextManager[None]] = _client_ahead,
) -> Iterator["Wheel"]:  # fmt: skip
    """Own the project, with its recipe checked and its store open, while the block runs.

    Args:
        root: the project's folder.
        recipe_path: its recipe; None = the one in the folder.
        seed: instead of the recipe's.
        what: the command, for others that want the project.
        method: what will be trained.
        without: recipe of a project that has none.
        tells: let the recipe's hooks and metrics file know when the block fails.
        ahead: what a recipe lets begin before anything else is loaded.
    """
    recipe, base = _find_recipe(root, recipe_path, seed, without)
    with ahead(recipe):
        wheel = _make_wheel(root, recipe, base)
        try:
            with wheel.telling() if tells else nullcontext(), wheel.store.run_lock(what):
                with wheel.store.kept_open(will_write=True):
                    wheel.prepare(method)
                yield wheel
                wheel.store.close()
        finally:
            wheel.reporter.close()


def make_reporter() -> "Reporter":
    """Return bars for a terminal, and plain lines for anything else."""
    console = Console(stderr=True)
    return RichReporter(console) if console.is_terminal else PlainReporter()


class PlainReporter:
    """One line when a stage starts, one every ten seconds, one when it ends: for logs."""

    def __init__(self) -> None:
        self._begin("", "")

    def _begin(self, what: str, unit: str) -> None:
        self._what, self._unit, self._note = what, unit, ""
        self._started = self._told = time.monotonic()
        self._done: int | None = None
        self._total: int | None = None
        self._tokens = 0

    def begin(self, what: str, *, unit: str, total: int | None = None) -> None:
        """See :class:`~flywheel.loop.Reporter`."""
        self._begin(what, unit)
        self._total = total
        self._print(f"{what}: started" + (f", {total} {unit}" if total else ""))

    def update(self, *, done: int | None = None, total: int | None = None, tokens: int = 0, note: str = "") -> None:
        """See :class:`~flywheel.loop.Reporter`."""
        self._done = self._done if done is None else done
        self._total = self._total if total is None else total
        self._tokens += tokens
        self._note = note or self._note
        if time.monotonic() - self._told > PLAIN_INTERVAL_S:
            self._told = time.monotonic()
            rate = describe_rate(self._done, self._total, self._tokens, time.monotonic() - self._started, self._unit)
            self._print(f"{self._what}: " + ", ".join(p for p in (rate, self._note) if p))

    def end(self, result: str) -> None:
        """See :class:`~flywheel.loop.Reporter`."""
        self._print(f"{self._what}: {result} ({time.monotonic() - self._started:.1f} s)")

    def say(self, line: str) -> None:
        """See :class:`~flywheel.loop.Reporter`."""
        self._print(line)

    def close(self) -> None:
        """See :class:`~flywheel.loop.Reporter`."""

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def describe_rate(done: int | None, total: int | None, tokens: int, elapsed_s: float, unit: str) -> str:
    """Return ``done of total unit done, tokens/s, time left`` as far as each is known."""
    parts = []
    if done is not None:
        parts.append(f"{done} of {total} {unit} done" if total else f"{done} {unit} done")
        if done and elapsed_s > 0:
            parts.append(f"{done / elapsed_s:.1f} {unit}/s")
    if tokens and elapsed_s > 0:
        parts.append(f"{tokens / elapsed_s:,.0f} tokens/s")
    if done and total and done < total:
        parts.append(f"{elapsed_s * (total - done) / done:.0f} s left")
    return ", ".join(parts)


class RichReporter:
    """A bar per stage, with rate, tokens/s and time left; a line remains when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._plain = PlainReporter()

    def begin(self, what: str, *, unit: str, total: int | None = None) -> None:
        """See :class:`~flywheel.loop.Reporter`."""
        self._plain._begin(what, unit)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), console=self._console, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task(what, total=total, rate="")
        self._progress.start()

    def update(self, *, done: int | None = None, total: int | None = None, tokens: int = 0, note: str = "") -> None:
        """See :class:`~flywheel.loop.Reporter`."""
        p = self._plain
        p._done = p._done if done is None else done
        p._total = p._total if total is None else total
        p._tokens += tokens
        p._note = note or p._note
        if self._progress is not None and self._task is not None:
            rate = describe_rate(p._done, p._total, p._tokens, time.monotonic() - p._started, p._unit)
            text = ", ".join(x for x in (*rate.split(", ")[1:], p._note) if x)
            self._progress.update(self._task, completed=p._done or 0, total=p._total, rate=text)

    def end(self, result: str) -> None:
        """See :class:`~flywheel.loop.Reporter`."""
        self._stop()
        elapsed = time.monotonic() - self._plain._started
        self._console.print(f"[green]✓[/] {_escape(self._plain._what)}: {_escape(result)} [dim]({elapsed:.1f} s)[/]")

    def say(self, line: str) -> None:
        """See :class:`~flywheel.loop.Reporter`."""
        self._stop()
        self._console.print(_escape(line), style="bold")

    def close(self) -> None:
        """See :class:`~flywheel.loop.Reporter`."""
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def say_with_time(line: str) -> None:
    """Say a line of a command that runs for days, on standard error."""
    with suppress(OSError):  # nobody reads any more: no reason to end
        click.echo(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} {line}", err=True)


def end_by_signal(number: int) -> None:
    """End a command that a signal told to end as any command does that gets one."""
    signal.raise_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)


def stdout_is_terminal() -> bool:
    """Say whether a person reads standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
