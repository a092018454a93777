"""A tool, for generators that call some."""


def weigh(thing: str) -> str:
    """Say what a thing weighs."""
    return f"{len(thing)} kg"
