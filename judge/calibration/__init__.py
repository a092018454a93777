"""Calibration of judges: their verdicts against people's labels, with intervals, and with how ties and abstentions count."""

from ._calibrate import LEVEL, RESAMPLES, Calibration, calibrate
from ._examples import TARGETS, Example, Examples, Reading, parse_columns, read_examples
from ._figure import ABSTENTIONS, TIES, Figure, find_figure
from ._report import COLUMNS, describe, figure_cells, plot_calibration, render_calibration
from ._require import FEWEST_ROWS, Minimum, find_shortfall, lower_end, meets, require
from ._statistics import binomial_p
from ._values import KINDS, PARSERS, Kind, make_parser

__all__ = [
    "ABSTENTIONS",
    "COLUMNS",
    "FEWEST_ROWS",
    "KINDS",
    "LEVEL",
    "PARSERS",
    "RESAMPLES",
    "TARGETS",
    "TIES",
    "Calibration",
    "Example",
    "Examples",
    "Figure",
    "Kind",
    "Minimum",
    "Reading",
    "binomial_p",
    "calibrate",
    "describe",
    "figure_cells",
    "find_figure",
    "find_shortfall",
    "lower_end",
    "make_parser",
    "meets",
    "parse_columns",
    "plot_calibration",
    "read_examples",
    "render_calibration",
    "require",
]
