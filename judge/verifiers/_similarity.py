"""How alike two texts are, by the metrics that OpenAI's ``text_similarity`` grader names.

OpenAI says which metrics there are, not by which settings; these are ours: ``fuzzy_match`` is rapidfuzz's ``ratio``; ``bleu``
sacrebleu's sentence BLEU (13a tokens, exponential smoothing); ``gleu`` nltk's, on words between spaces; ``meteor`` nltk's with
exact and stemmed matches only, since WordNet's synonyms would have to be downloaded; ``rouge_*`` rouge-score's F-measure
without stemming.
"""

from collections.abc import Callable, Sequence

from ...errors import RecipeError

Embed = Callable[[str], Sequence[float]]
LONGEST_TEXT = 20_000
"""Characters of a text that are compared, since some metrics take quadratic time."""


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
    if metric == "bleu":
        return _bleu(text, reference)
    if metric.startswith("rouge_"):
        from rouge_score import rouge_scorer

        kind = "rouge" + metric.removeprefix("rouge_").upper()
        return float(rouge_scorer.RougeScorer([kind]).score(reference, text)[kind].fmeasure)
    words, known = text.split(), reference.split()
    if not words or not known:
        return float(words == known)
    if metric == "gleu":
        from nltk.translate.gleu_score import sentence_gleu

        return float(sentence_gleu([known], words))
    from nltk.translate.meteor_score import single_meteor_score

    return float(single_meteor_score(known, words, wordnet=_NoSynonyms()))


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
