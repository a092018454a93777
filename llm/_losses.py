"""How well a model in this process expects a text: the loss of a continuation after one context or another."""

import functools
import threading
from collections.abc import Sequence
from typing import Any

from ._models import load_model, resolve_model

_LOCK = threading.Lock()


def continuation_losses(
    model: str, prompt: Sequence[dict[str, Any]], contexts: Sequence[str], continuation: str, *, window: int
) -> list[float]:  # fmt: skip
    """Return the weighted mean loss (nats a token) of a continuation after each context.

    The weights of its first ``window`` tokens fall evenly from 1, and later tokens have none: Toolformer's w(t) = max(0, 1 − t/window)
    (Schick et al. 2023, arXiv 2302.04761, equation 2, window 5). The continuation is cut into tokens apart, so that these are the same
    after each context.

    Args:
        model: ``seed``, a folder, or a hub id.
        prompt: messages before the contexts, by the model's chat template; none: the contexts begin the text.
        contexts: what the model has written before the continuation.
        continuation: the text that it is to expect.
        window: tokens that count.

    Raises:
        NotFoundError: there is no such model.
    """
    with _LOCK:
        return _losses(model, prompt, contexts, continuation, window)


@functools.lru_cache(maxsize=1)
def _load(path: str) -> tuple[Any, Any]:
    model, tokenizer, _ = load_model(path)
    return model, tokenizer


def _losses(
    name: str, prompt: Sequence[dict[str, Any]], contexts: Sequence[str], continuation: str, window: int
) -> list[float]:  # fmt: skip
    import torch

    model, tokenizer = _load(resolve_model(name).path)
    begin = _begin(tokenizer, prompt)
    wanted = tokenizer.encode(continuation, add_special_tokens=False)[:window]
    weights = torch.tensor([1 - t / window for t in range(len(wanted))])
    found = []
    for context in contexts:
        before = tokenizer.encode(begin + context, add_special_tokens=not begin) or [tokenizer.eos_token_id]
        ids = torch.tensor([before + wanted], device=model.device)
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[0, len(before) - 1 : -1].float()
        chances = torch.log_softmax(logits, -1).gather(-1, ids[0, len(before) :, None])[:, 0].cpu()
        found.append(float(-(chances * weights).sum() / weights.sum()))
    return found


def _begin(tokenizer: Any, prompt: Sequence[dict[str, Any]]) -> str:
    if not prompt:
        return ""
    if tokenizer.chat_template is None:
        return "\n\n".join(str(m["content"]) for m in prompt) + "\n"
    text: str = tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True)
    return text
