r"""One spelling for what is written in many: Markdown and LaTeX around an answer, Unicode's signs, repeating decimals."""

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction


def words(text: str) -> tuple[str, ...]:
    """Return the words of ``text``: how tables of words are written here."""
    return tuple(text.split())


LONGEST_TEXT = 500
"""Characters of the longest answer that is read."""

_SIGNS = {
    "−": "-", "–": "-", "×": r"\times ", "⋅": r"\cdot ", "·": r"\cdot ", "÷": "/", "∕": "/", "⁄": "/", "π": r"\pi ", "∞": r"\infty ",
    "≈": r"\approx ", "≃": r"\approx ", "±": r"\pm ", "≤": r"\leq ", "≥": r"\geq ", "≠": r"\neq ", "∪": r"\cup ", "∈": r"\in ",
    "∅": r"\emptyset ", "√": r"\sqrt ", "º": "°", "¢": " cents", "，": ",", "：": ":", "。": ".", "…": "...", r"\ldots": "...",
    r"\dots": "...", r"^\circ": "°", r"^{\circ}": "°", r"\degree": "°", r"\langle": "(", r"\rangle": ")", "{,}": ",",
    r"\colon": ":", r"\varnothing": r"\emptyset", r"\%": "%", "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "⅕": r"\frac{1}{5}", "⅛": r"\frac{1}{8}",
}  # fmt: skip
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_PLAIN_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_REPEATING = re.compile(r"(\d*)\.(\d*?)(?:\\(?:overline|bar|dot)\s*\{?(\d+)\}?|\((\d+)\)|(\d{1,3}?)\5+\.{3})(?!\d)")


def _power(found: re.Match[str]) -> str:
    return "^{" + found[0].translate(_PLAIN_DIGITS) + "}"


def _fraction_of_repeating(found: re.Match[str]) -> str:
    block = found[3] or found[4] or found[5]
    scale, nines = 10 ** len(found[2]), 10 ** len(block) - 1
    value = Fraction(int((found[1] or "0") + found[2]), scale) + Fraction(int(block), scale * nines)
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_SUPERSCRIPT, _power),  # before Unicode's folding, which would make 10⁵ of 105
    (re.compile(r"\\!\s*"), ""),  # 11,\! 111 is one number
    (re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![a-zA-Z])\.?"), ""),  # brackets that grow
    (re.compile(r"\\(?:(?:displaystyle|q?quad)(?![a-zA-Z])|[,;: ])|~"), " "),  # space only
    (re.compile(r"\\(?:text(?:bf|it|rm|normal)?|math(?:rm|bf|it)|mbox|boldsymbol|operatorname|f?boxed)\s*\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"\\[()]|(?<!\\)\\[\[\]]"), " "),  # \( and \[ around mathematics
    (re.compile(r"\*\*(?=[^\s*])([^*]*[^\s*])\*\*"), r"\1"),  # bold in Markdown
    (re.compile(r"(?<=[\w)])\s*\*\*\s*(?=[\w(-])"), "^"),  # Python's power
    (re.compile(r"</?(?:answer|b|strong|i|em|code)>", re.IGNORECASE), ""),
    (_REPEATING, _fraction_of_repeating),
    (re.compile(r"(?<![\d.])(\d{1,3}(?: \d{3})+)(?![\d/]| \d)"), lambda m: m[1].replace(" ", "")),  # 1 234 567
    (re.compile(r"\s+"), " "),
)  # fmt: skip


def tidy_answer(text: str, *, in_latex: bool = False) -> str:
    r"""Return an answer without what only decorates it.

    Args:
        text: the answer; at most :data:`LONGEST_TEXT` characters of it are rewritten.
        in_latex: it stood in ``\boxed{}``: one exclamation mark is a factorial there, and elsewhere an outcry.
    """
    if len(text) > LONGEST_TEXT:
        return text.strip()
    text = _without_dollars(text)
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    for pattern, plain_text in _RULES:
        text = pattern.sub(plain_text, text)
    text = unicodedata.normalize("NFKC", text).strip().strip("*_`").strip()
    if in_latex and re.search(r"[\w)}]!$", text):
        return text
    return text.rstrip("!. ").strip("*_` ").rstrip("!.,;: ")


def _without_dollars(text: str) -> str:
    r"""Take the ``$`` off that stand around mathematics (an even number of them); the others are a currency's."""
    bare = text.replace(r"\$", "\0").strip()
    if bare.count("$") % 2 == 0:
        bare = bare.replace("$", " ")
    return bare.replace("\0", "$")


_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{\s*(-?\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))")


def plain_fractions(text: str) -> str:
    r"""Return ``text`` with `` 1/2 `` for ``\frac{1}{2}``: for whole quantities only, since ``1/2 x`` is read as 1/(2x)."""
    return _FRACTION.sub(lambda m: f" {m[1] or m[2]}/{m[3] or m[4]} ", text).strip()
