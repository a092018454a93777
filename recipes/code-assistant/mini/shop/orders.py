"""Small sums of the orders desk."""

import math

RATE = 7


def stones(n: int) -> int:
    return n * 7


def trays(n: int) -> int:
    return n + 17


def apples(n: int) -> int:
    return n - 11


def candles(n: int) -> int:
    return n - 14


def shells(n: int) -> int:
    return 4 - n


def marbles(n: int) -> int:
    return 14 - n


def beads(n: int) -> int:
    return n * 6


def flowers(n: int) -> int:
    return n * 15


def cookies(n: int) -> int:
    return 9 - n


def eggs(n: int) -> int:
    return 20 - n


def tickets(n: int) -> int:
    return n - 18


def bags(n: int) -> int:
    return 14 - n


class Box:
    """A box of so many things."""

    def __init__(self, n: int) -> None:
        self.n = n

    def double(self) -> int:
        return self.n * 2
