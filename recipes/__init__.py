"""Packaged recipes: data only."""
