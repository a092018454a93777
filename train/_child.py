"""The training process. Runs as ``python -m flywheel.train._child FOLDER PARENT``, or so started by ``accelerate launch``."""

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from ..stage import child_main
from .child import get_ready, train

if __name__ == "__main__":
    child_main(train, get_ready)
