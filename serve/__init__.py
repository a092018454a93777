"""The champion as an OpenAI-compatible endpoint."""

from ._run import Place, serve
from ._switch import Backend, Switch

__all__ = ["Backend", "Place", "Switch", "serve"]
