"""Pairs of an iteration, and what they prefer besides quality: length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..config import PairConfig, Recipe
from ..errors import RecipeError
from ..gen import ON_POLICY, SOLVE
from ..judge import Scope, make_pairs
from ..store import Project, Store, run_query
from ._report_to import Reporter
from ._words import count

IMPORTED = "import"
"""The step of imported sets' samples."""
UNEVEN = 0.6
"""Share of pairs with the longer one chosen (or the shorter) from which on a preference for length is warned of."""


JUDGED_IMPORTS = """
    SELECT DISTINCT split_part(v.judge, '@', 1) FROM pairs p LEFT JOIN verdicts v ON v.sample_id = p.chosen_sample_id
    WHERE p.kind = 'imported' AND p.run_id = 'project'
"""
"""Who judged the chosen side of any imported pair; NULL of those that nobody did, and nothing where there is no such pair."""


def explain_unjudged(recipe: Recipe, judged: Sequence[tuple[str | None]]) -> RecipeError | None:
    """Return what is wrong where a run would drop every imported pair since a judge of ``chosen_passes`` judged none: judges of a recipe
    judge what its steps make.

    Args:
        judged: rows of :data:`JUDGED_IMPORTS`.
    """
    names = {name for (name,) in judged}
    if not names or recipe.train.dpo is None or any(name and name.startswith("human:") for name in names):
        return None
    for i, kind in enumerate(recipe.pairs.kinds):
        for name in kind.chosen_passes if kind.kind == "imported" else ():
            if name not in names:
                return RecipeError(
                    f"recipe, pairs.kinds.{i}.chosen_passes", expected=f"verdicts of {name} on imported pairs, by which they are chosen",
                    received="none: every imported pair would be dropped",
                    cure=f"flywheel judge run --judge FILE --step imported, the file with name: {name}; or remove {name} here",
                )  # fmt: skip
    return None


def require_judged_imports(store: Store, recipe: Recipe) -> None:
    """Refuse to begin a run that would drop every imported pair.

    Raises:
        RecipeError: see :func:`explain_unjudged`.
    """
    if error := explain_unjudged(recipe, store.query(JUDGED_IMPORTS)):
        raise error


@dataclass(frozen=True)
class LengthPreference:
    """Of the pairs of one kind, how often the longer one is chosen.

    Attributes:
        longer: pairs with the longer one chosen; ``shorter`` likewise. Equal lengths are neither.
        correlation: point-biserial, of being chosen with length in characters; None where lengths do not vary.
        p_value: exact two-sided binomial test of longer against shorter.
    """

    run_id: str
    iteration: int
    kind: str
    pairs: int
    longer: int
    shorter: int
    chosen_chars: float
    rejected_chars: float
    correlation: float | None

    @property
    def share(self) -> float:
        """Share of pairs with the longer one chosen, a pair of equal lengths as half."""
        return (self.longer + (self.pairs - self.longer - self.shorter) / 2) / self.pairs

    @property
    def p_value(self) -> float:
        """See the class."""
        from ..judge.calibration import binomial_p  # late: it brings all judges

        return binomial_p(self.longer, self.longer + self.shorter)

    @property
    def warning(self) -> str | None:
        """What to say of a preference for length that chance does not explain; None without one."""
        side = "longer" if self.share >= 0.5 else "shorter"
        if max(self.share, 1 - self.share) < UNEVEN or self.p_value >= 0.05:
            return None
        share = max(self.share, 1 - self.share)
        return (
            f"of {self.pairs} pairs {self.kind}, {100 * share:.0f} % have the {side} one chosen (p = {self.p_value:.2g}): a model "
            f"trained on them learns to write {side}; pairs.length_balanced: true evens it out"
        )


def read_length_preferences(project: Project, run_id: str | None = None) -> list[LengthPreference]:
    """Return the preference of each kind of pairs of a run, or of all."""
    where = "" if run_id is None else f"WHERE run_id = '{run_id}'"
    rows: list[dict[str, Any]] = run_query(
        project, f"SELECT * FROM length_preference {where} ORDER BY run_id, iteration, kind"
    ).table.to_pylist()
    return [
        LengthPreference(
            **{
                **r,
                "correlation": None
                if r["correlation"] is None or r["correlation"] != r["correlation"]
                else r["correlation"],
            }
        )
        for r in rows
    ]


def steps_to_pair(recipe: Recipe, *, in_a_run: bool = True) -> tuple[str, ...]:
    """Return the steps whose samples are paired."""
    if recipe.pairs.steps:
        return recipe.pairs.steps
    if in_a_run:
        return (ON_POLICY,)
    return (*(s.step for s in recipe.generate), *((SOLVE,) if recipe.problems else ()), IMPORTED)


def pair(store: Store, reporter: Reporter, scope: Scope, config: PairConfig, verifier: str, *, seed: int) -> int:
    """Make the pairs of an iteration and tell how many, and what they prefer."""
    reporter.begin(f"[{scope.iteration}] pair", unit="prompts")
    n = make_pairs(store, scope, config, verifier=verifier, seed=seed)
    found = [p for p in read_length_preferences(store.project, scope.run_id) if p.iteration == scope.iteration]
    shares = "; ".join(f"{p.kind}: the longer one chosen in {100 * p.share:.0f} %" for p in found)
    reporter.end(f"{count(n, 'pair')}" + (f"; {shares}" if shares else ""))
    for one in found:
        if one.warning:
            reporter.say(f"[{scope.iteration}] warning: {one.warning}")
    return n
