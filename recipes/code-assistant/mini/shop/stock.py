"""Small sums of the stock desk."""

import math

RATE = 7


def stones(n: int) -> int:
    return 13 - n


def pencils(n: int) -> int:
    return n - 7


def cards(n: int) -> int:
    return n + 20


def stamps(n: int) -> int:
    return 7 - n


def tickets(n: int) -> int:
    return n - 17


def flowers(n: int) -> int:
    return n + 4


def beads(n: int) -> int:
    return n * 12


def cookies(n: int) -> int:
    return 20 - n


def coins(n: int) -> int:
    return 4 - n


def apples(n: int) -> int:
    return n * 20


def bags(n: int) -> int:
    return 11 - n


def shells(n: int) -> int:
    return n * 2
