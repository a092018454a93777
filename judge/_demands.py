"""What a recipe asks of a pair's chosen completion besides what made the pair: the verdicts of other judges (``chosen_passes``).

Of a judge whose settings changed the newest verdicts count: of the samples that are paired here, and of a run's and of imported ones each by
itself, so that what another recipe's judge of the same name says of other samples takes nothing away. Memory: an id and a reason for each sample that the judges judged.
"""

from collections.abc import Iterable, Sequence

from ..store import Store

Said = dict[str, tuple[bool | None, str]]
"""Of each sample that a judge judged whether it passed, and why."""


class Demands:
    """Judges that have to have passed whatever is chosen."""

    def __init__(self, store: Store, names: Sequence[str], sample_ids: Iterable[str]) -> None:
        """Read the verdicts of judges.

        Args:
            names: of judges and verifiers, without their settings.
            sample_ids: of what may be chosen; not read where there are no names.
        """
        asked = list(sample_ids) if names else []
        self._said = {name: _read_said(store, name, asked) for name in names}

    def __bool__(self) -> bool:
        return bool(self._said)

    def find_objection(self, sample_id: str) -> tuple[str, str] | None:
        """Return why a sample may not be chosen, and what was said of it; None if all passed it."""
        for name, said in self._said.items():
            passed, reason = said.get(sample_id, (None, "no verdict"))
            if not passed:
                return f"chosen {'not judged' if passed is None else 'failed'} by {name}", reason
        return None


def _read_said(store: Store, name: str, sample_ids: list[str]) -> Said:
    return {sample_id: (passed, reason) for sample_id, passed, reason in store.query(_SAID, [sample_ids, name])}


_SAID = """
    WITH said AS (
        SELECT v.*, s.run_id FROM verdicts v JOIN samples s USING (sample_id)
        WHERE v.sample_id IN (SELECT unnest($1::VARCHAR[])) AND split_part(v.judge, '@', 1) = $2
    ), filed AS (
        SELECT run_id, arg_max(judge, (created_at, judge)) AS judge FROM said GROUP BY run_id
    )
    SELECT DISTINCT ON (sample_id) sample_id, passed, coalesce(reason, '') FROM said JOIN filed USING (run_id, judge)
    ORDER BY sample_id, created_at DESC, verdict_id
"""
