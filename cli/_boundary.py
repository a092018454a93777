"""Where errors leave the program: every one as place, expected, received and cure, with its exit code; no traceback."""

import difflib
import os
import re
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import click

from ..errors import (
    FlywheelError,
    StoppedError,
    SystemRefusedError,
    UserError,
    explain_os_error,
    interrupts_of_queries,
)

INTERRUPTED, TERMINATED = 130, 143
"""128 + the signal's number, as shells have it."""

_KEPT = "everything answered is kept; the same command goes on from here"


class Interrupts:
    """Makes SIGTERM end the program as Ctrl-C does: children stopped, the journal whole; and remembers which it was."""

    def __init__(self) -> None:
        self.exit_code, self._word = INTERRUPTED, "interrupted"

    def listen(self) -> None:
        """Install the handler; only a main thread can."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_term)

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        self.exit_code, self._word = TERMINATED, "terminated"
        if callable(signal.getsignal(signal.SIGINT)):
            signal.raise_signal(signal.SIGINT)  # whoever handles Ctrl-C (asyncio does) handles this too
        else:
            raise KeyboardInterrupt  # a shell's background job ignores Ctrl-C, but not this

    def tell(self) -> int:
        """Say what ended the program; return its exit code."""
        click.echo(f"\n{self._word}: {_KEPT}", err=True)
        return self.exit_code


def run_guarded(work: Callable[[], Any], interrupts: Interrupts) -> Any:
    """Run ``work``; turn what it raises into a message and an exit code."""
    try:
        with interrupts_of_queries():
            return work()
    except FlywheelError as error:
        return _tell(error)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        return _tell(explain_usage(error))
    except (KeyboardInterrupt, click.Abort):
        return interrupts.tell()
    except OSError as error:
        place = str(error.filename or "the system")
        return _tell(SystemRefusedError(place, **explain_os_error(error)._asdict()))


def leave_in_peace() -> None:
    """Heed no signal from here on: the work is over and told, and libraries that clean up would show a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def leave_pipe() -> bool:
    """Write nothing more to a reader that has seen enough; return whether standard output has such a one."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    is_gone = any(event & select.POLLERR for _, event in poll.poll(0))
    if is_gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return is_gone


def _tell(error: FlywheelError) -> int:
    click.echo(f"{'stopped' if isinstance(error, StoppedError) else 'error'}: {error.render()}", err=True)
    return error.exit_code


def explain_usage(error: click.UsageError) -> UserError:
    """Turn click's words on a wrong command line into place, expected, received and cure."""
    path = error.ctx.command_path if error.ctx else "flywheel"
    ask = f"{path} --help lists what it takes"
    if isinstance(error, click.NoSuchOption):
        known = [o for p in (error.ctx.command.params if error.ctx else []) for o in p.opts if o[0] == "-"]
        return UserError(
            f"{path}: {error.option_name}", expected=f"one of {', '.join(known)}", received="no such option",
            cure=did_you_mean(error.option_name, known) or ask,
        )  # fmt: skip
    if isinstance(error, click.MissingParameter) and error.param is not None:
        name = error.param.make_metavar(error.ctx) if error.ctx else str(error.param.name)
        return UserError(path, expected=f"a value for {name}", received="nothing", cure=ask)
    if isinstance(error, click.BadParameter) and error.param is not None:
        return _explain_value(path, error, error.param, ask)
    if error.ctx is not None and isinstance(error.ctx.command, click.Group):
        return _explain_command(path, error.ctx, error.ctx.command, error.format_message(), ask)
    return UserError(path, expected="a command line that it understands", received=error.format_message(), cure=ask)


def _explain_command(path: str, context: click.Context, group: click.Group, message: str, ask: str) -> UserError:
    known = group.list_commands(context)
    unknown = re.match(r"No such command '(.*)'", message)
    given = unknown[1] if unknown else ""
    return UserError(
        f"{path} {given}".rstrip(), expected=f"one of {', '.join(known)}",
        received="no such command" if given else "no command", cure=did_you_mean(given, known) or ask,
    )  # fmt: skip


def _explain_value(path: str, error: click.BadParameter, param: click.Parameter, ask: str) -> UserError:
    kind, received = param.type, error.message.rstrip(".")
    name = param.opts[-1] if param.opts else str(param.name)
    expected, cure = f"a {kind.name}", ask
    if isinstance(kind, click.Choice):
        expected = f"one of {', '.join(map(str, kind.choices))}"
        given = re.match(r"'(.*)' is not one of", received)
        received = repr(given[1]) if given else received
        cure = (did_you_mean(given[1], map(str, kind.choices)) if given else "") or ask
    elif isinstance(kind, click.IntRange):
        expected = "a whole number" + (
            f", {kind.min} or more" if kind.max is None else f" from {kind.min} to {kind.max}"
        )
    elif isinstance(kind, click.FloatRange):
        joined = "between {:g} and {:g}" if kind.min_open and kind.max_open else "from {:g} to {:g}"
        expected = (
            f"a number, {kind.min:g} or more" if kind.max is None else f"a number {joined.format(kind.min, kind.max)}"
        )
    elif kind is click.INT:
        expected = "a whole number"
    return UserError(f"{path}: {name}", expected=expected, received=received, cure=cure)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question with the nearest known word; empty when none is near."""
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else ""
