"""The training process: rows and a model in, a checkpoint out. Everything here may load torch."""

from ._publish import merge_adapter
from ._ready import get_ready
from ._train import find_faults, train

__all__ = ["find_faults", "get_ready", "merge_adapter", "train"]
