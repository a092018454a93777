"""A look ahead at what a recipe would do: everything checked that can be, nothing asked, fetched or trained.

Each fault is found, not only the first. What comes from the hub is named and left where it is; what lies behind it is checked
when the run begins.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..config import (
    PROMPTS_TASK,
    TASK_DATA,
    ProblemsConfig,
    Recipe,
    Source,
    SuiteConfig,
    is_remote,
    list_hub_rows,
    list_methods,
    list_sources,
    names_hub_model,
)
from ..errors import UserError
from ..eval import Split, load_grader, prepare_suites
from ..gen import (
    ON_POLICY,
    SETS,
    SOLVE,
    Estimate,
    ProblemSet,
    Stage,
    Step,
    explain_no_rows,
    explain_no_set,
    find_repeats,
    guess_steps,
    make_draw_stage,
    make_stages,
    read_problems,
)
from ..llm import find_vllm_python, require_endpoint
from ..store import Project, run_query
from ..train import check_python, check_train
from ._content import load_templates
from ._draws import config_of
from ._embed import load_embed
from ._evaluate import GRADER
from ._freeze import find_shown
from ._judges import ReadyJudge, make_judges, make_verifier
from ._measured import read_layouts
from ._own_rows import read_own_rows
from ._pair import JUDGED_IMPORTS, explain_unjudged
from ._programs import find_missing_programs
from ._rewards import describe_rewards
from ._run import resolve_first_model
from ._shards import check_journals, check_shards
from ._stage_list import StageLine, count_challengers, list_stages
from ._train import find_python
from ._words import count

T = TypeVar("T")
IMPORTED = "imported"
ROWS_OF = {
    "chunks": "SELECT count(*) FROM chunks",
    IMPORTED: "SELECT (SELECT count(*) FROM samples WHERE step = 'import') + (SELECT count(*) FROM imported_prompts)",
}
"""What the store holds of what steps consume."""


@dataclass(frozen=True)
class RowsLine:
    """Rows that a recipe names.

    Attributes:
        what: which.
        source: as the recipe has it.
        n: usable rows; None of what is not fetched, or cannot be read.
        note: what more there is to say.
    """

    what: str
    source: str
    n: int | None
    note: str = ""


@dataclass
class Ahead:
    """What a recipe would do.

    Attributes:
        stages: of an iteration, in order.
        rows: found, by source and suite.
        faults: of the recipe and what it names.
        no_rows: of steps whose rows are not in the store yet.
        no_engine: of engines that cannot be used: a key, an interpreter.
        remote: what comes from the hub when the run begins.
        guessed: what steps ask at most, where the hub's rows are needed to know better.
    """

    stages: list[StageLine]
    rows: list[RowsLine] = field(default_factory=list)
    faults: list[UserError] = field(default_factory=list)
    no_rows: list[UserError] = field(default_factory=list)
    no_engine: list[UserError] = field(default_factory=list)
    remote: list[str] = field(default_factory=list)
    guessed: list[Estimate] = field(default_factory=list)

    @property
    def missing(self) -> list[UserError]:
        """All that keeps a run from starting."""
        return [*self.faults, *self.no_rows, *self.no_engine]


def look_ahead(project: Project, recipe: Recipe, base: Path) -> Ahead:
    """Check a recipe and count its rows.

    Args:
        project: whose rows and templates are used.
        recipe: what would be done.
        base: folder that the recipe's paths start from.
    """
    return _Look(project, recipe, base).look()


class _Look:
    def __init__(self, project: Project, recipe: Recipe, base: Path) -> None:
        self._project = project
        self._recipe = recipe
        self._base = base
        self._found = Ahead(list(list_stages(recipe)))
        self._judges: list[ReadyJudge] = []
        self._splits: list[Split] = []
        self._most_problems = 0  # of the hub, where the recipe's slices say how many there can be

    def look(self) -> Ahead:
        recipe, base = self._recipe, self._base
        self._found.faults += find_missing_programs(recipe.programs)
        self._try(lambda: check_shards(recipe, self._project))
        self._try(lambda: check_journals(recipe))
        for method in list_methods(recipe) or ["sft"]:
            self._try(partial(check_train, recipe.train, base, method))
        self._try(lambda: check_python(find_python(recipe.train.python, base)))
        self._try(lambda: describe_rewards(recipe.train.rewards, base))
        self._try(lambda: load_embed(recipe, base))
        self._look_at_model()
        problems = self._look_at_problems()
        self._look_at_suites()
        self._try(lambda: make_verifier(recipe, problems, base))
        self._judges = self._try(lambda: make_judges(recipe, self._project.root, base)) or []
        self._look_at_own_rows()
        self._look_at_steps(problems)
        self._look_at_sets()
        self._look_at_engines()
        self._found.faults = _each_once(self._found.faults)
        self._found.no_engine = _each_once(self._found.no_engine)
        self._found.remote = list(dict.fromkeys(self._found.remote))
        return self._found

    def _try(self, check: Callable[[], T]) -> T | None:
        try:
            return check()
        except UserError as error:
            self._found.faults.append(error)
            return None

    def _look_at_model(self) -> None:
        if names_hub_model(self._recipe, self._base):
            self._found.remote.append(f"model {self._recipe.model}")
        else:
            self._try(lambda: resolve_first_model(self._recipe, self._base, draws=False))

    def _look_at_problems(self) -> ProblemSet | None:
        config = self._recipe.problems
        if config is None:
            return None
        fetched = [self._is_fetched("problems", spec) for one in config.sets for spec in one.sources]  # each is named
        if any(fetched):
            here = [
                self._read_problems(ProblemsConfig(source=one.source, format=one.format))
                for one, is_fetched in zip(config.sets, fetched, strict=True)
                if not is_fetched
            ]
            ends = [
                Source.parse(one.source) for one, is_fetched in zip(config.sets, fetched, strict=True) if is_fetched
            ]
            if all(end.stop is not None for end in ends):
                self._most_problems = sum((end.stop or 0) - end.start for end in ends)
                self._most_problems += sum(len(found.problems) for found in here if found is not None)
            return None
        return self._read_problems(config)

    def _read_problems(self, config: ProblemsConfig) -> ProblemSet | None:
        sources = ", ".join(one.source for one in config.sets)
        problems = self._try(lambda: read_problems(config, self._base, self._project))
        if problems is None:
            self._note("problems", sources, None, "cannot be read")
            return None
        told = [f"{count(len(problems.faults), 'row')} cannot be used"] if problems.faults else []
        shown = self._try(lambda: find_shown(self._recipe, self._project.root)) or ()
        told += [str(repeats)] if (repeats := find_repeats(problems, shown)) else []
        self._note("problems", sources, len(problems.problems), "; ".join(told))
        return problems

    def _look_at_suites(self) -> None:
        """Read the suites that are here whole; of those with anything of the hub's the sources are named."""
        splits = self._splits
        here = 0
        for suite in self._recipe.suites:
            sources = [(w, s) for w, s in list_sources(self._recipe) if w.startswith(f"suite {suite.name}, ")]
            inside = self._find_hub_rows(suite)
            if inside or any(is_remote(spec) for _, spec in sources):
                for spec in inside:
                    self._is_fetched(f"suite {suite.name}, rows", spec)
                for what, spec in sources:
                    told = self._tell_target(suite.name, what.rpartition(", ")[2])
                    if not self._is_fetched(what, spec, told):
                        self._note(what, spec, None, "; ".join(filter(None, ("read when the run begins", told))))
                continue
            here += 1
            grader = load_grader(GRADER, self._project.root)
            found = self._try(partial(prepare_suites, self._project, [suite], self._base, grader))
            sizes = {s.name: len(s.rows) for s in found or ()}
            for what, spec in sources:
                split = what.rpartition(", ")[2]
                note = "cannot be read" if found is None else "" if split in sizes else "examples"
                note = note or self._tell_target(suite.name, split)
                self._note(what, spec, sizes.get(split), note)
            splits += found or []
        if here == len(self._recipe.suites) and not self._found.faults:
            self._try(lambda: read_layouts(self._recipe, splits))

    def _find_hub_rows(self, suite: SuiteConfig) -> list[str]:
        """Return the data sets of the hub that the files of a prompt suite name."""
        if suite.task != PROMPTS_TASK:
            return []
        files = {Source.parse(spec).where for spec in (suite.gate, suite.report, suite.fewshot) if spec is not None}
        found = [spec for file in sorted(files) for spec in list_hub_rows(self._base / Path(file).expanduser())]
        return list(dict.fromkeys(found))

    def _tell_target(self, suite: str, split: str) -> str:
        """Return what a run needs beforehand whose target is the endpoint's score."""
        if (self._recipe.stop.target, suite, split) != ("endpoint", self._recipe.gate_suite, "gate"):
            return ""
        return "the endpoint's score here is the target: flywheel eval --engine openai before the run"

    def _look_at_own_rows(self) -> None:
        for key in ("rows", "heldout"):
            spec = getattr(self._recipe.train, key)
            if spec is None or self._is_fetched(f"train.{key}", spec):
                continue
            rows = self._try(partial(read_own_rows, self._recipe.train, self._base, key))
            usable = [row for row in rows or () if row.columns is not None]
            bad = len(rows or ()) - len(usable)
            note = "cannot be read" if rows is None else f"{count(bad, 'row')} cannot be used" if bad else ""
            self._note(f"train.{key}", spec, None if rows is None else len(usable), note)

    def _look_at_steps(self, problems: ProblemSet | None) -> None:
        recipe, root = self._recipe, self._project.root
        arriving = [IMPORTED] if recipe.serve.ingest else []
        stages = self._try(lambda: make_stages(recipe.generate, root, self._base, arriving)) or []
        self._try(lambda: load_templates(recipe, root, stages))
        rows: dict[str, int] = {}
        for source in dict.fromkeys(stage.config.source for stage in stages if stage.is_root):
            n = len(problems.problems) if problems is not None else 0
            if source in ROWS_OF:
                n = self._count(ROWS_OF[source])
                self._note(source, "the store", n, "before where and limit of the steps" if n else "")
            fed = [stage for stage in stages if stage.config.source == source]
            unknown = source == "problems" and not n  # the hub's: only the steps' own limits are known
            rows |= {stage.name: stage.config.limit or self._most_problems if unknown else n for stage in fed}
            if not n and not (source == "problems" and recipe.problems is not None):
                self._found.no_rows += [explain_no_rows(stage) for stage in fed if not stage.may_wait]
        if self._found.remote and not self._found.faults:
            self._guess(stages, rows)

    def _look_at_sets(self) -> None:
        """Count the completions of the imported sets that are trained on beside what is made, and see that imported pairs are judged who must be."""
        names = self._recipe.select.imported
        found = dict(run_query(self._project, SETS).rows) if names and self._project.store_path.exists() else {}
        for name in names:
            self._note(f"imported set {name}", "the store", found.get(name, 0))
            if name not in found:
                self._found.no_rows.append(explain_no_set(name, list(found)))
        judged = run_query(self._project, JUDGED_IMPORTS).rows if self._project.store_path.exists() else []
        if error := explain_unjudged(self._recipe, judged):
            self._found.no_rows.append(error)

    def _guess(self, stages: list[Stage], rows: Mapping[str, int]) -> None:
        recipe, root = self._recipe, self._project.root
        known = dict(rows)
        if recipe.problems is not None and recipe.draws:
            draw = make_draw_stage(Step("", 1, SOLVE), recipe.solve, root)
            stages = [*stages, draw]
            known[draw.name] = self._count_problems(recipe.solve.problems)
        guessed = guess_steps(stages, known, concurrency=recipe.engine.concurrency, prices=recipe.prices)
        if any(ready.judge is not None for ready in self._judges):
            from ._judge_costs import estimate_judges, expect_on_policy

            drawn = expect_on_policy(recipe, self._count_problems(config_of(recipe, ON_POLICY).problems), root)
            guessed += estimate_judges(recipe, self._judges, stages, [*guessed, *drawn], root)
        if self._splits:
            from ._judge_costs import estimate_rubrics

            scorings = 1 + count_challengers(recipe)
            guessed += estimate_rubrics(recipe, self._splits, load_grader(GRADER, root), scorings)
        self._found.guessed = guessed

    def _count_problems(self, most: int) -> int:
        """Return the most problems, of ``most``, that a step can have, by the slices of their sets."""
        sets = self._recipe.problems.sets if self._recipe.problems is not None else ()
        return min(most, sum(_count_at_most(one.source, most) for one in sets))

    def _look_at_engines(self) -> None:
        recipe = self._recipe
        engines = [recipe.engine] if recipe.generate or recipe.problems else []
        for engine in [*engines, *(judge.engine for judge in recipe.judges if judge.engine is not None)]:
            try:
                if engine.kind == "openai":
                    require_endpoint(engine.base_url)
                elif engine.kind == "vllm":
                    find_vllm_python(engine.python, self._base)
            except UserError as error:
                self._found.no_engine.append(error)

    def _is_fetched(self, what: str, spec: str, told: str = "") -> bool:
        """Say whether rows come from the hub, and if so note them, with what more is to be told."""
        if not is_remote(spec):
            return False
        self._note(what, spec, None, "; ".join(filter(None, ("named, not fetched", told))))
        self._found.remote.append(spec if spec.startswith(TASK_DATA) else f"data set {Source.parse(spec).where}")
        return True

    def _note(self, what: str, source: str, n: int | None, note: str = "") -> None:
        self._found.rows.append(RowsLine(what, source, n, note))

    def _count(self, sql: str) -> int:
        if not self._project.store_path.exists():
            return 0
        return int(run_query(self._project, sql).rows[0][0])


def _each_once(errors: Sequence[UserError]) -> list[UserError]:
    return list({error.render(): error for error in errors}.values())


def _count_at_most(spec: str, n: int) -> int:
    """Return how many of ``n`` rows a source can have, by its slice."""
    source = Source.parse(spec)
    return n if source.stop is None else min(n, source.stop - source.start)
