"""All keys that ``train:`` passes through, as a file by which editors check recipes without an installed trainer: ``config/trainer_keys.json``."""

import json
import sys

from ._keys import adapter_keys, valid_keys
from .methods import METHODS


def list_trainer_keys() -> dict[str, list[str]]:
    """Return the keys of the installed versions, by what holds them: each method, ``peft``, ``quantization``."""
    return {name: valid_keys(name) for name in METHODS} | adapter_keys()


if __name__ == "__main__":  # python -m flywheel.train._trainer_keys > config/trainer_keys.json
    json.dump(list_trainer_keys(), sys.stdout, indent=1)
    sys.stdout.write("\n")
