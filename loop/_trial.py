"""A challenger's scores beside those that it is tried against: what the gate's rules look at."""

from ..config import LimitConfig, Recipe
from ..eval import Split
from ..store import Store
from ._gate import GuardTrial, LimitTrial
from ._measured import Key, compare, measure_increase, read_items, read_layouts, read_measured, read_places
from ._paired import Compared


class Trial:
    """A challenger's scores beside the champion's and the first model's.

    Attributes:
        now: the challenger's.
        others: the champion's and the first model's, by checkpoint.
        pairs: the challenger paired with the champion.
        primary: the measurement that decides.
    """

    def __init__(
        self, store: Store, recipe: Recipe, splits: list[Split], challenger: str, champion: str, first: str
    ) -> None:
        self.store, self.recipe = store, recipe
        self.now = read_measured(store, challenger, splits)
        self.others = {c: read_measured(store, c, splits) for c in {champion, first}}
        self.champion, self.first = champion, first
        self._items = read_items(store, [m for one in (self.now, *self.others.values()) for m in one.values()])
        layouts = read_layouts(recipe, splits)
        self._places = {
            k: read_places(store, m, x) for k, m in self.now.items() if (x := layouts.get(k[:2])) is not None
        }
        self.pairs = {key: self._pair(key, champion) for key in self.now}
        self.primary = self.key(recipe.gate_suite)

    def key(self, suite: str) -> Key:
        """Return the deciding measurement of a suite."""
        return suite, "gate", self.recipe.suite(suite).metric

    def guards(self) -> list[tuple[str, GuardTrial]]:
        """Return each guard with whom it is tried against: the champion, and the first model where that is another."""
        found = []
        for guard in self.recipe.gate.guards:
            key = self.key(guard.suite)
            found.append((self.champion, GuardTrial(guard, self.pairs[key])))
            if self.first != self.champion:
                found.append((self.first, GuardTrial(guard, self._pair(key, self.first), "first")))
        return found

    def limits(self) -> list[tuple[str, LimitTrial]]:
        """Return each limit with whom it is measured against."""
        found = []
        for limit in self.recipe.gate.limits:
            key = self.key(suite_of(self.recipe, limit))
            against = self.first if limit.against == "first" else self.champion
            increase = measure_increase(self.store, limit.measure, self.others[against][key], self.now[key])
            found.append((against, LimitTrial(limit, increase)))
        return found

    def _pair(self, key: Key, other: str) -> Compared:
        return compare(self._items, self.others[other][key], self.now[key], self._places.get(key))


def suite_of(recipe: Recipe, limit: LimitConfig) -> str:
    """Return the suite whose answers a limit is on."""
    return limit.suite or recipe.gate_suite
