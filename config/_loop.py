"""When a run ends by itself, whom it tells, and how its champion is served."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from ._strict import Strict, fault
from ._url import find_url_fault


class StopConfig(Strict):
    """Rules that end ``flywheel run`` before its iterations are complete; looked at between two iterations, ``hours`` at any
    time.
    """

    plateau: int = Field(0, ge=0)
    """Iterations in a row without a promotion; 0 = disabled."""
    target: float = Field(0.0, ge=0, le=1)
    """Score of the champion on the gate's suite and split; 0 = disabled."""
    hours: float = Field(0.0, ge=0)
    """Of one command; what is in flight then is finished and kept, as by ``flywheel stop``; 0 = disabled."""


def _as_list(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


def _check(given: str) -> str:
    if given.startswith(("http://", "https://")) and "${" not in given and (wrong := find_url_fault(given)):
        raise fault(wrong.expected, wrong.received, "begin with http:// or https://; secrets as ${NAME}")
    return given


Hook = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_check)]
Hooks = Annotated[tuple[Hook, ...], BeforeValidator(_as_list, json_schema_input_type=str | tuple[str, ...])]


class HookConfig(Strict):
    """Who is told what the gate decided, and when a run fails: command lines (no shell; the event as JSON on their standard
    input) or http(s) addresses (POST). ``${NAME}`` in one is the environment's.
    """

    promote: Hooks = ()
    keep: Hooks = ()
    """The champion stays."""
    fail: Hooks = ()
    """``flywheel run`` ends by an error."""
    timeout_s: float = Field(30.0, gt=0)

    def of(self, event: str) -> tuple[str, ...]:
        """Return who is told of an event."""
        found: tuple[str, ...] = getattr(self, event)
        return found


class ServeConfig(Strict):
    """What ``flywheel serve`` may take at once, and whether what it serves is kept and used."""

    log: bool = False
    """Keep each prompt with its replies in ``served/*.jsonl`` in the project folder, before the reply ends."""
    ingest: bool = False
    """Bring the prompts kept there in, without their replies, when an iteration begins: rows of ``imported``."""
    most_requests: int = Field(256, ge=1, le=100_000)
    """Requests in flight and waiting; those beyond are refused (429)."""
    most_body_bytes: int = Field(4 << 20, ge=1024)
    """Of one request; larger ones are refused (413)."""
    most_choices: int = Field(16, ge=1, le=1024)
    """Completions (``n``) of one request."""
