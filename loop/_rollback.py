"""Put an earlier champion back."""

import getpass
from typing import Any

from ..errors import NotFoundError, RecipeError
from ..schema import content_id, utc_now
from ..store import Store
from ._checkpoints import Checkpoints

_EARLIER = "SELECT checkpoint_id FROM champions WHERE run_id = ? AND checkpoint_id <> ? ORDER BY number DESC"
_BEFORE = """
    SELECT checkpoint_id FROM champions WHERE run_id = $1
      AND number < (SELECT min(number) FROM champions WHERE run_id = $1 AND checkpoint_id = $2) ORDER BY number DESC LIMIT 1
"""
"""Who was in use before a champion was for the first time: what was rolled back does not come back by another step."""


def roll_back(
    store: Store, checkpoints: Checkpoints, run_id: str, iteration: int, name: str | None, reason: str | None
) -> tuple[str, str]:
    """Make an earlier champion of the run the one in use; return (former, new).

    Args:
        iteration: the one that is under way or due.
        name: its id or a unique beginning of it; None = the champion that this one took the place of.

    Raises:
        NotFoundError: there is no such earlier champion, or its weights are gone.
        RecipeError: it is in use already.
    """
    now = checkpoints.champion().checkpoint_id
    chosen = _choose(store, run_id, now, name)
    checkpoints.load(chosen)  # its weights are there
    ((number,),) = store.query("SELECT count(*) + 1 FROM rollbacks WHERE run_id = ?", [run_id])
    ((decided,),) = store.query("SELECT count(*) FROM decisions WHERE run_id = ? AND role = 'gate'", [run_id])
    row: dict[str, Any] = {
        "rollback_id": content_id("rbk", [run_id, number]), "run_id": run_id, "number": number, "after_decisions": decided,
        "iteration": iteration, "from_checkpoint_id": now, "checkpoint_id": chosen, "reason": reason,
        "author": _user(), "created_at": utc_now(),
    }  # fmt: skip
    store.insert("rollbacks", [row], key="rollback_id")
    return now, chosen


def _choose(store: Store, run_id: str, now: str, name: str | None) -> str:
    earlier = list(dict.fromkeys(str(i) for (i,) in store.query(_EARLIER, [run_id, now])))
    if name is None:
        before = [str(i) for (i,) in store.query(_BEFORE, [run_id, now])]
        if not before and earlier:
            raise NotFoundError(
                "flywheel rollback", expected="a champion before the one in use", received="none: the first model is in use",
                cure=f"to go forward again, name one of: {', '.join(earlier)}",
            )  # fmt: skip
        found = before
    else:
        found = [i for i in earlier if i.startswith(name)]
    if len(found) == 1:
        return found[0]
    if name is not None and now.startswith(name):
        raise RecipeError(
            f"flywheel rollback {name}", expected="an earlier champion", received="the one in use",
            cure=f"name one of: {', '.join(earlier)}" if earlier else "there is no other",
        )  # fmt: skip
    raise NotFoundError(
        "flywheel rollback" + (f" {name}" if name else ""), expected="an earlier champion of this run",
        received=f"{len(found)} match" if earlier else "none: the first model is in use, and always was",
        cure=f"name one of: {', '.join(earlier)}" if earlier else "flywheel run promotes what is measurably better",
    )  # fmt: skip


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return None
