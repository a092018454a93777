"""Numbers as a person reads them."""


def count(n: int, noun: str) -> str:
    """Return ``n`` with its noun: ``1 row``, ``2 rows``."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def percent(score: float, stderr: float | None) -> str:
    """Return a score between 0 and 1 in percent, with its error bar where there is one."""
    return f"{100 * score:.1f}" + (f" ± {100 * stderr:.1f}" if stderr is not None else "")
