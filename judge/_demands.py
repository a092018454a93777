"""What a recipe asks of a pair's chosen completion besides what made the pair: the verdicts of other judges (``chosen_passes``).

Of a judge whose settings changed the newest verdicts count. Memory: an id and a reason for each sample that the judges judged.
"""

from collections.abc import Sequence

from ..store import Store

Said = dict[str, tuple[bool | None, str]]
"""Of each sample that a judge judged whether it passed, and why."""


class Demands:
    """Judges that have to have passed whatever is chosen."""

    def __init__(self, store: Store, run_id: str, names: Sequence[str]) -> None:
        """Read the verdicts of judges.

        Args:
            run_id: whose samples, besides imported ones.
            names: of judges and verifiers, without their settings.
        """
        self._said = {name: _read_said(store, run_id, name) for name in names}

    def __bool__(self) -> bool:
        return bool(self._said)

    def find_objection(self, sample_id: str) -> tuple[str, str] | None:
        """Return why a sample may not be chosen, and what was said of it; None if all passed it."""
        for name, said in self._said.items():
            passed, reason = said.get(sample_id, (None, "no verdict"))
            if not passed:
                return f"chosen {'not judged' if passed is None else 'failed'} by {name}", reason
        return None


def _read_said(store: Store, run_id: str, name: str) -> Said:
    return {sample_id: (passed, reason) for sample_id, passed, reason in store.query(_SAID, [run_id, name])}


_SAID = """
    WITH said AS (
        SELECT v.* FROM verdicts v JOIN samples s USING (sample_id)
        WHERE s.run_id IN ($1, 'project') AND split_part(v.judge, '@', 1) = $2
    )
    SELECT DISTINCT ON (sample_id) sample_id, passed, coalesce(reason, '') FROM said
    WHERE judge = (SELECT arg_max(judge, (created_at, judge)) FROM said)
    ORDER BY sample_id, created_at DESC, verdict_id
"""
