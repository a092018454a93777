"""Snapshots to checkpoints, by the field's own trainers, in a child process."""

from ._adapter import MERGED, export_checkpoint, is_adapter, merged_folder
from ._check import find_faults
from ._keys import STREAMED, check_keys, check_train, valid_keys
from ._machines import join_trainings
from ._options import Heldout, Running, Shape
from ._preflight import Demands, Fault, Limit, check_rows
from ._python import check_python
from ._reasoning import strip_reasoning
from ._scratch import draw_model, is_bare
from ._stage import Checkpoint, TrainJob, is_whole, train_checkpoint, trainer_ahead
from .methods import METHODS

__all__ = [
    "MERGED",
    "METHODS",
    "STREAMED",
    "Checkpoint",
    "Demands",
    "Fault",
    "Heldout",
    "Limit",
    "Running",
    "Shape",
    "TrainJob",
    "check_keys",
    "check_python",
    "check_rows",
    "check_train",
    "draw_model",
    "export_checkpoint",
    "find_faults",
    "is_adapter",
    "is_bare",
    "is_whole",
    "join_trainings",
    "merged_folder",
    "strip_reasoning",
    "train_checkpoint",
    "trainer_ahead",
    "valid_keys",
]
