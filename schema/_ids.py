"""Content ids: the same content has the same id on every machine, in every run.

An id is ``<tag>_<24 base32 letters>``: 120 bits of BLAKE2b over the canonical JSON of the content. The tag says what
kind of row it names, so that an id in a query or a log explains itself.
"""

import hashlib
from pathlib import Path
from typing import Any

import orjson

DIGEST_BYTES = 15
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_LETTERS = [a + b for a in _BASE32 for b in _BASE32]
_SHIFTS = range(8 * DIGEST_BYTES - 10, -1, -10)


def canonical_json(value: Any) -> str:
    """Serialise ``value`` so that equal content gives equal text: sorted keys, no spaces; NaN becomes null."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def content_id(tag: str, content: Any) -> str:
    """Return the tagged id of ``content``, anything that JSON can hold."""
    return hash_id(tag, orjson.dumps(content, option=orjson.OPT_SORT_KEYS))


def hash_id(tag: str, content: bytes) -> str:
    """Return the tagged id of ``content`` that is bytes already."""
    number = int.from_bytes(
        hashlib.blake2b(content, digest_size=DIGEST_BYTES, person=tag.encode()[:16]).digest(), "big"
    )
    return f"{tag}_" + "".join([_LETTERS[number >> shift & 1023] for shift in _SHIFTS])


def hash_files(paths: list[Path]) -> str:
    """Return a hex digest over the names and bytes of ``paths``, read in blocks of 1 MiB."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def seed_from(*parts: object) -> int:
    """Derive a 63-bit random seed from ``parts``; equal parts give the equal seed."""
    digest = hashlib.blake2b(canonical_json([str(p) for p in parts]).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> 1
