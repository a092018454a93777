"""The content hash of a file: the same on both sides of the worker's pipe."""

import hashlib
from pathlib import Path

DIGEST_BYTES = 20
BLOCK_BYTES = 1 << 20


def hash_bytes(data: bytes) -> str:
    """Return the BLAKE2b digest of ``data`` in hex."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def hash_file(path: Path) -> str:
    """Return the digest of a file's bytes, read in blocks of 1 MiB.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
