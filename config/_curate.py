"""What curation does to a set: the recipe's key ``curate``, every step with its default."""

from typing import Literal

from pydantic import Field

from ._strict import Strict


class LengthConfig(Strict):
    """Bounds of a completion's length, each end included."""

    min_chars: int = Field(1, ge=0)
    max_chars: int = Field(0, ge=0)
    """0 = disabled, as for the other upper bounds."""
    min_words: int = Field(0, ge=0)
    max_words: int = Field(0, ge=0)
    min_tokens: int = Field(0, ge=0)
    """Needs a tokeniser, given to the pipeline; 0 = disabled."""
    max_tokens: int = Field(0, ge=0)


class LanguageConfig(Strict):
    """Languages that stay; only a sure guess of another one drops a row."""

    allowed: tuple[str, ...] = ()
    """ISO 639-1 codes; empty = disabled."""
    min_probability: float = Field(0.7, ge=0, le=1)
    min_letters: int = Field(20, ge=0)
    """Texts with fewer letters stay: nobody can tell."""


class RepetitionConfig(Strict):
    """The repetition rules of Gopher (Rae et al., arXiv 2112.11446, table A1): the largest shares that stay."""

    enabled: bool = True
    duplicate_lines: float = Field(0.30, ge=0, le=1)
    duplicate_line_chars: float = Field(0.20, ge=0, le=1)
    top_ngrams: tuple[float, ...] = (0.20, 0.18, 0.16)
    """Share of characters in the most frequent 2-, 3-, 4-gram, where it stands more than once."""
    duplicate_ngrams: tuple[float, ...] = (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
    """Share of characters in 5- to 10-grams that stand more than once."""
    min_words: int = Field(200, ge=0)
    """Shorter texts are not held to these shares, which are those of whole pages: a solution of a word problem repeats itself."""
    short_text: float = Field(0.5, ge=0, le=1)
    """Share of characters in 3-grams that stood before, for those shorter texts (from 12 words on): a model in a loop."""
    loops: float = Field(0.5, ge=0.5, le=1)
    """Share of characters, of a text of any length and script, in a stretch that is said four times or more with nothing between
    (``哈哈哈哈``, ``aaaaaa``, a line again and again); 1 = disabled."""


class AffixConfig(Strict):
    """Constant endings and beginnings of the completions of a set."""

    min_share: float = Field(0.5, gt=0, le=1)
    """Share of the rows from which on an affix is constant."""
    min_rows: int = Field(20, ge=1)
    min_chars: int = Field(2, ge=1)
    action: Literal["report", "drop"] = "report"
    """Texts are never changed: who wants an affix off strips it when the rows are made."""


class DuplicateConfig(Strict):
    """Which rows are the same."""

    exact: bool = True
    near: float = Field(0.7, ge=0, le=1)
    """Jaccard similarity of word n-grams; 0 = disabled."""
    near_words: int = Field(2, ge=1)
    same_numbers: bool = True
    """Rows whose numbers differ are no near duplicates: a word problem with other numbers is another problem."""
    semantic: float = Field(0.0, ge=0, le=1)
    """Cosine of embeddings, by ``curate.embed`` (without it hashed TF-IDF, which sees words only); 0 = disabled."""
    earlier: bool = True
    """Rows like those that the model at hand was trained on in earlier iterations, or that are replayed, go too."""


class SelectionConfig(Strict):
    """The n best and most diverse rows (DEITA, Liu et al., arXiv 2312.15685); in a run, of those for SFT."""

    n: int = Field(0, ge=0)
    """0 = all rows stay."""
    distance: float = Field(0.1, ge=0, le=2)
    """A row is left out when its cosine distance to a chosen one is smaller; DEITA's threshold is a cosine of 0.9."""


class DifficultyConfig(Strict):
    """Bounds of the share of draws that solved the problem; rows without a pass rate stay."""

    min_pass_rate: float = Field(0.0, ge=0, le=1)
    max_pass_rate: float = Field(1.0, ge=0, le=1)
    order: Literal["given", "easy_to_hard", "stages"] = "given"
    stages: int = Field(3, ge=1)
    mixture: float = Field(0.2, ge=0, le=1)
    """Share of each stage that is drawn from all other stages."""


class CurationConfig(Strict):
    """All steps of curation, in the order in which they run; ``pii`` says whether rows with PII are dropped or flagged."""

    length: LengthConfig = LengthConfig()
    language: LanguageConfig = LanguageConfig()
    refusals: bool = True
    boilerplate: tuple[Literal["placeholder", "chat remark", "web page", "template mark", "benchmark canary"], ...] = (
        "placeholder", "web page", "template mark", "benchmark canary",
    )  # fmt: skip
    """Kinds that drop a row; empty = disabled."""
    without: tuple[str, ...] = ()
    """Texts that drop a row whose prompt or completion holds one, before anything is chosen: ``["<extra_id_1>"]``."""
    repetition: RepetitionConfig = RepetitionConfig()
    pii: Literal["off", "flag", "drop"] = "flag"
    affixes: AffixConfig = AffixConfig()
    conflicts: bool = True
    difficulty: DifficultyConfig = DifficultyConfig()
    duplicates: DuplicateConfig = DuplicateConfig()
    decontaminate: bool = True
    """A run always decontaminates: there it may not be false."""
    selection: SelectionConfig = SelectionConfig()
    embed: str | None = Field(None, pattern=r"^[^:]+:[A-Za-z_]\w*$")
    """The embedding model, for semantic duplicates, selection and ``decontaminate.embedding``: a function from a list of texts to
    vectors, ``own.py:embed`` beside the recipe or ``package.module:embed``; default: hashed TF-IDF."""
    seed: int = Field(0, ge=0)

    @classmethod
    def off(cls) -> "CurationConfig":
        """Return what ``curate: false`` stands for: no step but decontamination."""
        return cls(
            length=LengthConfig(min_chars=0), refusals=False, boilerplate=(), repetition=RepetitionConfig(enabled=False),
            pii="off", conflicts=False, duplicates=DuplicateConfig(exact=False, near=0),
        )  # fmt: skip
