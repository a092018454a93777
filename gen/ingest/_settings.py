"""What a user may set of an ingest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...errors import NotFoundError, RecipeError
from ..convert._hash import hash_file

RULES = 1
"""Version of our conversion and cutting. A higher one makes every document a new version at its next ingest."""

DEFINITIONS = 2
"""The same of source code that is cut by definitions."""

MIN_CHUNK_TOKENS = 16


@dataclass(frozen=True)
class IngestSettings:
    """How files are read and cut.

    Raises:
        RecipeError: a value that cannot work.
        NotFoundError: ``tokenizer`` is no folder with a ``tokenizer.json``.
    """

    chunk_tokens: int = 512
    """Most tokens of a chunk."""
    overlap_tokens: int = 64
    """Most tokens that a chunk repeats from the end of the one before; 0 = disabled."""
    min_chars: int = 16
    """Fewest letters and digits of a document; 0 = disabled. One with fewer is a drop: near-empty."""
    licence: str | None = None
    """Kept with each document; None leaves what is on record."""
    tokenizer: str | None = None
    """A folder with a Hugging Face ``tokenizer.json`` that counts; default: an estimate that needs no download."""
    parser: Literal["light", "docling"] = "light"
    """``docling``: layout models and OCR for PDF, office files, HTML and images (an extra)."""
    timeout_s: float = 0.0
    """Most seconds for one file; a parser that takes longer is stopped. 0 = 60, or 600 with docling."""
    memory_mb: int = 0
    """Most address space of a parser, in MiB. 0 = 2048, or 32768 with docling."""
    max_mb: int = 256
    """Largest file, in MiB."""
    code: Literal["packed", "definitions"] = "packed"
    """``definitions``: of source code one chunk for each function, head of a class and method, and one for each run of lines between them."""
    fetch_timeout_s: float = 60.0
    """Most seconds for fetching one URL."""
    jobs: int = 0
    """Files read at once; 0 = one for each processor, at most 8."""

    def __post_init__(self) -> None:
        _demand(
            self.chunk_tokens >= MIN_CHUNK_TOKENS, "--chunk-tokens", f"{MIN_CHUNK_TOKENS} or more", self.chunk_tokens
        )
        half = f"0 to half of --chunk-tokens ({self.chunk_tokens // 2})"
        _demand(0 <= self.overlap_tokens <= self.chunk_tokens // 2, "--overlap-tokens", half, self.overlap_tokens)
        _demand(self.min_chars >= 0, "--min-chars", "0 or more", self.min_chars)
        for name in ("timeout_s", "memory_mb"):
            _demand(getattr(self, name) >= 0, _flag(name), "0 or more", getattr(self, name))
        for name in ("max_mb", "fetch_timeout_s"):
            _demand(getattr(self, name) > 0, _flag(name), "more than 0", getattr(self, name))
        _demand(self.jobs >= 0, "--jobs", "0 or more", self.jobs)
        _demand(self.parser in ("light", "docling"), "--parser", "light or docling", self.parser)
        _demand(self.code in ("packed", "definitions"), "--code", "packed or definitions", self.code)
        if self.tokenizer and not (Path(self.tokenizer) / "tokenizer.json").is_file():
            raise NotFoundError(
                f"tokenizer {self.tokenizer}",
                expected="a folder with a tokenizer.json",
                received="none",
                cure="name the folder of a downloaded model, or leave --tokenizer out for an estimate",
            )

    @property
    def file_timeout_s(self) -> float:
        """Seconds that one file may take."""
        return self.timeout_s or (600.0 if self.parser == "docling" else 60.0)

    @property
    def worker_mb(self) -> int:
        """Address space that a worker may take, in MiB."""
        return self.memory_mb or (32768 if self.parser == "docling" else 2048)

    def identity(self) -> dict[str, Any]:
        """Return what makes the chunks of the same bytes different chunks."""
        tokenizer = hash_file(Path(self.tokenizer) / "tokenizer.json") if self.tokenizer else "estimate"
        return {
            "rules": RULES,
            "chunk_tokens": self.chunk_tokens,
            "overlap_tokens": self.overlap_tokens,
            "tokenizer": tokenizer,
            "parser": self.parser,
            **({} if self.code == "packed" else {"code": self.code, "definitions": DEFINITIONS}),
        }


def _flag(name: str) -> str:
    """Return the option of the command line that sets a value."""
    return "--" + name.removesuffix("_s").replace("_", "-")


def _demand(right: bool, place: str, expected: str, received: object) -> None:
    if not right:
        raise RecipeError(place, expected=expected, received=str(received), cure="change the value")
