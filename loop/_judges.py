"""The judges of a recipe: made ready and checked before anything costs time, measured against people where the recipe asks
for it, then run over the samples of their steps.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CODE, EngineConfig, JudgeConfig, Recipe, VerifierConfig, read_text, require_file
from ..errors import RecipeError
from ..gen import ProblemSet, load_samples
from ..judge import Case, Grader, make_grader, verdict_row
from ..prompts import load_template
from ..schema import content_id, hash_files
from ..store import Store

if TYPE_CHECKING:
    from ..judge.judges import Judge

DEFAULT_CONSTITUTION = "default"
LEVELS = {
    1: "It plainly breaks a principle.",
    3: "It is doubtful whether it breaks one.",
    5: "It keeps all principles.",
}
PASSES_AT = 4
GRADER = "grader"
PAGE = 2000


@dataclass(frozen=True)
class ReadyJudge:
    """A judge of the recipe.

    Attributes:
        config: as the recipe has it.
        judge: a model with its questions; None where it is code.
        grader: code; None where it is a model.
        labels: file of people's labels; None where none are asked for.
        content: content ids of the files that it rests on.
    """

    config: JudgeConfig
    judge: "Judge | None" = None
    grader: Grader | None = None
    labels: Path | None = None
    content: dict[str, str] = field(default_factory=dict)

    @property
    def filed(self) -> str:
        """What the verdicts of code are filed under: the judge's name, and a digest of all that can change one."""
        if self.grader is None:
            raise RuntimeError("what a model says is filed under its name too")
        shape = [self.grader.judge, dict(self.grader.options), self.config.map, self.grader.code_id]
        return f"{self.config.name}@{content_id('jdg', shape)[4:12]}"


def make_verifier(recipe: Recipe, problems: ProblemSet | None, base: Path) -> Grader:
    """Return the verifier of the recipe's problems.

    Raises:
        NotFoundError: there is none of that name.
        RecipeError: its options are wrong, or name a column that the problems lack.
    """
    grader = make_grader(recipe.verifier, base, "recipe, verifier")
    if problems is not None:
        grader.check_columns(problems.columns, "recipe, verifier, options")
    return grader


def make_judges(recipe: Recipe, root: Path, base: Path) -> list[ReadyJudge]:
    """Return the recipe's judges.

    Args:
        root: the project's folder, where its own templates are.
        base: folder that paths start from.

    Raises:
        RecipeError: a judge's settings are wrong, or its model is not named.
        NotFoundError: a file or verifier that it names is not there.
    """
    return [_make(config, recipe.engine, root, base) for config in recipe.judges]


def _make(config: JudgeConfig, engine: EngineConfig, root: Path, base: Path) -> ReadyJudge:
    place = f"recipe, judge {config.name}"
    if config.kind == CODE:
        grader = make_grader(VerifierConfig(name=str(config.verifier), options=config.options), base, place)
        return ReadyJudge(config, grader=grader, content=_named(f"verifier {config.verifier}", grader.code_id))
    asked = config.engine or engine
    if "models" in config.settings:
        _check_panel(asked, place)
    elif asked.kind == "openai" and not asked.model:
        raise RecipeError(
            f"{place}, engine.model", expected="the name of the model that judges: verdicts are filed under it",
            received="none", cure="set engine.model in the recipe, or in the judge's own engine",
        )  # fmt: skip
    settings: dict[str, Any] = {"kind": config.kind, "name": config.name, **config.settings}
    content: dict[str, str] = {}
    if config.constitution is not None:
        text = read_constitution(config.constitution, base, f"{place}, constitution")
        content[f"constitution {config.constitution}"] = content_id("txt", text)
        settings = {"criteria": text, **settings}
        if config.kind == "rubric":
            settings = {"levels": LEVELS, "passes_at": PASSES_AT, **settings}
    if config.kind == GRADER and isinstance(settings.get("spec"), str):
        file = base / Path(settings["spec"]).expanduser()
        settings["spec"] = read_json_file(file, f"{place}, spec")
        content[f"grader {file.name}"] = hash_files([file])
    labels = None
    if config.calibration is not None:
        labels = (base / Path(config.calibration.labels).expanduser()).absolute()
        require_file(labels, f"{place}, calibration.labels", expected="a file of rows with people's labels")
        content[f"labels {config.calibration.labels}"] = hash_files([labels])
    from ..judge.judges import make_judge  # a recipe without judges does not need them

    judge = make_judge(settings, place)
    content |= {f"template {name}": load_template(name, root).template_id for name in judge.templates}
    return ReadyJudge(config, judge, None, labels, content)


def read_json_file(path: Path, place: str) -> Any:
    """Return what a file of JSON holds.

    Raises:
        NotFoundError: there is no such file.
        RecipeError: it holds something else.
    """
    text = read_text(path, place, expected="a file of JSON")
    try:
        return json.loads(text)
    except ValueError as error:
        raise RecipeError(place, expected=f"JSON in {path}", received=str(error), cure="mend the file") from None


def _check_panel(engine: EngineConfig, place: str) -> None:
    if engine.kind != "openai":
        raise RecipeError(
            f"{place}, models", expected="engine.kind: openai, at whose endpoint the models are asked",
            received=f"engine.kind: {engine.kind}, which has the champion alone",
            cure="give the judge an engine of its own: engine: {kind: openai, base_url: …}",
        )  # fmt: skip


def _named(what: str, content: str | None) -> dict[str, str]:
    return {} if content is None else {what: content}


def read_constitution(name: str, base: Path, place: str) -> str:
    """Return written principles: our own for ``default``, else those of a text file.

    Raises:
        NotFoundError: there is no such file.
    """
    if name == DEFAULT_CONSTITUTION:
        return (resources.files("flywheel.judge.judges") / "constitution.md").read_text("utf-8").strip()
    return read_text(base / Path(name).expanduser(), place, expected="a text file with principles").strip()


def judge_by_code(store: Store, ready: ReadyJudge, grader: Grader, sample_ids: Sequence[str]) -> int:
    """Judge the samples that have no verdict of this judge yet; return how many have one now."""
    done = {i for (i,) in store.query("SELECT sample_id FROM verdicts WHERE judge = ?", [ready.filed])}
    left = [i for i in sample_ids if i not in done]
    for start in range(0, len(left), PAGE):
        items = load_samples(store, left[start : start + PAGE])
        cases = [(i.input_id, _case(dict(i.values), ready.config)) for i in items]
        store.append([verdict_row(i, grader.judge_case(case), ready.filed) for i, case in cases])
    store.fold()
    return len(sample_ids)


def _case(values: dict[str, Any], config: JudgeConfig) -> Case:
    """Return what a verifier is shown of a sample: its columns, under the names that the recipe maps them to."""
    for target, column in config.map.items():
        value = values.get(column)
        values[target] = [value] if target == "sources" and isinstance(value, str) else value
    expected = next((values[k] for k in ("expected", "answer", "reference") if values.get(k) is not None), None)
    return Case(str(values.get("completion") or ""), expected, values, None, values.get("prompt") or ())
