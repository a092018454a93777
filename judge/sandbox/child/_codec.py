"""Values between two processes that do not trust each other: plain data as JSON, everything else as a handle.

Decoding runs no code of the other side and makes only values of the types below, so that an object with an ``__eq__`` of
its own arrives as a handle that equals nothing. Iterators and generators arrive as iterators of their first items.
"""

import collections
import datetime
import decimal
import fractions
import itertools
import types
from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from typing import Any

LONGEST_ITERATOR = 100_000
_EXACT = (decimal.Decimal, fractions.Fraction)
_TIMES = (datetime.datetime, datetime.date, datetime.time)
_SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "l": list, "t": tuple, "s": set, "z": frozenset, "i": iter, "q": collections.deque,
}  # fmt: skip
_MAPPINGS: dict[str, Callable[[Any], Any]] = {
    "d": dict, "C": collections.Counter, "O": collections.OrderedDict, "D": dict,
}  # fmt: skip
_NAMED: dict[str, Callable[[str], Any]] = {
    "Decimal": decimal.Decimal, "Fraction": fractions.Fraction, "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat, "time": datetime.time.fromisoformat,
}  # fmt: skip
_TYPES: dict[str, type] = {
    t.__name__: t for t in (int, float, str, bool, list, tuple, dict, set, frozenset, bytes, complex, type(None))
}

Export = Callable[[Any], list[Any]]
"""Makes the handle of a value that is not plain."""


def encode(value: Any, export: Export) -> Any:
    """Return ``value`` as JSON data."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        plain = int(value)
        return plain if -(1 << 53) < plain < 1 << 53 else ["h", hex(plain)]
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    return _encode_compound(value, export)


def _encode_compound(value: Any, export: Export) -> list[Any]:
    if isinstance(value, complex):
        return ["c", value.real, value.imag]
    if isinstance(value, bytes | bytearray):
        return ["b" if isinstance(value, bytes) else "y", value.hex()]
    if isinstance(value, dict):
        tag = "C" if isinstance(value, collections.Counter) else "O" if _is_ordered(value) else "d"
        return [tag, *([encode(k, export), encode(v, export)] for k, v in value.items())]
    for tag, kind in (("l", list), ("t", tuple), ("s", set), ("z", frozenset), ("q", collections.deque)):
        if isinstance(value, kind):
            return [tag, *(encode(item, export) for item in value)]
    if isinstance(value, range):
        return ["r", value.start, value.stop, value.step]
    if isinstance(value, _EXACT):
        return ["n", "Decimal" if isinstance(value, decimal.Decimal) else "Fraction", str(value)]
    if isinstance(value, _TIMES):
        return ["n", next(t.__name__ for t in _TIMES if isinstance(value, t)), value.isoformat()]
    if isinstance(value, datetime.timedelta):
        return ["u", value.days, value.seconds, value.microseconds]
    if isinstance(value, type) and value in _TYPES.values():
        return ["T", value.__name__]
    if isinstance(value, KeysView | ValuesView | ItemsView):
        return ["l", *(encode(item, export) for item in value)]
    if isinstance(value, types.GeneratorType | map | filter | zip | enumerate | reversed | Iterator):
        return ["i", *(encode(item, export) for item in itertools.islice(value, LONGEST_ITERATOR))]
    return export(value)


def _is_ordered(value: Any) -> bool:
    return isinstance(value, collections.OrderedDict)


def decode(data: Any, handle: Callable[[list[Any]], Any]) -> Any:
    """Return the value of JSON data; ``handle`` makes what stands for a handle.

    Raises:
        ValueError, TypeError, IndexError, KeyError: the data are not what :func:`encode` writes.
    """
    if not isinstance(data, list):
        if isinstance(data, dict):
            raise ValueError("not a value")
        return data
    tag, *rest = data
    if tag in _SEQUENCES:
        return _SEQUENCES[tag]([decode(item, handle) for item in rest])
    if tag in _MAPPINGS:
        return _MAPPINGS[tag]({decode(k, handle): decode(v, handle) for k, v in rest})
    if tag == "n":
        return _NAMED[rest[0]](rest[1])
    if tag in _SIMPLE:
        return _SIMPLE[tag](*rest)
    return handle(data)


_SIMPLE: dict[str, Callable[..., Any]] = {
    "h": lambda text: int(text, 16), "c": complex, "b": bytes.fromhex, "y": bytearray.fromhex, "r": range,
    "u": datetime.timedelta, "T": _TYPES.__getitem__,
}  # fmt: skip
