"""Ids that are known, in 8 bytes each."""

import numpy as np
from flywheel.gen import _known
from flywheel.gen._known import KeySet
from flywheel.store import Store


def test_neighbours_that_differ_in_the_last_of_64_bits_are_told_apart(project, monkeypatch):
    """A lookup that goes through a float (53 bits) would find the wrong place, and copy the whole set each time."""
    store = Store(project).open()
    known = KeySet(store, "SELECT NULL::VARCHAR WHERE false")
    known._numbers = np.array([(1 << 63) + 2 * i for i in range(1000)], np.uint64)
    monkeypatch.setattr(_known, "number_of", int)
    assert all(str((1 << 63) + 2 * i) in known for i in range(1000))
    assert not any(str((1 << 63) + 2 * i + 1) in known for i in range(1000))
    store.close()


def test_what_is_put_in_is_known_with_what_the_store_has(project):
    store = Store(project).open()
    known = KeySet(store, "VALUES ('a'), ('b'), ('a')")
    assert ("a" in known, "b" in known, "c" in known, len(known)) == (True, True, False, 2)
    known.add("c")
    assert ("c" in known, len(known)) == (True, 3)
    store.close()


def test_what_is_put_in_again_and_again_is_counted_once(project, monkeypatch):
    monkeypatch.setattr(_known, "MOST_RECENT", 50)
    store = Store(project).open()
    known = KeySet(store, "SELECT i::VARCHAR FROM range(30) t(i)")
    for i in [*range(200), *range(100, 200)]:
        known.add(str(i))
    assert len(known) == 200
    assert all(str(i) in known for i in range(200)) and not any(str(i) in known for i in range(200, 400))
    store.close()
