"""Answers that ended at ``max_gen_toks``, and not by themselves: what they lack was never scored, so it is told with the score."""

from collections.abc import Sequence

from ..eval import Split, Subject
from ..store import Store
from ._words import count


def tell_cut(store: Store, subject: Subject, splits: Sequence[Split]) -> list[str]:
    """Return a line for each split on which answers were cut; none of recorded answers, whose ends are not known."""
    return [
        f"{cut} of {count(n, 'answer')} of {suite}/{split} {'was' if cut == 1 else 'were'} cut at {limit} tokens: raise that by "
        "max_gen_toks of the suite in the recipe, and score again"
        for suite, split, cut, n, limit in _read(store, subject, splits)
    ]


def show_cut(cut: int | None, limit: int | None = None) -> str:
    """Return how many answers of a score were cut, to stand behind its n; empty where none was."""
    return f"{cut} cut" + (f" at {limit} tokens" if limit is not None else "") if cut else ""


def _read(store: Store, subject: Subject, splits: Sequence[Split]) -> list[tuple[str, str, int, int, int]]:
    """Return (suite, split, cut, n, limit) of the splits with answers that were cut, by the metric with the most items."""
    rows = store.query(
        "SELECT suite, split, (settings ->> '$.cut')::BIGINT AS cut, n, (settings ->> '$.max_gen_toks')::BIGINT FROM scores "
        "WHERE checkpoint_id = ? AND list_contains(?, suite_hash) "
        "QUALIFY row_number() OVER (PARTITION BY suite, split ORDER BY n DESC, metric) = 1 ORDER BY suite, split",
        [subject.checkpoint_id, [subject.hash_of(s) for s in splits]],
    )
    return [(str(suite), str(split), int(cut), int(n), int(limit)) for suite, split, cut, n, limit in rows if cut]
