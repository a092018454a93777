"""Models behind one interface. Importing this package loads neither torch nor openai."""

from typing import TYPE_CHECKING, Any

from ._address import require_endpoint, without_userinfo
from ._images import check_image, encode_image, inline_images, is_stored_image
from ._models import SEED_MODEL, ResolvedModel, hash_model, resolve_model, seed_model_path, sees_images
from ._openai import OpenAIEngine, import_ahead
from ._types import Choice, Engine, ModelIdentity, Reply, Request, Sampling, TokenChances, as_messages
from ._vllm import VllmEngine
from ._vllm_command import PYTHON_VARIABLE, ServerSettings, find_vllm_python, make_environment
from ._vllm_server import VllmServer

if TYPE_CHECKING:
    from ._local import LocalEngine
    from ._local_server import Answer, LocalServer, Ticket, Told
    from ._losses import continuation_losses


def __getattr__(name: str) -> Any:
    if name == "LocalEngine":
        from ._local import LocalEngine

        return LocalEngine
    if name == "continuation_losses":
        from ._losses import continuation_losses

        return continuation_losses
    if name in ("Answer", "LocalServer", "Ticket", "Told"):
        from . import _local_server

        return getattr(_local_server, name)
    raise AttributeError(name)


__all__ = [
    "PYTHON_VARIABLE",
    "SEED_MODEL",
    "Answer",
    "Choice",
    "Engine",
    "LocalEngine",
    "LocalServer",
    "ModelIdentity",
    "OpenAIEngine",
    "Reply",
    "Request",
    "ResolvedModel",
    "Sampling",
    "ServerSettings",
    "Ticket",
    "TokenChances",
    "Told",
    "VllmEngine",
    "VllmServer",
    "as_messages",
    "check_image",
    "continuation_losses",
    "encode_image",
    "find_vllm_python",
    "hash_model",
    "import_ahead",
    "inline_images",
    "is_stored_image",
    "make_environment",
    "require_endpoint",
    "resolve_model",
    "seed_model_path",
    "sees_images",
    "without_userinfo",
]
