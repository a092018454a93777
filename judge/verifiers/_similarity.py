"""How alike two texts are, by the metrics that OpenAI's ``text_similarity`` grader names.

OpenAI says which metrics there are, not by which settings; these are ours: ``fuzzy_match`` is rapidfuzz's ``ratio``; ``bleu``
sacrebleu's sentence BLEU (13a tokens, exponential smoothing); ``gleu`` nltk's, on words between spaces; ``meteor`` nltk's with
exact and stemmed matches only, since WordNet's synonyms would have to be downloaded; ``rouge_*`` rouge-score's F-measure
without stemming.

Words: rouge-score's own tokenizer knows none but ``a-z0-9``, so that any Chinese text scores 0; ours takes runs of letters,
marks and digits of every script, case folded, and in scripts without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese)
each character. The other metrics of words see those characters apart too. Of ASCII texts every score is as it was.
"""

import unicodedata
from collections.abc import Callable, Sequence

from ...errors import RecipeError

Embed = Callable[[str], Sequence[float]]
LONGEST_TEXT = 20_000
"""Characters of a text that are compared, since some metrics take quadratic time."""


_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"


class _Words:
    """The tokenizer that rouge-score is given."""

    def tokenize(self, text: str) -> list[str]:
        """Return the words of ``text``, folded."""
        import regex

        folded = unicodedata.normalize("NFKC", text).casefold()
        return list(regex.findall(rf"(?V1)[{_UNSPACED}]\p{{M}}*|[\p{{L}}\p{{M}}\p{{N}}--[{_UNSPACED}]]+", folded))


def _space_out(text: str) -> str:
    """Put spaces around the characters of scripts that have none."""
    import regex

    return text if text.isascii() else regex.sub(rf"([{_UNSPACED}]\p{{M}}*)", r" \1 ", text)


class _NoSynonyms:
    def synsets(self, word: str) -> list[object]:
        """Return nothing."""
        return []


def measure_similarity(metric: str, text: str, reference: str, embed: Embed | None = None) -> float:
    """Return the similarity of two texts, 0 to 1.

    Args:
        metric: one of :data:`~._grader_spec.METRICS`.
        text: what is graded; the first :data:`LONGEST_TEXT` characters count.
        reference: what it is compared with; so here.
        embed: gives a text's embedding; ``cosine`` needs it.

    Raises:
        RecipeError: ``cosine`` without ``embed``.
    """
    text, reference = text[:LONGEST_TEXT], reference[:LONGEST_TEXT]
    if metric == "cosine":
        return _cosine(text, reference, embed)
    if metric == "fuzzy_match":
        from rapidfuzz import fuzz

        return float(fuzz.ratio(text, reference)) / 100
    if metric.startswith("rouge_"):
        return _rouge(metric, text, reference)
    text, reference = _space_out(text), _space_out(reference)
    if metric == "bleu":
        return _bleu(text, reference)
    words, known = text.split(), reference.split()
    if not words or not known:
        return float(words == known)
    if metric == "gleu":
        from nltk.translate.gleu_score import sentence_gleu

        return float(sentence_gleu([known], words))
    from nltk.translate.meteor_score import single_meteor_score

    return float(single_meteor_score(known, words, wordnet=_NoSynonyms()))


def _rouge(metric: str, text: str, reference: str) -> float:
    from rouge_score import rouge_scorer

    kind = "rouge" + metric.removeprefix("rouge_").upper()
    return float(rouge_scorer.RougeScorer([kind], tokenizer=_Words()).score(reference, text)[kind].fmeasure)


def _bleu(text: str, reference: str) -> float:
    from sacrebleu.metrics import BLEU

    if not text.strip() or not reference.strip():
        return float(text.strip() == reference.strip())
    return min(1.0, float(BLEU(effective_order=True).sentence_score(text, [reference]).score) / 100)


def _cosine(text: str, reference: str, embed: Embed | None) -> float:
    if embed is None:
        raise RecipeError(
            "text_similarity: cosine", expected="a model that gives embeddings", received="none",
            cure="choose fuzzy_match, bleu, gleu, meteor or rouge_l",
        )  # fmt: skip
    left, right = embed(text), embed(reference)
    norm = (sum(x * x for x in left) * sum(y * y for y in right)) ** 0.5
    return max(0.0, sum(x * y for x, y in zip(left, right, strict=True)) / norm) if norm else 0.0
