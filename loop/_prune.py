"""Old checkpoints: their weights go by the recipe's rule, their rows and their model cards stay."""

import shutil
from pathlib import Path

from ..store import Store
from ..train import MERGED, is_whole

_NEEDED = """
    WITH RECURSIVE champions AS (
        SELECT checkpoint_id FROM champions WHERE run_id = ? AND is_current
        UNION ALL SELECT champion_before FROM iterations WHERE run_id = ? AND finished_at IS NULL
    ), line AS (
        SELECT c.checkpoint_id, c.parent_id FROM checkpoints c JOIN champions USING (checkpoint_id)
        UNION SELECT c.checkpoint_id, c.parent_id FROM checkpoints c JOIN line ON c.checkpoint_id = line.parent_id
    )
    SELECT checkpoint_id FROM line
"""

_MADE = """
    SELECT checkpoint_id, path FROM checkpoints WHERE run_id = ? AND stage <> 'seed' ORDER BY created_at DESC, checkpoint_id
"""


def prune(store: Store, run_id: str, keep: int) -> list[str]:
    """Remove the weights of all but the newest ``keep`` checkpoints of a run; return the ids of those that went.

    The champion and its parents stay, and so does what an unfinished iteration began with. ``0`` removes nothing. What
    another run stands on stays too: its parents are its own checkpoints, or the first model.
    """
    if not keep:
        return []
    needed = {str(i) for (i,) in store.query(_NEEDED, [run_id, run_id])}
    gone = []
    for rank, (checkpoint_id, path) in enumerate(store.query(_MADE, [run_id])):
        folder = store.project.root / str(path)
        if rank >= keep and checkpoint_id not in needed and is_whole(folder):
            _remove(folder, keep)
            shutil.rmtree(store.project.state / MERGED / str(checkpoint_id), ignore_errors=True)
            gone.append(str(checkpoint_id))
    return gone


def _remove(folder: Path, keep: int) -> None:
    """Remove everything but the model card, the files that make a folder a checkpoint first."""
    for name in ("config.json", "adapter_config.json"):
        (folder / name).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "README.md":
            path.unlink()
    with (folder / "README.md").open("a", encoding="utf-8") as card:
        card.write(f"\nThe weights were removed by the rule train.keep = {keep}; the rows in the store stay.\n")
