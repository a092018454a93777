"""``python -m flywheel``."""

from .cli import main

main()
