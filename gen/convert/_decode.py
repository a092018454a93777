"""Bytes to text: the encoding found, the BOM dropped, newlines of every kind made one.

Order: BOM, UTF-16 without one (by where the zero bytes stand), what the document declares, ISO-2022 by its escapes, UTF-8,
UTF-8 with a few damaged bytes, then detection by statistics. A few damaged bytes of a detected encoding of several bytes a
character become U+FFFD too. Between encodings of one byte a character the words decide: signs do not stand inside them.
Bytes that are no text in any encoding are refused.
"""

import codecs
from typing import Any

from ._converted import DAMAGED, Refused

NOT_TEXT = "neither text nor a known format"
SAMPLE_BYTES = 1 << 16
MOST_CONTROLS = 0.005
"""Share of control characters above which bytes are no text."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_ESCAPES = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$", "iso2022_jp_2"), (b"\x1b(J", "iso2022_jp_2"))
MOST_DAMAGED = 0.05
"""Share of the characters beyond ASCII that may be damaged."""
LEAST_WIDE = 0.2
"""Share of bytes beyond ASCII from which on a text may be in an encoding of several bytes a character."""
SURE = 0.8
"""Certainty from which on a detected encoding of several bytes a character is believed, damaged or not."""
_WIDE = {
    "SHIFT_JIS": "cp932", "CP932": "cp932", "GB18030": "gb18030", "GB2312": "gb18030", "CP949": "cp949", "EUC-KR": "cp949",
    "EUC-JP": "euc_jp", "BIG5": "big5", "BIG5-HKSCS": "big5hkscs", "JOHAB": "johab",
}  # fmt: skip
_RIVALS = {
    "cp1250": ("cp1250", "iso8859_2", "cp852"), "iso8859-2": ("cp1250", "iso8859_2", "cp852"),
    "cp1252": ("cp1252", "iso8859_15", "cp850"), "iso8859-1": ("cp1252", "iso8859_15", "cp850"),
}  # fmt: skip
"""Encodings that statistics of bytes take for each other."""
_ANY_WESTERN = ("cp1252", "iso8859_15", "cp850", "cp1250", "iso8859_2", "cp852")
_LATIN = frozenset(codecs.lookup(name).name for name in (*_ANY_WESTERN, "cp1257", "cp1254", "iso8859_4", "iso8859_9"))
MOST_BEYOND_ASCII = 0.5
"""Share of characters beyond ASCII that no text in Latin letters has: a damaged one in an encoding of several bytes has."""
_BESIDE_WORDS = frozenset("«»‹›“”„‚‘’…–—°²³¹ªº·©®™€£§´¿¡\xa0\xad")
"""Signs that may stand at one side of a word."""
_INSIDE_WORDS = frozenset("’·–\xad")

_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1b")) + b"\x7f"


def decode(data: bytes, declared: str | None = None) -> tuple[str, dict[str, Any]]:
    """Return the text, and what goes on record: its ``encoding`` and how certain that is (``encoding_certainty``, 0 to 1).

    Args:
        declared: encoding that the document or the server names; believed only when it fits.

    Raises:
        Refused: the bytes are no text.
    """
    text, encoding, certainty = _decode(data, declared)
    found = {"encoding": encoding, "encoding_certainty": round(certainty, 2)}
    return normalise_newlines(text.removeprefix("\ufeff")), found


def find_encoding(sample: bytes) -> str:
    """Return the encoding of a file by a part of it, which may break off inside a character.

    Raises:
        Refused: the bytes are no text.
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        pass
    else:
        if b"\0" not in sample and not any(mark in sample for mark, _ in _ESCAPES):
            return "utf-8"
    damaged = sample.decode("utf-8", "replace").count("\ufffd")
    sound = sum(1 for c in sample.decode("utf-8", "ignore") if c > "\x7f")
    return "utf-8" if sound > damaged else _decode(sample, None)[1]


def normalise_newlines(text: str) -> str:
    r"""Replace ``\r\n`` and lone ``\r`` by ``\n``."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, declared: str | None) -> tuple[str, str, float]:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _with_replacements(data[len(bom) :], encoding), encoding, 1.0
    if b"\0" in data:
        return (*_decode_wide(data), 1.0)
    escaped = next((encoding for mark, encoding in _ESCAPES if mark in data), None)
    if escaped and not declared and (text := _damaged_wide(data, escaped)) is not None:
        return text, escaped, 1.0
    for named in (declared, "utf-8"):
        if named and (text := _try(data, named)) is not None and not _looks_binary(data):
            return text, codecs.lookup(named).name, 1.0
    if _looks_binary(data):
        raise Refused(NOT_TEXT)
    damaged = _damaged_utf8(data)
    return (damaged, "utf-8", 1.0) if damaged is not None else _detect(data)


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def _with_replacements(data: bytes, encoding: str) -> str:
    return data.decode(encoding, "replace")


def _looks_binary(data: bytes) -> bool:
    sample = data[:SAMPLE_BYTES]
    return len(sample) - len(sample.translate(None, _CONTROLS)) > MOST_CONTROLS * len(sample)


def _decode_wide(data: bytes) -> tuple[str, str]:
    """Decode UTF-16 without a BOM: in Western text every other byte is zero."""
    sample = data[: SAMPLE_BYTES & ~1]
    even, odd, half = sample[::2].count(0), sample[1::2].count(0), max(len(sample) // 2, 1)
    for encoding, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros > 0.4 * half and others < 0.05 * half and (text := _try(data[: len(data) & ~1], encoding)) is not None:
            return text, encoding
    raise Refused(NOT_TEXT)


def _damaged_utf8(data: bytes) -> str | None:
    """Return UTF-8 of which a few bytes are damaged, replaced by U+FFFD; None where it is another encoding.

    Raises:
        Refused: more than a few are.
    """
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    sound = sum(1 for c in text if c > "\x7f") - damaged
    if sound >= 5 and sound > damaged > MOST_DAMAGED * sound:
        raise Refused(DAMAGED, f"text in utf-8 of which more than {MOST_DAMAGED:.0%} cannot be read")
    return text if sound >= 5 and damaged <= MOST_DAMAGED * sound else None


def _detect(data: bytes) -> tuple[str, str, float]:
    import chardet

    found = chardet.detect(data[:SAMPLE_BYTES])
    guessed, certainty = found["encoding"], float(found["confidence"] or 0.0)
    if _WIDE.get(str(guessed).upper()) is None:
        second = _look_past_damage(data[:SAMPLE_BYTES]) or (None if guessed else _second_opinion(data[:SAMPLE_BYTES]))
        guessed, certainty = second or (guessed, certainty)
    if wide := _WIDE.get(str(guessed).upper()):
        if (text := _damaged_wide(data, wide)) is not None:
            return text, wide, certainty
        if certainty >= SURE:
            raise Refused(DAMAGED, f"text in {wide} of which more than {MOST_DAMAGED:.0%} cannot be read")
    name = codecs.lookup(guessed).name if guessed and not wide else ""
    rivals = _RIVALS.get(name) or ((name,) if name and _try(data, name) is not None else _ANY_WESTERN)
    sample = data[:SAMPLE_BYTES]
    best = min(rivals, key=lambda encoding: _oddity(sample.decode(encoding, "replace")))
    if codecs.lookup(best).name in _LATIN and _share_beyond_ascii(sample.decode(best, "replace")) > MOST_BEYOND_ASCII:
        raise Refused(DAMAGED, f"text in no known encoding: as {best}, most of it is no words")
    return data.decode(best, "replace"), codecs.lookup(best).name, certainty


def _look_past_damage(sample: bytes) -> tuple[str, float] | None:
    """Return an encoding of several bytes a character that is certain once the few bytes that it cannot read are left out."""
    import chardet

    high = sum(1 for b in sample if b > 0x7F)
    if high < LEAST_WIDE * len(sample):
        return None
    for encoding in ("cp932", "gb18030", "cp949", "euc_jp", "big5"):
        strict = "shift_jis" if encoding == "cp932" else encoding
        clean = _without_damage(sample, strict, max(1, int(MOST_DAMAGED * high)))
        found = chardet.detect(clean) if clean else {"encoding": None, "confidence": 0.0}
        if _WIDE.get(str(found["encoding"]).upper()) == encoding and float(found["confidence"] or 0.0) >= SURE:
            return str(found["encoding"]), float(found["confidence"] or 0.0)
    return None


def _without_damage(sample: bytes, encoding: str, most: int) -> bytes | None:
    """Return a sample without the bytes that are not in an encoding; None where they are more than ``most``."""
    for _ in range(most + 1):
        try:
            sample.decode(encoding)
        except UnicodeDecodeError as error:
            sample = sample[: error.start] + sample[error.start + 1 :]
        else:
            return sample
    return None


def _second_opinion(sample: bytes) -> tuple[str | None, float]:
    """Return an encoding of several bytes a character that the text may be in, and how certain that is."""
    import charset_normalizer

    best = charset_normalizer.from_bytes(sample).best()
    wide = best and best.encoding.upper().replace("_", "-") in _WIDE
    return (best.encoding.upper().replace("_", "-"), 1.0 - best.chaos) if best and wide else (None, 0.0)


_NO_CHARACTERS = dict.fromkeys(range(0xF8F0, 0xF8F4), "\ufffd")
"""What Python makes of the bytes A0, FD, FE and FF in cp932."""


def _damaged_wide(data: bytes, encoding: str) -> str | None:
    """Return a text of which a few bytes may be damaged, replaced by U+FFFD; None where they are more."""
    text = data.decode(encoding, "replace").translate(_NO_CHARACTERS)
    damaged = text.count("\ufffd")
    return text if damaged <= max(1, MOST_DAMAGED * sum(1 for c in text if c > "\x7f")) else None


def _share_beyond_ascii(text: str) -> float:
    """Return the share of characters beyond ASCII, lines and blocks that tables are drawn with left out."""
    return sum(1 for c in text if c > "\x7f" and not "\u2500" <= c <= "\u259f") / max(1, len(text))


def _oddity(text: str) -> float:
    """Return how little a text looks like words: signs in them or at them, capitals behind small letters, controls.

    Only characters beyond ASCII count: what is wrong about others is so in every encoding.
    """
    odd = 0.0
    for before, c, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if c <= "\x7f":
            continue
        if c in "\ufffd\xa4" or c <= "\x9f":
            odd += 3
        elif c.isalpha():
            odd += before.islower() and c.isupper()
        elif before.isalpha() and after.isalpha():
            odd += 0 if c in _INSIDE_WORDS else 2
        elif (before.isalpha() or after.isalpha()) and c not in _BESIDE_WORDS:
            odd += 1
    return odd
