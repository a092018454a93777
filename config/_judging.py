"""What a recipe says of verdicts: the verifier of its problems, judges over its steps, and the pairs that come of both."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from ._engine import EngineConfig
from ._figures import FIGURES, PLAIN_FIGURES, find_figure_name, list_figures
from ._strict import Name, Strict, fault

CODE = "verifier"
"""Kind of a judge that is code."""

VERDICT_KINDS = {
    "correct/incorrect": ("correct", "incorrect"), "cited/uncited": ("cited", "uncited"), "safe/unsafe": ("safe", "unsafe"),
    "higher/lower": ("higher", "lower"),
}  # fmt: skip
"""Kinds of pairs that are made from verdicts: what the chosen and the rejected completion are."""
READY_KINDS = ("revised/original", "solved/failed branch", "imported")
"""Kinds of pairs that come with their rows, from generators and imported sets."""
PairKindName = Literal[
    "correct/incorrect", "cited/uncited", "safe/unsafe", "higher/lower", "revised/original", "solved/failed branch", "imported"
]  # fmt: skip


class VerifierConfig(Strict):
    """The code that judges completions of problems."""

    name: str = Field("math", min_length=1)
    """One of flywheel's own (``math``, ``choice``, ``code``, …), ``own.py`` beside the recipe, ``package.module:name``, or an
    entry point; see docs/verifiers.md."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The verifier's own."""


class CalibrationConfig(Strict):
    """People's labels, and how far a judge has to agree with them before it may label data."""

    labels: str = Field(min_length=1)
    """File with labelled rows (.jsonl, .json, .csv, .parquet, …), from the recipe's folder: what the judge is shown
    (``question``, ``completion``, ``reference``; of a pair ``first``, ``second``), and ``label``."""
    map: dict[str, str] = Field(default_factory=dict)
    """Which column is what, where names differ: ``{label: human, completion: output}``. Several ``label`` columns by commas."""
    kind: Literal["pairwise", "binary", "score"] | None = None
    """What the labels are; default: pairwise for pairwise judges, else binary (pass, fail)."""
    values: dict[str, str] = Field(default_factory=dict)
    """What a label means, where it is no usual word: ``{"3": tie}``."""
    minimum: dict[str, float] = Field(min_length=1)
    """Least value by figure: ``{accuracy: 0.7}``, ``{kappa: 0.4}``. Of pairs and of pass or fail ``accuracy`` and ``Cohen's kappa`` (or
    ``kappa``); of scores ``Spearman`` and ``Cohen's kappa, quadratic weights`` (``qwk``) too."""
    by: Literal["low", "value"] = "low"
    """``low``: the lower end of the figure's interval must reach it; ``value``: the figure."""
    n: int = Field(50, ge=1)
    """Fewest labelled rows that a figure must rest on."""

    @field_validator("minimum")
    @classmethod
    def _name_figures(cls, given: dict[str, float]) -> dict[str, float]:
        found = {}
        for name, least in given.items():
            if (figure := find_figure_name(name)) is None:
                raise fault(f"a figure: {list_figures()}", repr(name), "for example minimum: {accuracy: 0.7}")
            found[figure] = least
        return found


class JudgeConfig(Strict):
    """A judge over the samples of steps; further keys are the judge's own, see docs/judges.md."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    kind: str = "rubric"
    """``rubric``, ``pairwise``, ``reference``, ``checklist``, ``grader`` (``spec``: a mapping, or a file of JSON);
    ``verifier``: code, with ``verifier``, ``options`` and ``map``."""
    name: Name
    of: tuple[str, ...] = Field(min_length=1)
    """Steps whose samples are judged: names of ``generate`` steps, or ``solve``."""
    must_pass: bool = True
    """Of ``solve``: a sample that the judge fails is not trained on. An abstention fails nothing."""
    constitution: str | None = None
    """Written principles as criteria: ``default`` (ours), or a text file beside the recipe."""
    calibration: CalibrationConfig | None = None
    """Refuses the judge where it does not agree enough with people."""
    engine: EngineConfig | None = None
    """Who judges; default: the recipe's engine."""
    verifier: str | None = None
    """Of kind ``verifier``: its name."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Of kind ``verifier``: the verifier's own."""
    map: dict[str, str] = Field(default_factory=dict)
    """Of kind ``verifier``: what it reads, by the sample's columns: ``{expected: answer, sources: chunks}``."""

    @model_validator(mode="after")
    def _check_code(self) -> "JudgeConfig":
        if (self.kind == CODE) != (self.verifier is not None):
            raise fault(
                "kind: verifier and verifier: NAME together", "one without the other", "add the other, or remove both"
            )
        if self.kind == CODE and (self.settings or self.constitution or self.calibration or self.engine):
            named = [*self.settings, *(k for k in ("constitution", "calibration", "engine") if getattr(self, k))]
            raise fault("of a verifier only of, options, map and must_pass", f"{named[0]!r}", f"remove {named[0]}")
        self._check_minimum()
        return self

    def _check_minimum(self) -> None:
        """Refuse a figure that labels of this kind do not have, before anything is asked: a recipe's pairs are judged once."""
        if self.calibration is None:
            return
        kind = self.calibration.kind or ("pairwise" if self.kind == "pairwise" else "binary")
        names = FIGURES["score"] if kind == "score" else PLAIN_FIGURES
        if wrong := [name for name in self.calibration.minimum if name not in names]:
            raise fault(
                f"calibration.minimum: a figure of {kind} labels: {', '.join(names)}", repr(wrong[0]),
                "name one of these, or set calibration.kind: score" if kind != "score" else "name one of these",
            )  # fmt: skip

    @property
    def settings(self) -> dict[str, Any]:
        """The judge's own keys, without kind and name."""
        return dict(self.model_extra or {})


class PairKind(Strict):
    """One kind of pairs, and whose verdicts make it."""

    kind: PairKindName
    judge: str | None = None
    """Whose verdicts: a judge's name, or ``recorded`` for those that came with imported sets. Default: the recipe's verifier
    for correct/incorrect, ``citations`` for cited/uncited; the others of verdicts need one."""
    margin: float = Field(0.2, ge=0)
    """Least difference of scores (higher/lower), 0 to 1. Recorded scores are taken as they are, on the scale of their set."""
    chosen_passes: tuple[str, ...] = ()
    """Judges by name, or the recipe's verifier, that must have passed the chosen completion, besides what makes the pair; one
    that failed it, abstained or was not asked leaves the pair out."""
    limit: int = Field(0, ge=0)
    """Of kinds that come ready: most pairs that an iteration takes; each takes the next ones in an order shuffled by the run, and
    they begin anew when all had their turn. 0 = all."""

    @model_validator(mode="after")
    def _needs_judge(self) -> "PairKind":
        if self.limit and self.kind not in READY_KINDS:
            raise fault(
                f"limit: of pairs that come ready: {', '.join(READY_KINDS)}", f"limit: {self.limit} of {self.kind}",
                "remove it; pairs.per_problem, and limit of the steps whose samples are paired, bound these", ("limit",),
            )  # fmt: skip
        if self.kind in ("higher/lower", "safe/unsafe") and self.judge is None:
            raise fault(
                f"judge: whose verdicts make {self.kind}", "none", f"for example {{kind: {self.kind}, judge: quality}}"
            )
        if self.margin > 1 and self.judge != "recorded":
            raise fault("margin: 0 to 1, as scores of judges are", f"{self.margin:g}", "for example margin: 0.25")
        return self

    def identity(self) -> dict[str, Any]:
        """Return what makes two kinds the same: a key that flywheel learned later is left out at its default."""
        later: dict[str, Any] = {"chosen_passes": [], "limit": 0}
        return {k: v for k, v in self.model_dump(mode="json").items() if k not in later or v != later[k]}


def _by_name(given: Any) -> Any:
    return {"kind": given} if isinstance(given, str) else given


class PairConfig(Strict):
    """How judged completions become preference pairs."""

    per_problem: int = Field(2, ge=1)
    """Most pairs of one prompt, of each kind."""
    kinds: tuple[
        Annotated[PairKind, BeforeValidator(_by_name, json_schema_input_type=PairKindName | PairKind)], ...
    ] = (PairKind(kind="correct/incorrect"),)
    """``correct/incorrect``, ``cited/uncited``, ``safe/unsafe``, ``higher/lower`` are made from verdicts; ``revised/original``,
    ``solved/failed branch`` (of generators) and ``imported`` are there already, and are filtered by the same rules."""
    steps: tuple[str, ...] = ()
    """Whose samples are paired; ``import``: those of imported sets. Default: fresh draws of the SFT checkpoint (``on-policy``) in a
    run; for ``flywheel pairs`` all steps of ``generate``, and what was imported."""
    near: float = Field(0.9, ge=0, le=1)
    """Share of words in their order from which the two of a pair are near-identical and go, if they name the same numbers; 0 =
    disabled."""
    length_balanced: bool = False
    """As many pairs with the longer one chosen as with the shorter: the others go, those first that differ most in length."""
