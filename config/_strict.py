"""What all parts of a recipe share: unknown keys are refused, and a fault says what to write instead."""

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def fault(expected: str, received: str, cure: str, loc: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """Return a fault in the words that the user will read; ``loc`` when it is not where the validator stands."""
    told = {"expected": expected, "received": received, "cure": cure, "loc": loc}
    return PydanticCustomError("flywheel", "expected {expected}, received {received}", told)
