"""Snapshots to checkpoints, by TRL, in a child process."""

from ._keys import check_keys, valid_keys
from ._stage import Checkpoint, TrainJob, train_checkpoint

__all__ = ["Checkpoint", "TrainJob", "check_keys", "train_checkpoint", "valid_keys"]
