"""Personal data and secrets in texts: found by form and, where there is one, by checksum.

A flag, not a proof: a made-up mail address looks like a true one, and names or street addresses are not looked for.
Card numbers pass Luhn's test (ISO/IEC 7812-1), IBANs the remainder 1 modulo 97 (ISO 13616) and their country's length.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_IBAN_LENGTHS = dict(
    zip(
        ["AD", "AE", "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FO", "FR", "GB", "GI", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MC", "MT", "NL", "NO", "PL", "PT", "RO", "SA", "SE", "SI", "SK", "SM", "TR", "UA"],
        (24, 23, 20, 16, 22, 21, 28, 24, 22, 18, 20, 24, 18, 18, 27, 22, 23, 27, 21, 28, 22, 26, 27, 21, 20, 20, 21, 27, 31, 18, 15, 28, 25, 24, 24, 24, 19, 24, 27, 26, 29),
        strict=True,
    )
)  # fmt: skip


@dataclass(frozen=True)
class Pii:
    """A find: its kind, and where it stands, in characters; end exclusive. The text itself is not repeated."""

    kind: str
    start: int
    end: int


def find_pii(text: str) -> list[Pii]:
    """Return what looks like mail addresses, phone numbers, IP addresses, payment cards, IBANs and keys, in order."""
    found: list[Pii] = []
    for kind, pattern, check in _KINDS:
        for match in pattern.finditer(text):
            span = Pii(kind, match.start(), match.end())
            if check(match[0]) and not any(f.start < span.end and span.start < f.end for f in found):
                found.append(span)
    return sorted(found, key=lambda f: f.start)


def mask_pii(text: str) -> str:
    """Return ``text`` with each find replaced by its kind in brackets."""
    for found in reversed(find_pii(text)):
        text = f"{text[: found.start]}[{found.kind}]{text[found.end :]}"
    return text


def has_luhn(number: str) -> bool:
    """Say whether the digits of ``number`` are 13 to 19 and pass Luhn's test."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = sum(sum(divmod(2 * d, 10)) for d in digits[-2::-2])
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[::-2]) + doubled) % 10 == 0


def has_iban_checksum(number: str) -> bool:
    """Say whether ``number`` is an IBAN of its country's length with the right check digits."""
    plain = re.sub(r"\s", "", number).upper()
    if _IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


def _is_phone(text: str) -> bool:
    return 9 <= sum(c.isdigit() for c in text) <= 15


def _always(_: str) -> bool:
    return True


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("mail", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b"), _always),
    ("key", re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{40,}\b|"
        r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_]{20,}\b|\bhf_[A-Za-z]{30,}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[\w-]{35}\b|"
        r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"), _always),
    ("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), has_iban_checksum),
    ("card", re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-]|\.\d)"), has_luhn),
    ("ip", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}(?![\w:])"), _is_address),
    ("phone", re.compile(
        r"(?<![\w.])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}(?!\w)|"
        r"(?<![\w.])\(\d{3}\) ?\d{3}[ .-]\d{4}(?!\w)|(?<![\w.-])\d{3}[.-]\d{3}[.-]\d{4}(?![\w-])"), _is_phone),
)  # fmt: skip


def count_kinds(texts: Iterator[str]) -> dict[str, int]:
    """Return in how many of ``texts`` each kind stands."""
    counts: dict[str, int] = {}
    for text in texts:
        for kind in {f.kind for f in find_pii(text)}:
            counts[kind] = counts.get(kind, 0) + 1
    return counts
