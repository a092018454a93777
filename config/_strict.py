"""What all config models share: frozen, unknown keys refused, and faults in the words that the user will read."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class Strict(BaseModel):
    """A config model."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    other_names: ClassVar[Mapping[str, str]] = {}
    """Keys as users may call them, with what they are called here: told before the nearest spelling."""
    file_keys: ClassVar[tuple[str, ...]] = ()
    """Keys that a file of it may have beside the model's fields."""


def fault(expected: str, received: str, cure: str, loc: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """Return a fault in the words that the user will read; ``loc`` when it is not where the validator stands."""
    told = {"expected": expected, "received": received, "cure": cure, "loc": loc}
    return PydanticCustomError("flywheel", "expected {expected}, received {received}", told)
