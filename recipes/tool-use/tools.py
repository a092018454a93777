"""Functions that the teacher may put calls of into texts: write yours here. They are called in flywheel's process."""

import operator

SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def calc(expression: str) -> str:
    """Work out a sum of two numbers.

    Args:
        expression: number, sign, number, with spaces between: 3 * 4.
    """
    left, sign, right = expression.split()
    return f"{SIGNS[sign](float(left), float(right)):g}"


def find_price(item: str, size: str) -> str:
    """Look up the price of an item.

    Args:
        item: pen, book or bag.
        size: small or large.
    """
    prices = {
        ("pen", "small"): "2",
        ("pen", "large"): "3",
        ("book", "small"): "8",
        ("book", "large"): "14",
        ("bag", "small"): "20",
    }
    if (item, size) not in prices:
        raise LookupError(f"no {size} {item}: items are pen, book, bag; sizes are small, large")
    return prices[item, size]
