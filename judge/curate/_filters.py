"""Filters: pure functions of one text that say why it should not be trained on, or None.

A reason is short and countable; the evidence is what it rests on. Sources: Gopher's repetition rules (Rae et al., arXiv
2112.11446, appendix A.1); the refusal and boilerplate phrases are our own list, in English.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ...config import LanguageConfig, LengthConfig, RepetitionConfig
from ...schema import MARK_PATTERN
from ._loops import loop_share

FEWEST_WORDS = 12
"""Words from which on repeated words are looked for."""


@dataclass(frozen=True)
class Finding:
    """Why a text is not fit: a countable reason, and what it rests on."""

    reason: str
    evidence: str


def check_length(text: str, config: LengthConfig, count_tokens: Callable[[str], int] | None = None) -> Finding | None:
    """Find a text that is too short or too long, in characters (without the outer white space), words or tokens.

    Raises:
        ValueError: tokens are bounded, and there is no ``count_tokens``.
    """
    if (config.min_tokens or config.max_tokens) and count_tokens is None:
        raise ValueError("min_tokens and max_tokens need count_tokens")
    measures: list[tuple[str, int, int, Callable[[], int]]] = [
        ("characters", config.min_chars, config.max_chars, lambda: len(text.strip())),
        ("words", config.min_words, config.max_words, lambda: len(text.split())),
        ("tokens", config.min_tokens, config.max_tokens, lambda: count_tokens(text) if count_tokens else 0),
    ]
    for unit, least, most, measure in measures:
        if not (least or most):
            continue
        n = measure()
        if n < least:
            return Finding(f"too short: {unit}", f"{n} < {least}")
        if most and n > most:
            return Finding(f"too long: {unit}", f"{n} > {most}")
    return None


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def detect_language(text: str) -> tuple[str, float]:
    """Return the likeliest language of ``text`` (ISO 639-1) and its probability, by py3langid's built-in model."""
    language, probability = _identifier().classify(text)
    return str(language), float(probability)


def check_language(text: str, config: LanguageConfig) -> Finding | None:
    """Find a text that is surely in none of the allowed languages."""
    if not config.allowed or sum(c.isalpha() for c in text) < config.min_letters:
        return None
    language, probability = detect_language(text)
    if language in config.allowed or probability < config.min_probability:
        return None
    return Finding(f"language: {language}", f"{language} with probability {probability:.2f}")


_CANNOT = r"(?:can(?:no|')?t|can ?not|could(?: not|n't)|am (?:un|not )able to|'m (?:un|not )able to|won't|will not)"
_DOING = (
    r"(?:help|assist|provide|fulfil|fulfill|comply|answer|generate|create|write|complete|process|access|do that|support|"
    r"offer|engage|discuss|share|continue|respond|browse|give|make|promote|participate)"
    r"(?! (?:but|feeling|wondering|the way|myself|it if))"
)
_REFUSALS = [
    re.compile(p, re.IGNORECASE)
    for p in (
        rf"^\W*(?:(?:i(?:'m| am) )?(?:(?:very |so |really |truly )?sorry|afraid)|(?:my )?apologies|i apologi[sz]e|unfortunately)"
        rf"\b[^.!?\n]{{0,80}}?\bi(?: simply| really| just)? ?{_CANNOT}\b",
        rf"^\W*(?:but |well, |no, )?i(?: simply| really| just)? ?{_CANNOT} {_DOING}\b",
        r"\bas an? (?:(?:ai|artificial intelligence|large|responsible|text-based|digital|virtual)\b[\w ,-]{0,40}?|"
        r"language )(?:model|assistant|system|program|ai|intelligence)?\b[^.!?\n]{0,60}?\bi\b",
        r"\bi(?:'m| am) (?:just |only |merely )?an? (?:ai|artificial intelligence|(?:large )?language model)\b",
        r"^\W*i(?:'m| am) (?:not able|unable|not programmed|not permitted|not allowed) to\b",
        r"\b(?:against|violates?) (?:my|openai's|our) (?:programming|guidelines|policy|policies|use case policy)\b",
        r"^\W*(?:i must|i have to) (?:decline|refuse)\b|^\W*i (?:decline|refuse) to\b",
        r"^\W*it (?:is|would be) (?:not |in)appropriate (?:for me )?to\b",
        r"\bmy (?:knowledge|training)(?: data)? (?:cut-?off|only goes up)\b",
    )
]
_REFUSAL_CHARS = 300


def check_refusal(text: str) -> Finding | None:
    """Find a text whose first 300 characters refuse to answer, or speak of being a model."""
    head = text[:_REFUSAL_CHARS].replace("’", "'")
    found = next((m for p in _REFUSALS if (m := p.search(head))), None)
    return Finding("refusal", found[0].strip()[:120]) if found else None


_BOILERPLATE = [
    (name, re.compile(p, re.IGNORECASE | re.MULTILINE))
    for name, p in (
        ("placeholder", r"\[(?:your|insert|company|recipient)[\w ,'/-]{0,40}\]|<(?:your|insert)[\w -]{1,40}>|\blorem ipsum\b"),
        ("chat remark", r"^\W*(?:sure|certainly|of course|absolutely)[,!.]* (?:here(?:'s| is| are)|i(?:'d| would) be (?:happy|glad))\b"),
        ("chat remark", r"(?:i hope (?:this|that) helps|let me know if you (?:have|need)|feel free to ask)[^\n]{0,80}\s*\Z"),
        ("web page", r"\b(?:accept (?:all )?cookies|all rights reserved|terms of (?:use|service) (?:apply|and)|subscribe to our newsletter|"
         r"click here to|javascript (?:is|must be) (?:disabled|enabled))\b"),
        ("template mark", rf"{MARK_PATTERN}|^### ?(?:Instruction|Response|Human|Assistant):"),
        ("benchmark canary", r"\bcanary guid\b|benchmark data should never appear in training"),
    )
]  # fmt: skip


BOILERPLATE = ("placeholder", "chat remark", "web page", "template mark", "benchmark canary")


def check_boilerplate(text: str, kinds: Sequence[str] = BOILERPLATE) -> Finding | None:
    """Find placeholders, chat remarks, page furniture, a chat template's own marks, and benchmarks' canaries."""
    text = text.replace("’", "'")
    for name, pattern in _BOILERPLATE:
        if name in kinds and (found := pattern.search(text)):
            return Finding(f"boilerplate: {name}", found[0].strip()[:120])
    return None


def check_without(prompt: str, completion: str, texts: Sequence[str]) -> Finding | None:
    """Find one of the texts that no row is to hold, in its prompt or its completion."""
    found = next(
        ((w, t) for t in texts for w, said in (("prompt", prompt), ("completion", completion)) if t in said), None
    )
    return Finding("text of curate.without", f"{found[1]} in the {found[0]}") if found else None


def check_repetition(text: str, config: RepetitionConfig) -> Finding | None:
    """Find a text that says the same again and again: words by Gopher's shares, or characters in a loop."""
    if not config.enabled:
        return None
    words = text.split()
    for name, share, most in _word_shares(text, words, config) if len(words) >= FEWEST_WORDS else ():
        if share > most:
            return Finding(f"repetition: {name}", f"{share:.2f} > {most:.2f}")
    share = loop_share(text) if config.loops < 1 else 0.0
    return Finding("repetition: characters", f"{share:.2f} > {config.loops:.2f}") if share > config.loops else None


def _word_shares(text: str, words: list[str], config: RepetitionConfig) -> Iterator[tuple[str, float, float]]:
    """Yield what is measured, its share, and the largest share that stays."""
    if len(words) < config.min_words:
        yield "loop", _repeated_share(words, 3), config.short_text
        return
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    duplicate = [line for line, n in Counter(lines).items() for _ in range(n - 1)]
    yield "duplicate lines", len(duplicate) / len(lines), config.duplicate_lines
    yield "characters in duplicate lines", sum(map(len, duplicate)) / len(text), config.duplicate_line_chars
    for n, most in enumerate(config.top_ngrams, 2):
        yield f"top {n}-gram", _top_share(words, n), most
    for n, most in enumerate(config.duplicate_ngrams, 5):
        yield f"duplicate {n}-grams", _repeated_share(words, n), most


def _top_share(words: list[str], n: int) -> float:
    """Return the share of characters that the most frequent n-gram covers; 0 when none stands twice."""
    counts = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    gram, times = max(counts.items(), key=lambda item: (item[1], sum(map(len, item[0]))), default=((), 0))
    return sum(map(len, gram)) * times / max(1, sum(map(len, words))) if times > 1 else 0.0


def _repeated_share(words: list[str], n: int) -> float:
    """Return the share of characters that stand in n-grams which came before; each character counts once."""
    seen: set[tuple[str, ...]] = set()
    repeated, i = 0, 0
    while i + n <= len(words):
        gram = tuple(words[i : i + n])
        if gram in seen:
            repeated += sum(map(len, gram))
            i += n
        else:
            seen.add(gram)
            i += 1
    return repeated / max(1, sum(map(len, words)))
