"""The page on a project: what was made, why it was promoted, and a person's word on it."""

from ._app import make_app
from ._guard import TOKEN_VARIABLE
from ._serve import serve

__all__ = ["TOKEN_VARIABLE", "make_app", "serve"]
