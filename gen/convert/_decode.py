"""Bytes to text: the encoding found, the BOM dropped, newlines of every kind made one.

Order: BOM, UTF-16 without one (by where the zero bytes stand), what the document declares, UTF-8, UTF-8 with a few
damaged bytes, then detection by statistics. Bytes that are no text in any encoding are refused.
"""

import codecs

from ._converted import Refused

NOT_TEXT = "neither text nor a known format"
SAMPLE_BYTES = 1 << 16
MOST_CONTROLS = 0.005
"""Share of control characters above which bytes are no text."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1b")) + b"\x7f"


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """Return the text and the name of its encoding.

    Args:
        declared: encoding that the document or the server names; believed only when it fits.

    Raises:
        Refused: the bytes are no text.
    """
    text, encoding = _decode(data, declared)
    return normalise_newlines(text.removeprefix("\ufeff")), encoding


def normalise_newlines(text: str) -> str:
    r"""Replace ``\r\n`` and lone ``\r`` by ``\n``."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, declared: str | None) -> tuple[str, str]:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _with_replacements(data[len(bom) :], encoding), encoding
    if b"\0" in data:
        return _decode_wide(data)
    for named in (declared, "utf-8"):
        if named and (text := _try(data, named)) is not None and not _looks_binary(data):
            return text, codecs.lookup(named).name
    if _looks_binary(data):
        raise Refused(NOT_TEXT)
    damaged = _damaged_utf8(data)
    return (damaged, "utf-8") if damaged is not None else _detect(data)


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
    """Return UTF-8 of which a few bytes are damaged, replaced by U+FFFD; None where it is another encoding."""
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    sound = sum(1 for c in text if c > "\x7f") - damaged
    return text if sound >= 5 and damaged <= 0.05 * sound else None


def _detect(data: bytes) -> tuple[str, str]:
    import chardet
    import charset_normalizer

    guessed = chardet.detect(data[:SAMPLE_BYTES])["encoding"]
    best = None if guessed else charset_normalizer.from_bytes(data[:SAMPLE_BYTES]).best()
    for encoding in (guessed, best.encoding if best else None, "cp1252"):
        if encoding and (text := _try(data, encoding)) is not None:
            return text, codecs.lookup(encoding).name
    return data.decode("cp1252", "replace"), "cp1252"
