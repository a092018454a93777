"""Names of the figures that may be demanded of a judge: how far it agrees with people, the larger the better."""

import re

_ORDERS = ("in the given order", "in the swapped order", "of both orders")
PLAIN_FIGURES = ("accuracy", "Cohen's kappa")
"""Of pairs that were judged in one order, of pass or fail, and of labels."""
FIGURES = {
    "pairwise": (
        *PLAIN_FIGURES, *(f"{name} {order}" for name in PLAIN_FIGURES for order in _ORDERS), "accuracy, mean of the two orders",
        "same verdict in both orders", "Cohen's kappa of the two orders",
    ),
    "binary": PLAIN_FIGURES,
    "label": PLAIN_FIGURES,
    "score": ("Spearman", *PLAIN_FIGURES, "Cohen's kappa, quadratic weights"),
}  # fmt: skip
"""By what is compared, in a calibration's words."""
_SHORT = {
    "kappa": "Cohen's kappa", "agreement": "accuracy", "rho": "Spearman", "spearmans rho": "Spearman",
    "quadratic kappa": "Cohen's kappa, quadratic weights", "weighted kappa": "Cohen's kappa, quadratic weights",
    "qwk": "Cohen's kappa, quadratic weights",
}  # fmt: skip


def find_figure_name(given: str) -> str | None:
    """Return the figure that a name stands for, in whatever case and punctuation, or by a short name; None for none."""
    key = _fold(given)
    names = {_fold(name): name for names in FIGURES.values() for name in names}
    names |= _SHORT | {f"kappa {order}": f"Cohen's kappa {order}" for order in _ORDERS}
    return names.get(key)


def list_figures(kind: str | None = None) -> str:
    """Return the names, for people: those of a kind, or all."""
    names = FIGURES[kind] if kind else dict.fromkeys(name for names in FIGURES.values() for name in names)
    return ", ".join(names)


def _fold(name: str) -> str:
    return " ".join(re.sub(r"[^a-z]+", " ", name.casefold().replace("'", "").replace("’", "")).split())
