"""The embedded default: a small world of word problems and a model trained in it."""

from .world import SPLITS, Problem, generate, generate_distinct, split_of

__all__ = ["SPLITS", "Problem", "generate", "generate_distinct", "split_of"]
