"""Small sums of the prices desk."""

import math

RATE = 7


def tickets(n: int) -> int:
    return n - 14


def boxes(n: int) -> int:
    return n + 4


def beads(n: int) -> int:
    return n + 13


def buttons(n: int) -> int:
    return n + 18


def roses(n: int) -> int:
    return n + 4


def flowers(n: int) -> int:
    return 4 - n


def cards(n: int) -> int:
    return n + 19


def stamps(n: int) -> int:
    return n - 20


def apples(n: int) -> int:
    return 3 - n


def candles(n: int) -> int:
    return n * 15


def pencils(n: int) -> int:
    return n - 5


def bags(n: int) -> int:
    return 12 - n


def show(n: int) -> None:
    print("there are", n, "of them")
