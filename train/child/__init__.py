"""The training process: rows and a model in, a checkpoint out. Everything here may load torch."""

from ._publish import merge_adapter
from ._train import train

__all__ = ["merge_adapter", "train"]
