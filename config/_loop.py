"""When a run ends by itself, whom it tells, and how its champion is served."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator

from ._strict import Strict, fault
from ._url import find_url_fault


class StopConfig(Strict):
    """Rules that end ``flywheel run`` before its iterations are complete; looked at between two iterations, ``hours`` at any
    time.
    """

    plateau: int = Field(0, ge=0)
    """Iterations in a row without a promotion; 0 = disabled."""
    target: float | Literal["endpoint"] = 0.0
    """Score (0 to 1) of the champion on the gate's suite and split; ``endpoint``: that of the endpoint's model on the same items,
    which ``flywheel eval --engine openai`` puts on record; 0 = disabled."""
    hours: float = Field(0.0, ge=0)
    """Of one command; what is in flight then is finished and kept, as by ``flywheel stop``; 0 = disabled."""

    @field_validator("target")
    @classmethod
    def _is_a_score(cls, target: float | str) -> float | str:
        if not isinstance(target, str) and not 0 <= target <= 1:
            raise fault("a score from 0 to 1, or endpoint", f"{target:g}", "write 0.95 for 95 %")
        return target


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
