"""Loading large libraries without a search for garbage meanwhile."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Have Python's garbage collector off while the block imports.

    Torch, a trainer and what they load make a million objects and next to no garbage; looking for it is a sixth of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
