"""Models behind one interface. Importing this package loads neither torch nor openai."""

from typing import TYPE_CHECKING, Any

from ._models import SEED_MODEL, ResolvedModel, hash_model, resolve_model, seed_model_path
from ._openai import OpenAIEngine, endpoint_revision, without_userinfo
from ._types import Choice, Engine, ModelIdentity, Reply, Request, Sampling, as_messages

if TYPE_CHECKING:
    from ._local import LocalEngine


def __getattr__(name: str) -> Any:
    if name == "LocalEngine":
        from ._local import LocalEngine

        return LocalEngine
    raise AttributeError(name)


__all__ = [
    "SEED_MODEL",
    "Choice",
    "Engine",
    "LocalEngine",
    "ModelIdentity",
    "OpenAIEngine",
    "Reply",
    "Request",
    "ResolvedModel",
    "Sampling",
    "as_messages",
    "endpoint_revision",
    "hash_model",
    "resolve_model",
    "seed_model_path",
    "without_userinfo",
]
