"""Sets of problems, as a recipe or a suite names them: where their rows are, and what is what in a row."""

from typing import Any, Literal

from pydantic import Field, model_validator

from ._source import SourceSpec
from ._strict import Strict, fault


class ColumnsConfig(Strict):
    """Which columns of a row are what; places inside one by dots: ``data.question``."""

    question: str = Field("question", min_length=1)
    answer: str | None = Field("answer", min_length=1)
    """The reference, as the verifier reads it; null: the rows have none (``regex``, ``json_schema``, …)."""
    solution: str | None = None
    """A worked solution."""
    images: str | None = Field(None, min_length=1)
    """What the question is about: a column with an image or a list of them, as paths below the folder of the file, ``data:`` URLs, or as the hub
    has them. Generators that show images show these."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Further names for places in the row, as the verifier or the template of ``solve`` calls them: ``{sources: evidence}``."""


class JoinConfig(Strict):
    """Further columns of each row, from a row of another source that has the same value under a column."""

    source: SourceSpec
    by: str = Field("id", min_length=1)
    """The column that both have; each value stands in one row of ``source``."""


class DistractorConfig(Strict):
    """Pieces of other rows, put among a row's own: an answer that uses all of them has to be wrong."""

    column: str = Field(min_length=1)
    """Column with a list of pieces (sources, documents, choices), or one text."""
    by: str = Field(min_length=1)
    """Column that says what a row is about (``claim``): no piece comes from a row with the same there."""
    n: int = Field(3, ge=1, le=64)
    """Pieces added to each row, in places drawn by its content. ``evidence_sets`` then names the places of its own, from 1."""


class ProblemSetConfig(Strict):
    """A set of problems with known answers."""

    source: SourceSpec
    join: JoinConfig | None = None
    """Where the rest of each row stands, such as answers in a file of their own: its columns come to the row's own, which win."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """What stands in columns that a row has not, after the join: ``{ground_truth: []}``."""
    format: Literal["gsm8k"] | ColumnsConfig = "gsm8k"
    """``gsm8k``: rows with ``question`` and ``answer``, the number behind ``####``. Or the columns by name:
    ``{question: problem, answer: solution}``."""
    share: float | None = Field(None, gt=0, le=1)
    """Share of each iteration's problems that is taken from this set, which is then walked through in an order of its own.
    Default: what the sets with a share leave is taken from all the others as from one set."""
    distractors: DistractorConfig | None = None
    """Pieces of other rows of the set among each row's own: sources that do not matter."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Where its rows come from: its source, and what is joined to it."""
        return (self.source,) if self.join is None else (self.source, self.join.source)


class ProblemsConfig(ProblemSetConfig):
    """The problems of a recipe: one set, or several."""

    more: tuple[ProblemSetConfig, ...] = ()
    """Further sets, each with its own format; all of them together are one set, in this order."""

    @model_validator(mode="after")
    def _shares_fit(self) -> "ProblemsConfig":
        shares = [one.share for one in self.sets]
        total = sum(share for share in shares if share is not None)
        if total > 1 + 1e-9:
            raise fault("shares of at most 1 together", f"{total:g}", "lower one", ("share",))
        if None not in shares and total < 1 - 1e-9:
            raise fault(
                "shares of 1 together, where every set has one",
                f"{total:g}",
                "leave one out: it fills the rest",
                ("share",),
            )
        if None in shares and total > 1 - 1e-9:
            raise fault("shares of less than 1 together, where a set has none", f"{total:g}", "lower one", ("share",))
        return self

    @property
    def sets(self) -> tuple[ProblemSetConfig, ...]:
        """Every set, the first one too."""
        return (self, *self.more)
