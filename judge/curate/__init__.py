"""Curation: which rows deserve training, step by step, with every reason on record. See docs/curate.md."""

from ...config import (
    AffixConfig,
    CurationConfig,
    DifficultyConfig,
    DuplicateConfig,
    LanguageConfig,
    LengthConfig,
    RepetitionConfig,
    SelectionConfig,
)
from ._affixes import Affix, AffixCounter, find_affixes
from ._conflicts import find_opposed, read_labels
from ._difficulty import order_rows, read_pass_rates
from ._diversity import (
    Diversity,
    Selection,
    cluster_topics,
    embed_lexically,
    measure_coverage,
    measure_diversity,
    measure_entropy,
    name_topics,
    select_diverse,
)
from ._duplicates import Duplicate, exact_key, find_exact, find_near, find_semantic, short_key
from ._filters import (
    Finding,
    check_boilerplate,
    check_language,
    check_length,
    check_refusal,
    check_repetition,
    check_without,
    detect_language,
)
from ._minhash import MinHashIndex, choose_bands
from ._pii import Pii, find_pii, mask_pii
from ._pipeline import STEPS, Curated, CurateDrop, CurateRow, StepCount, curate
from ._report import DataCard, read_card, render_card, write_card

__all__ = [
    "STEPS",
    "Affix",
    "AffixConfig",
    "AffixCounter",
    "CurateDrop",
    "CurateRow",
    "Curated",
    "CurationConfig",
    "DataCard",
    "DifficultyConfig",
    "Diversity",
    "Duplicate",
    "DuplicateConfig",
    "Finding",
    "LanguageConfig",
    "LengthConfig",
    "MinHashIndex",
    "Pii",
    "RepetitionConfig",
    "Selection",
    "SelectionConfig",
    "StepCount",
    "check_boilerplate",
    "check_language",
    "check_length",
    "check_refusal",
    "check_repetition",
    "check_without",
    "choose_bands",
    "cluster_topics",
    "curate",
    "detect_language",
    "embed_lexically",
    "exact_key",
    "find_affixes",
    "find_exact",
    "find_near",
    "find_opposed",
    "find_pii",
    "find_semantic",
    "mask_pii",
    "measure_coverage",
    "measure_diversity",
    "measure_entropy",
    "name_topics",
    "order_rows",
    "read_card",
    "read_labels",
    "read_pass_rates",
    "render_card",
    "select_diverse",
    "short_key",
    "write_card",
]  # fmt: skip
