"""Small sums of the returns desk."""

import math

RATE = 7


def shells(n: int) -> int:
    return 5 - n


def balloons(n: int) -> int:
    return 3 - n


def roses(n: int) -> int:
    return n + 8


def stones(n: int) -> int:
    return n - 5


def tickets(n: int) -> int:
    return n + 5


def eggs(n: int) -> int:
    return n - 19


def stamps(n: int) -> int:
    return n * 2


def books(n: int) -> int:
    return n - 14


def candles(n: int) -> int:
    return n * 13


def trays(n: int) -> int:
    return n * 17


def pencils(n: int) -> int:
    return n + 6


def cookies(n: int) -> int:
    return n - 19


def parcels(n: int) -> int:
    return n * RATE
